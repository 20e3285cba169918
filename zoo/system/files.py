"""Writes files so that each is complete or unchanged, even after a kill or a power cut."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from zoo.errors import ConfigError, SaveError
from zoo.system.reading import content


def cache_root() -> Path:
    """Return the folder of all that is kept between runs: ZOO_STORE, or one in the user's cache."""
    if named := os.environ.get("ZOO_STORE"):
        return Path(named).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser() / "protein-model-zoo"


@contextmanager
def whole_file(path: Path, mode: str = "w", *, part: str | None = None) -> Iterator[IO[Any]]:
    """Yield a file to write, which replaces `path` when the block ends without an error.

    Until then an existing file stays as it was, and other processes read that one.

    Args:
        path: Path of the file; its folder is made if it does not exist.
        mode: "w" for UTF-8 text with line ends as written, "wb" for bytes.
        part: Name of the unfinished file beside `path`; it must be unique to each process if
            several write to `path` at once.

    Raises:
        OSError: If the disk is full, or the folder cannot be written to.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    text: dict[str, Any] = {} if "b" in mode else {"encoding": "utf-8", "newline": ""}
    if path.exists() and not path.is_file():  # a pipe or a device: nothing may take its place
        with path.open(mode, **text) as file:
            yield file
        return
    beside = path.with_name(part or f"{path.name}.part")
    try:
        with beside.open(mode, **text) as file:
            yield file
        settle(beside, path)
    finally:
        with suppress(OSError):
            beside.unlink()


def settle(part: Path, path: Path) -> None:
    """Flush a complete file to the disk, then move it to its place."""
    with part.open("rb+") as file:
        os.fsync(file.fileno())
    part.replace(path)
    if os.name == "posix":  # the move is on the disk once the folder is
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        except OSError:  # some file systems cannot do this for folders
            pass
        finally:
            os.close(folder)


FULL = (
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO,
)  # fmt: skip
"""Errors of writing that go away when the disk or the folder is mended."""


@contextmanager
def saving(place: Path, kept: str) -> Iterator[None]:
    """Explain a full disk, or a folder that cannot be written to, in one message.

    Args:
        place: Folder or file that is written within the block.
        kept: Sentences that say what is saved, and how to go on.

    Raises:
        SaveError: For an `OSError` that is in `FULL`.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise SaveError(
            f"{place} cannot be written to: {os.strerror(error.errno)}. {kept}"
        ) from error


def make_folder(path: Path) -> None:
    """Make the folder that a command writes to, before the work whose results it is for.

    Raises:
        ConfigError: If a file is in its place.
        SaveError: If it cannot be made, as in a read-only folder.
    """
    try:
        with saving(path, "Name another --out, or a folder that you may write to."):
            path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be a folder: {error.strerror}. Name another --out."
        ) from error


def write_whole(path: Path, text: str) -> None:
    """Write a text file; if that fails, an existing file stays as it was."""
    with whole_file(path) as file:
        file.write(text)


def write_json(path: Path, values: Any) -> None:
    """Write a JSON file; if that fails, an existing file stays as it was."""
    write_whole(path, json.dumps(values, indent=2) + "\n")


def read_json(path: Path) -> Any:
    """Return the content of a JSON file; None if it does not exist or is damaged."""
    try:
        return json.loads(content(path))
    except (OSError, ValueError, RecursionError):
        return None
