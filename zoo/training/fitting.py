"""Train one model: from a config and prepared data to a folder with its weights."""

from __future__ import annotations

import errno
import logging
import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
import yaml
from lightning import Trainer
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint

from zoo.checkpoint import CONFIG, WEIGHTS, load_state, save_model
from zoo.config import Config
from zoo.create import build_model
from zoo.errors import ZooError, unknown
from zoo.model import FusedModel
from zoo.runs import CALIBRATION, SPLITS, write_json
from zoo.tasks.samples import Target
from zoo.training import calibrating, splits
from zoo.training.callbacks import (
    BEST,
    CURVES,
    LAST,
    Curves,
    LastCheckpoint,
    WholeFiles,
    read_curves,
)
from zoo.training.curves import draw
from zoo.training.data import TrainingData
from zoo.training.module import NotFiniteError, TrainingModule
from zoo.training.objective import Balance, Objective, balance
from zoo.training.step_memory import check_memory

CHECKPOINTS = "checkpoints"
PRECISIONS: dict[str, Any] = {"float32": "32-true", "bf16": "bf16-mixed"}
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.EIO)


@dataclass(frozen=True)
class Hardware:
    """Where to train: Lightning's own words."""

    accelerator: str = "auto"
    devices: str = "auto"
    nodes: int = 1
    strategy: str = "auto"


@dataclass(frozen=True)
class Job:
    """One model to train.

    Attributes:
        config: with the data's targets in it.
        data: prepared folder.
        manifest: of it.
        index: of its store.
        plan: which samples.
        name: "seed 0", "fold 2".
        folder: to write.
        root: of the store of graphs and states.
        limit: bytes that the root may hold.
        hardware: where to train.
        loggers: beside curves.csv.
        bar: whether to show Lightning's progress bar.
    """

    config: Config
    data: Path
    manifest: dict[str, Any]
    index: dict[str, Any]
    plan: splits.Plan
    targets: tuple[Target, ...]
    name: str
    folder: Path
    root: Path
    limit: int | None = None
    hardware: Hardware = Hardware()
    loggers: Sequence[str] = ()
    bar: bool = False

    @property
    def finished(self) -> bool:
        """Whether it has been trained to its end."""
        return (self.folder / WEIGHTS).is_file()


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
        SaveError: if the disk is full or cannot be written to.
        NotFiniteError: for a loss or gradient that is NaN or infinite.
    """
    _quiet()
    model = build_model(job.config)
    data = TrainingData(
        job.data, job.manifest, job.index, job.plan.keys, job.targets, model, job.config.train,
        job.root, job.limit, asked,
    )  # fmt: skip
    trainer = _trainer(job, asked, tell)
    try:
        data.trainer = trainer
        if trainer.is_global_zero:
            _write_plan(job, model)
        module = _module(job, model, data)
        data.ready = partial(check_memory, module, data)
        show(module)
        last = job.folder / CHECKPOINTS / LAST
        trainer.fit(module, datamodule=data, ckpt_path=str(last) if last.is_file() else None)
        if trainer.is_global_zero:
            _finish(job, trainer, module, data)
    except NotFiniteError as error:
        raise NotFiniteError(f"{error} {_saved(job)} {_CALM}") from None
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise SaveError(
            f"{job.folder} cannot be written to: {error.strerror}. {_saved(job)} Mend that, then "
            "give the same command with --resume."
        ) from error


_CALM = (
    "Lower learning rates (--set train.lr.structure=0.0003 --set train.lr.fusion=0.0003) or "
    "--set train.precision=float32 may help; both can be given with --resume."
)


def _saved(job: Job) -> str:
    there = (job.folder / CHECKPOINTS / LAST).is_file()
    return f"Saved: {job.folder / CHECKPOINTS / LAST}." if there else "No checkpoint was saved yet."


def _quiet() -> None:
    """Let Lightning say what is wrong, and not what is usual."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    for text in (
        ".*does not have many workers.*", ".*`isinstance.treespec, LeafSpec.` is deprecated.*",
        ".*Checkpoint directory .* exists and is not empty.*", ".*in eval mode at the start.*",
        ".*smaller than the logging interval.*", ".*Experiment logs directory.*",
        ".*No device id is provided.*", ".*GPU available but not used.*",
    ):  # fmt: skip
        warnings.filterwarnings("ignore", text)


def _write_plan(job: Job, model: FusedModel) -> None:
    """Write the resolved config and the splits."""
    job.folder.mkdir(parents=True, exist_ok=True)
    write_json(job.folder / SPLITS, job.plan.keys._asdict())
    data = {**model.recipe.config.to_dict(), "plm_fingerprint": model.recipe.fingerprint}
    (job.folder / CONFIG).write_text(yaml.safe_dump(data, sort_keys=False))


def _trainer(
    job: Job, asked: Callable[[], bool], tell: Callable[[dict[str, float]], None]
) -> Trainer:
    settings, folder = job.config.train, job.folder / CHECKPOINTS
    best = ModelCheckpoint(
        folder, BEST, monitor="val_score", mode="max", save_on_train_epoch_end=True,
        enable_version_counter=False, save_weights_only=True,
    )  # fmt: skip
    callbacks: list[Any] = [Curves(job.folder, tell)]
    if settings.patience is not None:
        callbacks.append(EarlyStopping("val_score", patience=settings.patience, mode="max"))
    if job.bar:
        from lightning.pytorch.callbacks import RichProgressBar

        callbacks.append(RichProgressBar(leave=False))
    callbacks += [best, LastCheckpoint(folder, settings.checkpoint_minutes, asked)]
    devices = int(job.hardware.devices) if job.hardware.devices.isdigit() else job.hardware.devices
    return Trainer(
        accelerator=job.hardware.accelerator, devices=devices, num_nodes=job.hardware.nodes,
        strategy=job.hardware.strategy, precision=PRECISIONS[settings.precision],
        max_epochs=settings.epochs, accumulate_grad_batches=settings.accumulate,
        gradient_clip_val=settings.clip, callbacks=callbacks, logger=_loggers(job) or False,
        enable_progress_bar=job.bar, enable_model_summary=False, num_sanity_val_steps=0,
        use_distributed_sampler=False, log_every_n_steps=1, plugins=[WholeFiles()],
    )  # fmt: skip


def _loggers(job: Job) -> list[Any]:
    from lightning.pytorch.loggers import TensorBoardLogger, WandbLogger

    made: dict[str, Callable[[], Any]] = {
        "tensorboard": lambda: TensorBoardLogger(job.folder, name="tensorboard", version=""),
        "wandb": lambda: WandbLogger(save_dir=job.folder, name=job.folder.name),
    }
    for name in job.loggers:
        if name not in made:
            raise unknown("logger", name, made)
    try:
        return [made[name]() for name in job.loggers]
    except ModuleNotFoundError as error:
        raise ZooError(f"--logger: {error}. Install it, or leave the option out.") from error


def _module(job: Job, model: FusedModel, data: TrainingData) -> TrainingModule:
    settings = job.config.train
    sampler = data.sampler("train", 0, data.trainer.world_size if data.trainer else 1)
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
    return {target.name: balance(target, values[target.name], censored) for target in job.targets}


def _finish(job: Job, trainer: Trainer, module: TrainingModule, data: TrainingData) -> None:
    """Save the best epoch's weights, their calibration and the curves."""
    best = job.folder / CHECKPOINTS / f"{BEST}.ckpt"
    state = torch.load(best, map_location="cpu", weights_only=True)["state_dict"]
    own = {k.removeprefix("model."): v for k, v in state.items() if k.startswith("model.")}
    load_state(module.model, own, str(best))
    found = calibrating.calibrate(module, data)
    write_json(job.folder / CALIBRATION, found)
    draw(job.folder)
    save_model(module.model.eval(), job.folder, _told(job, found))


def _told(job: Job, calibration: dict[str, dict[str, float]]) -> list[str]:
    """Return the model card's lines on how the model was trained."""
    best = max(read_curves(job.folder / CURVES), key=lambda row: row["val_score"])
    keys = job.plan.keys
    lines = [
        f"- data: {job.manifest.get('source', job.config.task)} (inputs {job.manifest['inputs']}), "
        f"{len(keys.train):,} training, {len(keys.validation):,} validation, {len(keys.test):,} "
        f"test samples, hash of the split {splits.hash_of(keys)}",
        f"- {job.name}, {best['epoch'] + 1:.0f} epochs to the best validation score "
        f"{best['val_score']:.4f} (selected on it, so it is optimistic)",
        "- scores on the test split: metrics.json beside this file, once `python -m zoo.evaluate` "
        "has run",
    ]
    return lines + [
        f"- {name}: temperature {facts['temperature']:.3f}, calibration error "
        f"{facts['ece_before']:.3f} before and {facts['ece_after']:.3f} after it, on validation"
        for name, facts in calibration.items()
    ]
