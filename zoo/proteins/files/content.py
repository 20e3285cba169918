"""Reads the bytes of a file of proteins, unpacked if it is gzip."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

from zoo.errors import StructureError
from zoo.proteins.files.unpack import PIECE, gunzip, unpacked
from zoo.system.reading import UnfitFileError, content, opened

GZIP_MARK = b"\x1f\x8b"
HEAD = 1024
"""Number of bytes that tell what kind of file it is."""


def printable(path: str | Path) -> str:
    """Return a path as text that is valid UTF-8, with "?" for bytes that are not characters."""
    return str(path).encode("utf-8", "replace").decode("utf-8")


def read_bytes(path: str | Path) -> bytes:
    """Return the content of a file, unpacked if it is gzip.

    Raises:
        StructureError: If the file cannot be opened, is empty, or its gzip stream is damaged.
    """
    with told():
        _check_name(path)
        return unpacked_bytes(content(path))


def unpacked_bytes(data: bytes) -> bytes:
    """Return what bytes hold, unpacked if they are gzip.

    Raises:
        StructureError: If that is nothing, or a damaged gzip stream.
    """
    if data.startswith(GZIP_MARK):
        try:
            data = gunzip(data)
        except ValueError as error:
            raise StructureError(str(error)) from None
    if not data.strip():
        raise StructureError("is empty")
    return data


@contextmanager
def pieces_of(path: str | Path) -> Iterator[tuple[bytes, Iterator[bytes]]]:
    """Yield the first bytes of a file, and all of it piece by piece, unpacked if it is gzip.

    Raises:
        StructureError: If the file cannot be opened, is empty, or its gzip stream is damaged.
    """
    with told():
        _check_name(path)
        with opened(path) as file:
            first, pieces = _headed(iter(lambda: file.read(PIECE), b""))
            if first.startswith(GZIP_MARK):
                first, pieces = _headed(unpacked(pieces))
            if not first.strip():
                raise StructureError("is empty")
            yield first, pieces


def _headed(pieces: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """Return the first bytes, at least `HEAD` if there are as many, and all pieces."""
    first = b""
    for piece in pieces:
        first += piece
        if len(first) >= HEAD:
            break
    return first, chain([first], pieces)


@contextmanager
def told() -> Iterator[None]:
    """Turn the errors of reading within the block into a `StructureError`."""
    try:
        yield
    except FileNotFoundError:
        raise StructureError("does not exist") from None
    except UnfitFileError as error:
        raise StructureError(str(error)) from None
    except OSError as error:
        raise StructureError(f"cannot be opened ({error.strerror or error})") from None
    except ValueError as error:
        raise StructureError(str(error)) from None


def _check_name(path: str | Path) -> None:
    if str(path) != printable(path):
        raise StructureError("has bytes in its path that are not characters; rename it")
