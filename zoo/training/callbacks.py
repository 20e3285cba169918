"""What happens beside the steps: checkpoints at any moment, curves, a line an epoch."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from lightning import Trainer
from lightning.pytorch.callbacks import Callback, Checkpoint, EarlyStopping
from lightning.pytorch.plugins.io import TorchCheckpointIO

from zoo.errors import CheckpointError
from zoo.training.job import LAST
from zoo.training.whole import save_whole

BEST, CURVES = "best", "curves.csv"
COLUMNS = ("epoch", "step", "train_loss", "val_loss", "val_score", "lr", "seconds")


class Stopped(Exception):  # noqa: N818  asked for, not a mistake
    """Training was asked to stop, and has saved where it is."""


class WholeFiles(TorchCheckpointIO):
    """Checkpoints that are whole or not there, and from which nothing is unpickled."""

    def save_checkpoint(self, checkpoint: Any, path: Any, storage_options: Any = None) -> None:
        """Write beside the place, bring it to the disk, then move it there."""
        save_whole(checkpoint, Path(path))

    def load_checkpoint(self, path: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Return what a checkpoint holds: tensors and plain values."""
        return read_checkpoint(Path(path))


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Return what a checkpoint holds; nothing is unpickled.

    Raises:
        CheckpointError: if it is not there, or damaged.
    """
    try:
        found: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # RuntimeError, UnpicklingError, EOFError, FileNotFoundError, ...
        first = (str(error).splitlines() or ["no reason given"])[0]
        raise CheckpointError(
            f"{path} is missing or damaged ({type(error).__name__}: {first}). Delete the folder "
            f"{path.parent} to train this model anew."
        ) from None
    return found


class LastCheckpoint(Checkpoint):
    """Keeps `last.ckpt`: after every epoch, every few minutes, and when asked to stop.

    Args:
        folder: of the checkpoints.
        minutes: between two within an epoch.
        asked: whether to stop after the step under way.
    """

    def __init__(self, folder: Path, minutes: float, asked: Callable[[], bool]) -> None:
        self.path, self.seconds, self.asked = folder / LAST, 60 * minutes, asked
        self.saved = time.monotonic()

    def on_train_start(self, trainer: Trainer, module: Any) -> None:
        """Stop at once if training had stopped early when it was killed."""
        self.saved = time.monotonic()
        early = [c for c in trainer.callbacks if isinstance(c, EarlyStopping)]  # type: ignore[attr-defined]
        trainer.should_stop = any(c.wait_count >= c.patience for c in early)

    def on_train_batch_end(
        self, trainer: Trainer, module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save if it is time or training is to stop, and a step of the optimizer is complete.

        Raises:
            Stopped: after saving.
        """
        if trainer.is_last_batch or (batch_idx + 1) % trainer.accumulate_grad_batches:
            return  # the epoch's end saves; gradients added up so far are in no checkpoint
        late = time.monotonic() - self.saved > self.seconds
        stop = self._to_stop(trainer)
        if stop or trainer.strategy.broadcast(late):
            self._save(trainer)
        if stop:
            raise Stopped

    def on_train_epoch_end(self, trainer: Trainer, module: Any) -> None:
        """Save; the best model so far is in the callbacks' state by now.

        Raises:
            Stopped: after saving, if training is to stop.
        """
        self._save(trainer)
        if self._to_stop(trainer):
            raise Stopped

    def _to_stop(self, trainer: Trainer) -> bool:
        """Return whether any process was asked to stop."""
        return trainer.strategy.reduce_boolean_decision(self.asked(), all=False)

    def _save(self, trainer: Trainer) -> None:
        trainer.save_checkpoint(self.path)
        self.saved = time.monotonic()


class Curves(Callback):
    """Writes a row an epoch into curves.csv, and tells it."""

    def __init__(self, folder: Path, tell: Callable[[dict[str, float]], None]) -> None:
        self.path, self.tell = folder / CURVES, tell
        self.begun = time.monotonic()

    def on_train_start(self, trainer: Trainer, module: Any) -> None:
        """Leave out what a run that goes on will do again."""
        self.begun = time.monotonic()
        if trainer.is_global_zero:
            kept = [row for row in read_curves(self.path) if row["epoch"] < trainer.current_epoch]
            write_curves(self.path, kept)

    def on_train_epoch_start(self, trainer: Trainer, module: Any) -> None:
        """Take the time."""
        self.begun = time.monotonic()

    def on_train_epoch_end(self, trainer: Trainer, module: Any) -> None:
        """Write the row."""
        if not trainer.is_global_zero:
            return
        found = {name: float(value) for name, value in trainer.callback_metrics.items()}
        row = {
            "epoch": trainer.current_epoch,
            "step": trainer.global_step,
            "train_loss": found.get("train_loss", float("nan")),
            "val_loss": found.get("val_loss", float("nan")),
            "val_score": found.get("val_score", float("nan")),
            "lr": max(group["lr"] for group in trainer.optimizers[0].param_groups),
            "seconds": time.monotonic() - self.begun,
        }
        write_curves(self.path, [*read_curves(self.path), row])
        self.tell(row)


class Watched(Callback):
    """Tells of every batch and every epoch; either may end the training by raising.

    Args:
        epoch: told an epoch's number, from 0, its validation score and its seconds.
        step: called after every batch.
    """

    def __init__(
        self, epoch: Callable[[int, float, float], None], step: Callable[[], None]
    ) -> None:
        self.epoch, self.step = epoch, step
        self.begun = time.monotonic()

    def on_train_epoch_start(self, *_: Any) -> None:
        """Take the time."""
        self.begun = time.monotonic()

    def on_train_batch_end(self, *_: Any) -> None:
        """Tell of a batch."""
        self.step()

    def on_train_epoch_end(self, trainer: Trainer, module: Any) -> None:
        """Tell of an epoch."""
        score = float(trainer.callback_metrics["val_score"])
        self.epoch(trainer.current_epoch, score, time.monotonic() - self.begun)


def read_curves(path: Path) -> list[dict[str, float]]:
    """Return the rows of curves.csv; none if there is no such file."""
    if not path.is_file():
        return []
    with path.open(newline="") as file:
        return [{name: float(x) for name, x in row.items()} for row in csv.DictReader(file)]


def write_curves(path: Path, rows: list[dict[str, float]]) -> None:
    """Write the rows, whole or not at all."""
    part = path.with_name(path.name + ".part")
    with part.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows({name: f"{row[name]:.9g}" for name in COLUMNS} for row in rows)
    part.replace(path)
