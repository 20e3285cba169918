"""Lightning's trainer, set up for a job."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from lightning import Trainer
from lightning.pytorch.callbacks import Callback, Checkpoint, EarlyStopping, ModelCheckpoint

from zoo.errors import ConfigError, ZooError, unknown
from zoo.training.callbacks import BEST, Curves, LastCheckpoint, WholeFiles
from zoo.training.job import Job

PRECISIONS: dict[str, Any] = {"float32": "32-true", "bf16": "bf16-mixed"}
USUAL = (
    ".*does not have many workers.*", ".*`isinstance.treespec, LeafSpec.` is deprecated.*",
    ".*Checkpoint directory .* exists and is not empty.*", ".*in eval mode at the start.*",
    ".*No device id is provided.*", ".*GPU available but not used.*",
)  # fmt: skip
"""What Lightning warns of and is meant to be so."""


@contextmanager
def quiet() -> Iterator[None]:
    """Let Lightning say what is wrong, and not what is usual."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with warnings.catch_warnings():
        for text in USUAL:
            warnings.filterwarnings("ignore", text)
        yield


@contextmanager
def together() -> Iterator[None]:
    """Leave the other processes of a training at its end, however it ends.

    Left to the interpreter's end, gloo's threads can run into that and abort a process that was
    done: torchrun takes it for failed, and waits for it on the other hosts.
    """
    try:
        yield
    finally:
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()


def kept_callbacks(
    job: Job, asked: Callable[[], bool], tell: Callable[[dict[str, float]], None]
) -> list[Callback]:
    """Return what keeps a training on disk, shows it and ends it.

    Args:
        job: to train.
        asked: whether to stop after the step under way.
        tell: told every epoch's row of curves.csv.
    """
    settings, folder = job.config.train, job.checkpoints
    best = ModelCheckpoint(
        folder, BEST, monitor="val_score", mode="max", save_on_train_epoch_end=True,
        enable_version_counter=False, save_weights_only=True,
    )  # fmt: skip
    callbacks: list[Callback] = [Curves(job.folder, tell), *early_stopping(job)]
    if job.bar:
        from lightning.pytorch.callbacks import RichProgressBar

        callbacks.append(RichProgressBar(leave=False, console_kwargs={"stderr": True}))
    return [*callbacks, best, LastCheckpoint(folder, settings.checkpoint_minutes, asked)]


def early_stopping(job: Job) -> list[Callback]:
    """Return what ends a training that gets no better; nothing where patience has no end."""
    patience = job.config.train.patience
    if patience is None:
        return []
    return [EarlyStopping("val_score", patience=patience, mode="max")]


def trainer_for(job: Job, callbacks: Sequence[Callback]) -> Trainer:
    """Return the trainer of a job.

    Raises:
        ConfigError: if Lightning does not take the hardware that is asked for.
    """
    settings = job.config.train
    keeps = any(isinstance(callback, Checkpoint) for callback in callbacks)
    devices = int(job.hardware.devices) if job.hardware.devices.isdigit() else job.hardware.devices
    make = partial(
        Trainer,
        accelerator=job.hardware.accelerator, devices=devices, num_nodes=job.hardware.nodes,
        strategy=job.hardware.strategy, precision=PRECISIONS[settings.precision],
        max_epochs=settings.epochs, accumulate_grad_batches=settings.accumulate,
        gradient_clip_val=settings.clip, callbacks=list(callbacks), logger=_loggers(job) or False,
        enable_checkpointing=keeps, enable_progress_bar=job.bar,
        enable_model_summary=False, num_sanity_val_steps=0, use_distributed_sampler=False,
        log_every_n_steps=1, plugins=[WholeFiles()],
    )  # fmt: skip
    try:
        return make()
    except Exception as error:  # MisconfigurationException, TypeError, ValueError, ImportError, ...
        raise ConfigError(
            f"Lightning does not take --accelerator {job.hardware.accelerator} --devices "
            f"{job.hardware.devices} --nodes {job.hardware.nodes} --strategy "
            f"{job.hardware.strategy} here: {error}"
        ) from error


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
