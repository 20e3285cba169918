"""Locks that let one process at a time work in a folder."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from zoo.errors import ConfigError
from zoo.system.listener import leader


@contextmanager
def claimed(path: Path) -> Iterator[bool]:
    """Lock a file within the block; yield False if another process holds the lock.

    The lock of a killed process is released. The file systems of some clusters have no locks: there
    this warns, and yields True.
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
        warnings.warn(
            f"{path.parent} cannot be locked ({error.strerror}): make sure that no other process "
            "works there.",
            stacklevel=4,
        )
    try:
        yield True
    finally:
        lock.release()


@contextmanager
def alone(out: Path, lock: Path | None = None) -> Iterator[None]:
    """Keep other processes from writing in the same folder, or the same file, within the block.

    Args:
        out: Folder, or a file with a lock of its own.
        lock: File to lock; None for ".lock" in the folder.

    Raises:
        ConfigError: If another process is writing there.
    """
    if not leader():
        yield
        return
    path = lock or out / ".lock"
    with claimed(path) as mine:
        if not mine:
            raise ConfigError(
                f"Another process is writing in {out}. Wait for it, or choose another --out."
            )
        try:
            yield
        finally:
            # While it is locked: after that it may be another process's. Some systems do not allow
            # it, and the file stays.
            with suppress(OSError):
                path.unlink()
