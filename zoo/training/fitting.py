"""Train one model: from a config and prepared data to a folder with its weights."""

from __future__ import annotations

import errno
import math
from collections.abc import Callable
from functools import partial

import torch

from zoo.checkpoint import save_config
from zoo.create import build_model
from zoo.errors import ZooError
from zoo.model import FusedModel
from zoo.runs import SPLITS, write_json
from zoo.tasks.samples import DataError
from zoo.training.data import TrainingData
from zoo.training.engine import kept_callbacks, quiet, trainer_for
from zoo.training.finishing import finish
from zoo.training.job import LAST, Job
from zoo.training.module import NotFiniteError, TrainingModule
from zoo.training.objective import Balance, Objective, balance
from zoo.training.step_memory import check_memory

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EROFS, errno.EIO)
"""Errors of a disk that mending it mends."""
CALM = (
    "Lower learning rates (--set train.lr.structure=0.0003 --set train.lr.fusion=0.0003) or "
    "--set train.precision=float32 may help; both can be given with --resume."
)


LOADER, PEER = "DataLoader worker", ("closed by peer", "reset by peer", "gloo", "nccl", "timed out")
"""What PyTorch's errors say of a worker that is gone, and of another process of the training."""


class GoneError(ZooError):
    """A process that took part in the training and is there no more."""


class SaveError(ZooError):
    """A checkpoint that could not be written."""

    exit_code = 5


def train(
    job: Job,
    *,
    asked: Callable[[], bool] = lambda: False,
    tell: Callable[[dict[str, float]], None] = lambda row: None,
    show: Callable[[TrainingModule], None] = lambda module: None,
) -> None:
    """Train a model to its end, or go on where its folder says it was.

    Args:
        job: what to train.
        asked: whether to stop after the step under way.
        tell: told every epoch's row of curves.csv.
        show: given the module before the first step.

    Raises:
        Stopped: when asked to, with a checkpoint written.
        GoneError: if a loader's worker was killed, or another process of the training.
        SaveError: if the disk is full or cannot be written to.
        NotFiniteError: for a loss or gradient that is NaN or infinite.
    """
    try:
        with quiet():
            _train(job, asked, tell, show)
    except NotFiniteError as error:
        raise NotFiniteError(f"{error} {_saved(job)} {CALM}") from None
    except RuntimeError as error:
        if (who := _gone(error)) is None:
            raise
        raise GoneError(f"{who} {_saved(job)} Then give the same command with --resume.") from None
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise SaveError(
            f"{job.folder} cannot be written to: {error.strerror}. {_saved(job)} Mend that, then "
            "give the same command with --resume."
        ) from error


def _train(
    job: Job,
    asked: Callable[[], bool],
    tell: Callable[[dict[str, float]], None],
    show: Callable[[TrainingModule], None],
) -> None:
    model = build_model(job.config)
    trainer = trainer_for(job, kept_callbacks(job, asked, tell))
    if trainer.is_global_zero:
        _write_plan(job, model)
    module, data = assemble(job, model, asked, trainer.world_size)
    show(module)
    last = job.checkpoints / LAST
    trainer.fit(module, datamodule=data, ckpt_path=str(last) if last.is_file() else None)
    if trainer.is_global_zero:
        finish(job, module, data)


def _gone(error: RuntimeError) -> str | None:
    """Return which process is gone, if that is what an error of PyTorch's says."""
    first = (str(error).splitlines() or [""])[0]
    if LOADER in first:
        return (
            f"A process that loads data is gone ({first}) Where memory is short the system kills "
            "it: lower --set train.workers or --set train.tokens."
        )
    together = torch.distributed.is_available() and torch.distributed.is_initialized()
    if together and any(word in str(error).lower() for word in PEER):
        return f"Another process of this training is gone ({first}): see what it said last."
    return None


def _saved(job: Job) -> str:
    there = (job.checkpoints / LAST).is_file()
    return f"Saved: {job.checkpoints / LAST}." if there else "No checkpoint was saved yet."


def _write_plan(job: Job, model: FusedModel) -> None:
    """Write the resolved config and the splits."""
    job.folder.mkdir(parents=True, exist_ok=True)
    write_json(job.folder / SPLITS, job.plan.keys._asdict())
    save_config(model, job.folder)


def assemble(
    job: Job, model: FusedModel, asked: Callable[[], bool], world: int
) -> tuple[TrainingModule, TrainingData]:
    """Return what Lightning's trainer fits, and what it fits it to."""
    data = TrainingData(
        job.data, job.manifest, job.index, job.plan.keys, job.targets, model, job.config.train,
        job.root, job.limit, asked,
    )  # fmt: skip
    module = _module(job, model, data, world)
    data.ready = partial(check_memory, module, data)
    return module, data


def _module(job: Job, model: FusedModel, data: TrainingData, world: int) -> TrainingModule:
    settings = job.config.train
    sampler = data.sampler("train", 0, world)
    steps = math.ceil(len(sampler) / settings.accumulate) * settings.epochs
    balances = _balances(job, data)
    objective = Objective(
        job.targets, balances, class_weights=settings.class_weights == "balanced",
        sample_weights=settings.sample_weights,
    )  # fmt: skip
    assert model.head is not None
    objective.set_units(model.head.units)
    if model.struct is not None:
        model.struct.recompute = settings.checkpoint_activations
    return TrainingModule(model, objective, settings, job.config.seed, steps)


def _balances(job: Job, data: TrainingData) -> dict[str, Balance]:
    """Return what the training samples say of each target."""
    part = data.parts["train"]
    values: dict[str, list[torch.Tensor]] = {target.name: [] for target in job.targets}
    censored = False
    for sample in part.samples(part.keys):
        censored |= sample.censored != 0
        for target in job.targets:
            own = torch.as_tensor(sample.targets[target.name])
            values[target.name].append(own if target.level == "residue" else own[None])
    for name, found in values.items():
        if not any((~x.isnan()).any() for x in found):
            raise DataError(f"Target {name!r} has no known value in the training samples.")
    return {target.name: balance(target, values[target.name], censored) for target in job.targets}
