"""Train one model from prepared data, and write its weights to the folder of the job."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from zoo.backbones.compiling import compile_layers
from zoo.errors import DataError, SaveError, ZooError
from zoo.models.checkpoint import save_config
from zoo.models.create import LoadedPLM, build_model
from zoo.models.model import FusedModel
from zoo.models.runs import SPLITS
from zoo.system.files import FULL, write_json
from zoo.system.listener import SILENT, Listener
from zoo.training.batching import StepCounts
from zoo.training.callbacks import Watched
from zoo.training.data import TrainingData
from zoo.training.engine import early_stopping, kept_callbacks, quiet, trainer_for
from zoo.training.finishing import finish
from zoo.training.job import Job
from zoo.training.module import NotFiniteError, TrainingModule
from zoo.training.objective import Balance, Objective, balance
from zoo.training.scoring import UNLABELLED
from zoo.training.starting import LAST
from zoo.training.step_memory import check_memory
from zoo.training.warm_start import begin

CALM = (
    "Lower learning rates (--set train.lr.structure=0.0003 --set train.lr.fusion=0.0003) or "
    "--set train.precision=float32 may help; both can be given with --resume."
)
NARROW = (
    "The language model computes in float16, which ends at 65,504: train anew, in another --out, "
    "with --set sequence.dtype=bfloat16."
)
"""Advice for a training that is not finite any more."""

LOADER, PEER = "DataLoader worker", ("closed by peer", "reset by peer", "gloo", "nccl", "timed out")
"""Words in PyTorch's errors about a loader's worker, or another training process, that died."""


class GoneError(ZooError):
    """A process that took part in the training has died."""


def train(
    job: Job,
    *,
    listener: Listener = SILENT,
    epoch: Callable[[dict[str, float]], None] = lambda row: None,
    begun: Callable[[TrainingModule], None] = lambda module: None,
) -> None:
    """Train a model to its end, starting from the last checkpoint in its folder if there is one.

    Args:
        job: model to train.
        listener: receives the progress, and may ask to stop after the current step.
        epoch: called with each epoch's row of curves.csv.
        begun: called with the module before the first step.

    Raises:
        Stopped: when asked to stop, after a checkpoint was written.
        GoneError: if a loader's worker, or another process of the training, was killed.
        SaveError: if the disk is full or cannot be written to.
        NotFiniteError: for a loss or gradient that is NaN or infinite.
    """
    try:
        with quiet():
            _train(job, listener, epoch, begun)
    except NotFiniteError as error:
        raise NotFiniteError(f"{error} {_saved(job)} {_calm(job)}") from None
    except RuntimeError as error:
        if (who := _gone(error)) is None:
            raise
        raise GoneError(f"{who} {_saved(job)} Then run the same command with --resume.") from None
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise SaveError(
            f"{job.folder} cannot be written to: {error.strerror}. {_saved(job)} Fix that, then "
            "run the same command with --resume."
        ) from error


def _train(
    job: Job,
    listener: Listener,
    epoch: Callable[[dict[str, float]], None],
    begun: Callable[[TrainingModule], None],
) -> None:
    model = _new_model(job)
    trainer = trainer_for(job, kept_callbacks(job, listener, epoch))
    if trainer.is_global_zero:
        _write_plan(job, model)
    module, data = assemble(job, model, listener, trainer.world_size)
    begun(module)
    last = job.checkpoints / LAST
    trainer.fit(module, datamodule=data, ckpt_path=str(last) if last.is_file() else None)
    if trainer.is_global_zero:
        finish(job, module, data)


def try_out(
    job: Job,
    *,
    epoch: Callable[[int, float, float], None],
    step: Callable[[], None],
    loaded: LoadedPLM | None = None,
) -> tuple[TrainingModule, TrainingData]:
    """Train a model without writing files; return it as after its last epoch, and its data.

    Args:
        job: model to train; its folder is not written to.
        epoch: called with each epoch's number, from 0, its validation score and its seconds; an
            error that it raises ends the training.
        step: called after every batch; an error that it raises ends the training.
        loaded: language model of the config, if it is in memory already.
    """
    with quiet():
        model = _new_model(job, loaded)
        module, data = assemble(job, model, SILENT, 1)
        trainer = trainer_for(job, [*early_stopping(job), Watched(epoch, step)])
        trainer.fit(module, datamodule=data)
    return module, data


def _new_model(job: Job, loaded: LoadedPLM | None = None) -> FusedModel:
    """Return the model with the weights that it begins with."""
    model = build_model(job.blueprint, loaded)
    begin(model, job)
    return model


def _gone(error: RuntimeError) -> str | None:
    """Return a sentence on the process that died, if an error of PyTorch is about that."""
    first = (str(error).splitlines() or [""])[0]
    if LOADER in first:
        return (
            f"A process that loads data died ({first}) If memory is short, the system kills such "
            "processes: lower --set train.workers or --set train.tokens."
        )
    together = torch.distributed.is_available() and torch.distributed.is_initialized()
    if together and any(word in str(error).lower() for word in PEER):
        return f"Another process of this training died ({first}): see its last messages."
    return None


def _saved(job: Job) -> str:
    there = (job.checkpoints / LAST).is_file()
    return f"Saved: {job.checkpoints / LAST}." if there else "No checkpoint was saved yet."


def _calm(job: Job) -> str:
    """Return what may help: float16 does not become wider at a lower learning rate."""
    return NARROW if job.config.sequence.dtype == "float16" else CALM


def _write_plan(job: Job, model: FusedModel) -> None:
    """Write the resolved config and the splits."""
    job.folder.mkdir(parents=True, exist_ok=True)
    write_json(job.folder / SPLITS, job.plan.keys._asdict())
    save_config(model, job.folder)


def assemble(
    job: Job, model: FusedModel, listener: Listener, world: int
) -> tuple[TrainingModule, TrainingData]:
    """Return the module and the data that Lightning's trainer needs."""
    data = TrainingData(job, model, listener)
    module = TrainingModule(**module_arguments(job, model, data, world))
    data.ready = partial(check_memory, module, data)
    return module, data


def _check_validation(job: Job) -> None:
    """Check that something can choose the best epoch: a validation sample with a label."""
    without = job.undefined
    if job.plan.keys.validation and [*without.values()] == [UNLABELLED] * len(job.targets):
        raise DataError(
            "No validation sample has a known label, so nothing could choose the best epoch. Label "
            "some of them, or name no validation split: training then draws one."
        )


def module_arguments(job: Job, model: FusedModel, data: TrainingData, world: int) -> dict[str, Any]:
    """Return the arguments of the module: the model, its loss, and the number of steps.

    Raises:
        DataError: if a target has no known value in the training samples, or none has in the
            validation samples.
    """
    settings = job.config.train
    sampler = data.sampler("train", 0, world)
    steps = math.ceil(len(sampler) / settings.accumulate) * settings.epochs
    balances, known = _labels(job, data)
    _check_validation(job)
    objective = Objective(
        job.targets, balances, class_weights=settings.class_weights == "balanced",
        sample_weights=settings.sample_weights,
    )  # fmt: skip
    counts = StepCounts(sampler, known, [t.name for t in job.targets], settings.accumulate)
    assert model.head is not None
    objective.set_units(model.head.units)
    if model.struct is not None:
        model.struct.recompute = settings.checkpoint_activations
    if settings.compile:
        compile_layers(model.struct, job.hardware.device)
    return {"model": model, "objective": objective, "settings": settings,
            "seed": job.config.seed, "steps": steps, "counts": counts}  # fmt: skip


def _labels(job: Job, data: TrainingData) -> tuple[dict[str, Balance], NDArray[np.int64]]:
    """Return the statistics of each target, and (samples, targets) how many labels are known."""
    part, settings = data.parts["train"], job.config.train
    values: dict[str, list[torch.Tensor]] = {target.name: [] for target in job.targets}
    weights: list[float] = []
    censored = False
    for sample in part.samples(part.keys):
        censored |= sample.censored != 0
        weights.append(sample.weight if settings.sample_weights else 1.0)
        for target in job.targets:
            own = torch.as_tensor(sample.targets[target.name])
            values[target.name].append(own if target.level == "residue" else own[None])
    known = np.array([[int((~x.isnan()).sum()) for x in found] for found in values.values()]).T
    for target, count in zip(job.targets, known.sum(0), strict=True):
        if not count:
            raise DataError(f"Target {target.name!r} has no known value in the training samples.")
    balanced = settings.class_weights == "balanced"
    return {
        target.name: balance(target, values[target.name], censored, weights, balanced)
        for target in job.targets
    }, known
