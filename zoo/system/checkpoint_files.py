"""Writes checkpoint files so that each is complete or does not exist."""

from __future__ import annotations

from pathlib import Path
from typing import IO, Any

import torch

from zoo.system.files import whole_file


def save_whole(checkpoint: Any, path: Path) -> None:
    """Write a checkpoint with `torch.save`, and replace the file at `path` once it is complete.

    Raises:
        OSError: If it cannot be written; an older checkpoint at `path` is left as it was.
    """
    with whole_file(path, "wb") as file:
        patient = Patient(file)
        torch.save(checkpoint, patient)  # type: ignore[arg-type]  # it needs no more
        patient.close()


class Patient:
    """A file that raises its first error only when it is closed.

    PyTorch's writer ends the process if a write raises an error, which happens if the disk is full
    or if the handler of a signal raises.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.error: BaseException | None = None

    def write(self, data: bytes) -> int:
        """Write the data, unless there was an error before."""
        try:
            if self.error is None:
                self.file.write(data)
        except BaseException as error:  # the handler of a signal may raise anything
            self.error = error
        return len(data)

    def flush(self) -> None:
        """Flush the file, unless there was an error before."""
        try:
            if self.error is None:
                self.file.flush()
        except BaseException as error:
            self.error = error

    def close(self) -> None:
        """Flush the file, and raise the first error if there was one."""
        self.flush()
        if self.error is not None:
            raise self.error
