"""A trained model, or several of one run, as one predictor: their mean, and how far they differ."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from zoo.checkpoint import CONFIG, load_model
from zoo.create import targets_of, task_of
from zoo.errors import CheckpointError, RandomWeightsWarning
from zoo.model import FusedModel
from zoo.prediction.inference import Hidden, predict_logits
from zoo.prediction.outputs import Array, activate, columns
from zoo.pretrained import folder_of, hint
from zoo.proteins.batch import Batch
from zoo.proteins.protein import Protein
from zoo.runs import FACTS, Member, read_run
from zoo.tasks.samples import Target


@dataclass(frozen=True)
class Estimate:
    """What is predicted for one target of one protein; NaN for a residue that is no node.

    Attributes:
        mean: value or probability: () of the protein or (residues,), with a last axis of classes
            or labels where there are several.
        std: of the members around it, of the same shape; None from one model alone.
    """

    mean: Array
    std: Array | None


@dataclass(frozen=True)
class Ensemble:
    """The models of a run, each with the temperatures of its targets.

    Attributes:
        targets: what they predict, in the order of their heads' columns.
        members: where each is from.
        models: one a member.
        temperatures: of each member, by target; 1 where there is none.
        device: that they are on.
    """

    targets: tuple[Target, ...]
    members: tuple[Member, ...]
    models: tuple[FusedModel, ...]
    temperatures: tuple[Mapping[str, float], ...]
    device: str

    @property
    def random_plm(self) -> bool:
        """Whether a language model was never trained: predictions mean nothing."""
        return any(model.recipe.random_plm for model in self.models)

    def predict(self, proteins: Sequence[Protein]) -> list[dict[str, Estimate]]:
        """Return the estimates of each protein by target, run as one batch.

        The mean is over values or probabilities, after each member's temperature; the standard
        deviation is that of the members as they are (Lakshminarayanan et al., arXiv:1612.01474).
        """
        taps = _Taps(self.device)
        logits = [
            predict_logits(model, proteins, self.device, taps.of(model)) for model in self.models
        ]
        return [self._estimates(each) for each in zip(*logits, strict=True)]

    def _estimates(self, logits: Sequence[Array]) -> dict[str, Estimate]:
        """Return the estimates of one protein, from each member's logits."""
        found = {}
        for target, where in zip(self.targets, columns(self.targets).values(), strict=True):
            values = np.stack([
                activate(target, own[..., where], temperatures.get(target.name, 1.0))
                for own, temperatures in zip(logits, self.temperatures, strict=True)
            ])  # fmt: skip
            std = values.std(axis=0) if len(values) > 1 else None
            found[target.name] = Estimate(values.mean(axis=0), std)
        return found


class _Taps:
    """What is constant of a language model that members share: run once for all of them."""

    def __init__(self, device: str) -> None:
        self.device = device
        self.known: dict[object, Mapping[int, Tensor]] = {}

    def of(self, model: FusedModel) -> Hidden | None:
        if not model.taps:
            return None
        key = (id(model.seq), model.taps, model.side is None, model.graph_spec)

        def states(_: Sequence[Protein], batch: Batch) -> Mapping[int, Tensor]:
            if key not in self.known:
                self.known[key] = model.tap(batch.to(self.device))
            return self.known[key]

        return states


def load_ensemble(folder: Path, device: str) -> Ensemble:
    """Return the members of a run's folder, or the one model of a saved model's.

    Members with one frozen language model share it in memory.

    Raises:
        CheckpointError: if the folder is neither, or a model has no head or was never trained.
        WeightsError: if the pretrained language model cannot be had here.
    """
    targets, members = _what_is_in(folder_of(folder))
    models: list[FusedModel] = []
    for member in members:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RandomWeightsWarning)  # said in red by the caller
            model = load_model(member.folder)
        _check_head(model, member, targets)
        _share(model, models)
        models.append(model.to(device))
    targets = targets or targets_of(models[0].recipe.config)
    temperatures = tuple(member.temperatures() for member in members)
    return Ensemble(targets, members, tuple(models), temperatures, device)


def _what_is_in(folder: Path) -> tuple[tuple[Target, ...], tuple[Member, ...]]:
    if (folder / FACTS).is_file():
        run = read_run(folder)
        return run.targets, run.members
    if (folder / CONFIG).is_file():
        return (), (Member(folder, folder.name, None, 0),)
    raise CheckpointError(
        f"{folder} is no trained model: it has neither {FACTS}, which `python -m zoo.train CONFIG "
        f"--data DIR --out {folder}` writes, nor the {CONFIG} of a saved model.{hint(folder)}"
    )


def _check_head(model: FusedModel, member: Member, targets: tuple[Target, ...]) -> None:
    task = task_of(model.recipe.config)
    if task is None:
        raise CheckpointError(
            f"{member.folder} has no head, so it predicts nothing; it gives features, which "
            "`python -m zoo.embed` writes. `python -m zoo.train` trains a model with a head."
        )
    own = targets_of(model.recipe.config)
    if not own:
        raise CheckpointError(
            f"{member.folder} has a head for {model.recipe.config.task!r} whose weights are "
            f"random: it was built and never trained, its {CONFIG} names no targets. Train it "
            "with `python -m zoo.train`."
        )
    if targets and own != targets:
        raise CheckpointError(
            f"{member.folder} predicts {', '.join(t.name for t in own)}, and {FACTS} says "
            f"{', '.join(t.name for t in targets)}, or other classes: they are of different runs. "
            "Give --model the member's own folder, or train the run anew."
        )


def _share(model: FusedModel, others: Sequence[FusedModel]) -> None:
    """Let a model use the language model of another that has the very same one, untrained."""
    mine = model.recipe
    for other in others:
        same = (
            mine.fingerprint == other.recipe.fingerprint
            and mine.config.sequence == other.recipe.config.sequence
        )
        if same and mine.config.sequence.tuning == "frozen":
            model.seq = other.seq
            return
