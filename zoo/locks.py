"""One process at a time in a folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from zoo.cli import warn


@contextmanager
def claimed(path: Path) -> Iterator[bool]:
    """Yield whether no other process has claimed this file; a killed process's claim is void.

    Some clusters' file systems have no locks: there it warns, and yields True.
    """
    from filelock import FileLock, Timeout

    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        yield False
        return
    except OSError as error:
        warn(
            f"{path.parent} cannot be locked ({error.strerror}): see to it that no other process "
            "works there.", style="",
        )  # fmt: skip
    try:
        yield True
    finally:
        lock.release()
