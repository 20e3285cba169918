"""What browsers send: each file is read once, and then it is not on the disk any more."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from threading import Lock, Timer

from zoo.errors import StructureError
from zoo.system.reading import content

REMEMBERED = 60
"""Seconds for which the same file, sent by two windows at once, can be asked for again."""
ABANDONED = 600
"""Seconds after which what is still there was sent by a browser that has gone."""
GONE = "The file is not held any more. Drop it once more."


class Uploads:
    """The folder into which Gradio writes what is sent.

    Several windows may send at the same moment, so only what one of them has sent whole is
    removed. Gradio names a path by the content, so the same file from two windows is at one path,
    and the second one gets what the first has read.

    Args:
        folder: The folder, which belongs to this process.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = Lock()
        self._read: dict[str, bytes] = {}

    def read(self, path: str) -> bytes:
        """Return the content of a file that was sent, and remove it from the disk.

        Raises:
            StructureError: If it is not there, and was not read in the last minute.
        """
        with self._lock:
            self._sweep()
            if Path(path).is_file():
                self._take(path)
            if path not in self._read:
                raise StructureError(GONE)
            return self._read[path]

    def _take(self, path: str) -> None:
        try:
            self._read[path] = content(path)
        finally:
            if self.folder in Path(path).parents:
                Path(path).unlink()
        timer = Timer(REMEMBERED, self._read.pop, (path, None))
        timer.daemon = True
        timer.start()

    def _sweep(self) -> None:
        """Remove what was sent long ago, and the empty files that Gradio makes.

        Empty folders stay, as a window may be about to use one.
        """
        end = time.time() - ABANDONED
        for one in self.folder.rglob("*"):
            with suppress(FileNotFoundError):  # Gradio renames what is complete
                if one.is_file() and one.stat().st_mtime < end:
                    one.unlink()
