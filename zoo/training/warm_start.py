"""Begin a training with the weights of a model that was trained before: `train.start`."""

from __future__ import annotations

from pathlib import Path

import torch

from zoo.errors import CheckpointError, ConfigError, DataError
from zoo.models.checkpoint import WEIGHTS, load_state, own_state, read_weights
from zoo.models.checksums import check_file
from zoo.models.model import FusedModel
from zoo.models.runs import SPLITS, Member, trained
from zoo.pretrained import folder_of
from zoo.training.job import Job

HEAD = "head."


def begin(model: FusedModel, job: Job) -> None:
    """Copy the weights of `train.start` into a new model; without that key it stays as it is.

    A head for another number of outputs keeps its random weights. Of several trained models, seeds
    take turns; of those of a cross-validation, each fold takes its own.

    Args:
        model: Model that was just built.
        job: What it is built for.

    Raises:
        CheckpointError: If the folder holds no trained model.
        ConfigError: If its weights do not fit the model.
        DataError: If it was trained on samples of the same name as one to test on.
    """
    start = job.config.train.start
    if start is None:
        return
    member = _member(folder_of(start), job)
    _check_unseen(member, job, start)
    state = _fitting_head(read_weights(member.folder), own_state(model))
    try:
        load_state(model, state, str(member.folder))
    except CheckpointError as error:
        raise ConfigError(
            f"train.start: a model cannot begin with the weights of {start}. {error} Take its "
            "sequence, structure, graph, fusion and head from the config.yaml of that model."
        ) from error
    check_file(member.folder / WEIGHTS)


def _member(folder: Path, job: Job) -> Member:
    """Return the trained model of a folder that a job begins with."""
    _, members = trained(folder)
    same = [one for one in members if one.fold == job.plan.fold]
    members = tuple(same) or members
    return members[job.config.seed % len(members)]


def _check_unseen(member: Member, job: Job, start: str) -> None:
    """Refuse weights that have seen the labels of a sample that the new model is tested on."""
    if not (member.folder / SPLITS).exists():
        return
    splits = member.splits()
    seen = {*splits["train"], *splits["validation"]} & {*job.plan.keys.test}
    if seen:
        raise DataError(
            f"train.start: {start} was trained on {len(seen):,} samples that {job.name} is tested "
            f"on, first {min(seen)}. Begin with a model that has not seen them."
        )


def _fitting_head(
    state: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """Return the weights with the new head's own wherever those of the head have other shapes."""
    own = {key: tensor for key, tensor in expected.items() if key.startswith(HEAD)}
    rest = {key: tensor for key, tensor in state.items() if not key.startswith(HEAD)}
    given = {key: tensor for key, tensor in state.items() if key.startswith(HEAD)}
    fits = {key: x for key, x in given.items() if key in own and x.shape == own[key].shape}
    return {**rest, **own, **fits}
