"""Set up Lightning's trainer for a job."""

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
from zoo.settings.config import TrainConfig
from zoo.system.listener import Listener
from zoo.training.callbacks import BEST, Bar, LastCheckpoint, WholeFiles
from zoo.training.curves import Curves
from zoo.training.job import Job

PRECISIONS: dict[str, Any] = {"float32": "32-true", "bf16": "bf16-mixed"}
USUAL = (
    ".*does not have many workers.*", ".*`isinstance.treespec, LeafSpec.` is deprecated.*",
    ".*Checkpoint directory .* exists and is not empty.*", ".*in eval mode at the start.*",
    ".*No device id is provided.*", ".*GPU available but not used.*",
)  # fmt: skip
"""Warnings of Lightning about what is done here on purpose."""


@contextmanager
def quiet() -> Iterator[None]:
    """Hide those messages of Lightning that do not point to a problem."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with warnings.catch_warnings():
        for text in USUAL:
            warnings.filterwarnings("ignore", text)
        yield


@contextmanager
def together() -> Iterator[None]:
    """Close the process group of a distributed training at its end, however it ends.

    If that were left to the interpreter's exit, gloo's threads could abort a process that was
    done; torchrun would count it as failed, and wait for it on the other hosts.
    """
    try:
        yield
    finally:
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()


def kept_callbacks(
    job: Job, listener: Listener, epoch: Callable[[dict[str, float]], None]
) -> list[Callback]:
    """Return the callbacks that save a training, show its progress and stop it early.

    Args:
        job: model to train.
        listener: shows the progress bar, and may ask to stop after the current step.
        epoch: called with each epoch's row of curves.csv.
    """
    settings, folder = job.config.train, job.checkpoints
    best = ModelCheckpoint(
        folder, BEST, monitor="val_score", mode="max", save_on_train_epoch_end=True,
        enable_version_counter=False, save_weights_only=True,
    )  # fmt: skip
    last = LastCheckpoint(folder, settings.checkpoint_minutes, listener.asked)
    bar = Bar(listener.bar, settings.epochs)
    return [Curves(job.folder, epoch), *early_stopping(job), bar, best, last]


def early_stopping(job: Job) -> list[Callback]:
    """Return the callback of early stopping; an empty list if train.patience is not set."""
    patience = job.config.train.patience
    if patience is None:
        return []
    return [EarlyStopping("val_score", patience=patience, mode="max")]


def trainer_settings(settings: TrainConfig) -> dict[str, Any]:
    """Return what a config says about the training, as arguments of Lightning's `Trainer`.

    The batches are shared among processes by their own sampler, so Lightning's is off.
    """
    return {
        "max_epochs": settings.epochs, "accumulate_grad_batches": settings.accumulate,
        "gradient_clip_val": settings.clip, "precision": PRECISIONS[settings.precision],
        "use_distributed_sampler": False,
    }  # fmt: skip


def trainer_for(job: Job, callbacks: Sequence[Callback]) -> Trainer:
    """Return the trainer of a job.

    Raises:
        ConfigError: if Lightning refuses the requested hardware.
    """
    settings = job.config.train
    keeps = any(isinstance(callback, Checkpoint) for callback in callbacks)
    devices = int(job.hardware.devices) if job.hardware.devices.isdigit() else job.hardware.devices
    make = partial(
        Trainer,
        accelerator=job.hardware.accelerator, devices=devices, num_nodes=job.hardware.nodes,
        strategy=job.hardware.strategy, callbacks=list(callbacks), logger=_loggers(job) or False,
        enable_checkpointing=keeps, enable_progress_bar=False,
        enable_model_summary=False, num_sanity_val_steps=0,
        log_every_n_steps=1, plugins=[WholeFiles()], **trainer_settings(settings),
    )  # fmt: skip
    try:
        return make()
    except Exception as error:  # MisconfigurationException, TypeError, ValueError, ImportError, ...
        raise ConfigError(
            f"Lightning refuses --accelerator {job.hardware.accelerator} --devices "
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
