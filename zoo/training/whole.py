"""Checkpoint files that are whole or not there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO, Any

import torch


def save_whole(checkpoint: Any, path: Path) -> None:
    """Write beside the place, bring it to the disk, then move it there.

    Raises:
        OSError: if that cannot be done; what was there before is left as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as file:
            patient = Patient(file)
            torch.save(checkpoint, patient)  # type: ignore[arg-type]  # it needs no more
            patient.close()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


class Patient:
    """A file that raises its first error at the end, when it is closed.

    PyTorch's writer ends the process when a write in its midst raises: at a full disk, or at a
    signal whose handler does.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.error: BaseException | None = None

    def write(self, data: bytes) -> int:
        """Write, unless something was wrong before."""
        try:
            if self.error is None:
                self.file.write(data)
        except BaseException as error:  # also what a signal's handler raises
            self.error = error
        return len(data)

    def flush(self) -> None:
        """Flush, unless something was wrong before."""
        try:
            if self.error is None:
                self.file.flush()
        except BaseException as error:
            self.error = error

    def close(self) -> None:
        """Raise what was wrong, if something was."""
        self.flush()
        if self.error is not None:
            raise self.error
