"""Lightning callbacks of a training: checkpoints, a progress bar, and calls after each epoch."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from lightning import Trainer
from lightning.pytorch.callbacks import Callback, Checkpoint, EarlyStopping
from lightning.pytorch.plugins.io import TorchCheckpointIO

from zoo.errors import CheckpointError
from zoo.system.checkpoint_files import save_whole
from zoo.system.listener import Progress, Stopped
from zoo.system.reading import plain_file
from zoo.training.starting import LAST

BEST = "best"


class WholeFiles(TorchCheckpointIO):
    """Writes checkpoints atomically, and reads them without unpickling arbitrary objects."""

    def save_checkpoint(self, checkpoint: Any, path: Any, storage_options: Any = None) -> None:
        """Write to a temporary file, sync it to the disk, then rename it."""
        save_whole(checkpoint, Path(path))

    def load_checkpoint(self, path: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Return the contents of a checkpoint: tensors and plain values."""
        return read_checkpoint(Path(path))


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Return the contents of a checkpoint, without unpickling arbitrary objects.

    Raises:
        CheckpointError: if the file is missing or damaged.
    """
    try:
        found: dict[str, Any] = torch.load(
            plain_file(path, whole=True), map_location="cpu", weights_only=True
        )
    except Exception as error:  # RuntimeError, UnpicklingError, EOFError, FileNotFoundError, ...
        first = (str(error).splitlines() or ["no reason given"])[0]
        raise CheckpointError(
            f"{path} is missing or damaged ({type(error).__name__}: {first}). Delete the folder "
            f"{path.parent} to train this model from the start."
        ) from None
    return found


class LastCheckpoint(Checkpoint):
    """Keeps `last.ckpt`: after every epoch, every few minutes, and when asked to stop.

    Args:
        folder: folder of the checkpoints.
        minutes: time between two checkpoints within an epoch.
        asked: returns whether to stop after the current step.
    """

    def __init__(self, folder: Path, minutes: float, asked: Callable[[], bool]) -> None:
        self.path, self.seconds, self.asked = folder / LAST, 60 * minutes, asked
        self.saved = time.monotonic()

    def on_train_start(self, trainer: Trainer, module: Any) -> None:
        """Stop at once if early stopping had already ended the training that is resumed."""
        self.saved = time.monotonic()
        early = [c for c in trainer.callbacks if isinstance(c, EarlyStopping)]  # type: ignore[attr-defined]
        trainer.should_stop = any(c.wait_count >= c.patience for c in early)

    def on_train_batch_end(
        self, trainer: Trainer, module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save if it is time or the training should stop, once an optimizer step is complete.

        Raises:
            Stopped: after saving.
        """
        if trainer.is_last_batch or (batch_idx + 1) % trainer.accumulate_grad_batches:
            return  # the epoch's end saves; accumulated gradients are not in checkpoints
        late = time.monotonic() - self.saved > self.seconds
        stop = self._to_stop(trainer)
        if stop or trainer.strategy.broadcast(late):
            self._save(trainer)
        if stop:
            raise Stopped

    def on_train_epoch_end(self, trainer: Trainer, module: Any) -> None:
        """Save, now that the callbacks' state names the best model of all epochs so far.

        Raises:
            Stopped: after saving, if the training should stop.
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


class Bar(Callback):
    """Shows a progress bar for each epoch, if the listener has a terminal."""

    def __init__(self, bar: Progress, epochs: int) -> None:
        self.bar, self.epochs = bar, epochs
        self.shown = ExitStack()
        self.advance: Callable[[int], None] | None = None

    def on_train_batch_end(
        self, trainer: Trainer, module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count a batch; the first one of an epoch, or of a resumed run, opens the bar."""
        if self.advance is None:
            what = f"epoch {trainer.current_epoch + 1} of {self.epochs}"
            bar = self.bar(what, int(trainer.num_training_batches))
            self.advance = self.shown.enter_context(bar)
        self.advance(batch_idx + 1)

    def on_train_epoch_end(self, *_: Any) -> None:
        """Remove the bar."""
        self.shown.close()
        self.advance = None

    def on_exception(self, *_: Any) -> None:
        """Remove the bar before an error is printed."""
        self.shown.close()


class Watched(Callback):
    """Calls functions after every batch and epoch; an error that they raise ends the training.

    Args:
        epoch: called with the number of an epoch, from 0, its validation score and its seconds.
        step: called after every batch.
    """

    def __init__(
        self, epoch: Callable[[int, float, float], None], step: Callable[[], None]
    ) -> None:
        self.epoch, self.step = epoch, step
        self.begun = time.monotonic()

    def on_train_epoch_start(self, *_: Any) -> None:
        """Start the clock of the epoch."""
        self.begun = time.monotonic()

    def on_train_batch_end(self, *_: Any) -> None:
        """Call `step`."""
        self.step()

    def on_train_epoch_end(self, trainer: Trainer, module: Any) -> None:
        """Call `epoch` with its number, score and seconds."""
        score = float(trainer.callback_metrics["val_score"])
        self.epoch(trainer.current_epoch, score, time.monotonic() - self.begun)
