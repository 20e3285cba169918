"""Reads files: what is not a plain file, or cannot fit into the memory, is refused before a read.

A named pipe that nobody writes to makes a program wait for ever, a device may have no end, and a
file of a few bytes on disk may claim to have a terabyte. So every file of a user is read by
`content`, or piece by piece by `opened`, or passes `plain_file` before a library opens it.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from zoo.system.memory import MARGIN, free_memory

MOST = 2**30
"""Largest size in bytes of a file that `content` reads; the largest structures have a third."""
LARGE = 2**26
"""Size in bytes from which a file is compared with the free memory, and looked at for holes."""
KINDS = (
    (stat.S_ISDIR, errno.EISDIR, "is a folder; name a file in it"),
    (stat.S_ISFIFO, errno.EINVAL, "is a named pipe, which may have no writer; name a file"),
    (stat.S_ISSOCK, errno.EINVAL, "is a socket; name a file"),
    (stat.S_ISCHR, errno.EINVAL, "is a device, which may have no end; name a file"),
    (stat.S_ISBLK, errno.EINVAL, "is a device, which may have no end; name a file"),
)
INHERITED = ("/dev/fd/", "/dev/stdin", "/proc/self/fd/")
"""Paths of pipes that a process was started with, as by the shell's `<(zcat FILE)`."""


class UnfitFileError(OSError):
    """A path that is no plain file, or a file that is too large; `strerror` says which."""

    def __str__(self) -> str:
        return str(self.strerror)


def content(path: str | Path, most: int | None = MOST) -> bytes:
    """Return the bytes of a file.

    Args:
        path: Path of the file; a pipe that the shell made for this process is read to its end.
        most: Largest number of bytes; None for no limit but the memory.

    Raises:
        UnfitFileError: If it is no plain file, or is too large.
        OSError: If it does not exist or cannot be read.
    """
    with _handle(path, most) as (file, info):
        _check_memory(path, info.st_size)
        _check_holes(path, file.fileno(), info.st_size)
        return file.read() if stat.S_ISREG(info.st_mode) else _stream(path, file, most)


@contextmanager
def opened(path: str | Path) -> Iterator[IO[bytes]]:
    """Yield a file of any size to read piece by piece; whoever reads bounds what is kept of it.

    Raises:
        UnfitFileError: If it is no plain file, nor a pipe that the shell made for this process.
        OSError: If it does not exist or cannot be read.
    """
    with _handle(path, None) as (file, _):
        yield file


@contextmanager
def _handle(path: str | Path, most: int | None) -> Iterator[tuple[IO[bytes], os.stat_result]]:
    _check(path, os.stat(path), most)
    # Without waiting, in case that a pipe has taken the file's place since.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    handle = os.open(path, flags)
    try:
        info = os.fstat(handle)
        _check(path, info, most)
        if not stat.S_ISREG(info.st_mode):
            os.set_blocking(handle, True)
        with open(handle, "rb", closefd=False) as file:
            yield file, info
    finally:
        os.close(handle)


def stamp(path: str | Path) -> str:
    """Return the size and time of a file, by which changes are noticed; "" if it is missing."""
    try:
        stat = Path(path).stat()
    except OSError:
        return ""
    return f"{stat.st_size} {stat.st_mtime_ns}"


def text(path: str | Path, most: int | None = MOST) -> str:
    """Return the text of a file in UTF-8, whose lines end in a line feed alone.

    Raises:
        UnicodeDecodeError: If it is not text in UTF-8.
        UnfitFileError: If it is no plain file, or is too large.
        OSError: If it does not exist or cannot be read.
    """
    return content(path, most).decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")


def plain_file(path: str | Path, *, whole: bool = False) -> Path:
    """Return a path that a library is about to open, after checking that it is a plain file.

    Args:
        path: Path of the file.
        whole: Whether the library reads all of it into the memory.

    Raises:
        UnfitFileError: If it is no plain file, or is read whole and too large.
        OSError: If it does not exist.
    """
    info = os.stat(path)
    _check(path, info, None)
    if whole:
        _check_memory(path, info.st_size)
    return Path(path)


def _stream(path: str | Path, file: IO[bytes], most: int | None) -> bytes:
    parts, size = [], 0
    while part := file.read(2**20):
        parts.append(part)
        size += len(part)
        if most is not None and size > most:
            raise _too_large(path, f"more than {most:,}", most)
    return b"".join(parts)


def _check(path: str | Path, info: os.stat_result, most: int | None) -> None:
    if stat.S_ISFIFO(info.st_mode) and os.fspath(path).startswith(INHERITED):
        return
    for is_one, code, words in KINDS:
        if is_one(info.st_mode):
            raise UnfitFileError(code, words, os.fspath(path))
    if most is not None and info.st_size > most:
        raise _too_large(path, f"{info.st_size:,}", most)


def _too_large(path: str | Path, size: str, most: int | None) -> UnfitFileError:
    words = f"has {size} bytes, and at most {most:,} are read; is it the right file?"
    return UnfitFileError(errno.EFBIG, words, os.fspath(path))


def _check_memory(path: str | Path, size: int) -> None:
    if size > LARGE and size > MARGIN * (free := free_memory()):
        words = f"has {size / 1e9:.1f} GB, and {free / 1e9:.1f} GB of memory are free"
        raise UnfitFileError(errno.ENOMEM, words, os.fspath(path))


def _check_holes(path: str | Path, handle: int, size: int) -> None:
    """Refuse a large file most of which was never written, which is read as zeros."""
    if size <= LARGE or not hasattr(os, "SEEK_DATA"):
        return
    written, at = 0, 0
    while at < size:
        try:
            start = os.lseek(handle, at, os.SEEK_DATA)
        except OSError:  # nothing but a hole follows
            break
        at = os.lseek(handle, start, os.SEEK_HOLE)
        written += at - start
    os.lseek(handle, 0, os.SEEK_SET)
    if written < size / 2:
        words = f"says that it has {size:,} bytes, of which {written:,} were written; copy it again"
        raise UnfitFileError(errno.EINVAL, words, os.fspath(path))
