"""Reads the bytes of a file of proteins, unpacked if it is gzip."""

from __future__ import annotations

from pathlib import Path

from zoo.errors import StructureError
from zoo.proteins.files.unpack import gunzip
from zoo.system.reading import UnfitFileError, content


def printable(path: str | Path) -> str:
    """Return a path as text that is valid UTF-8, with "?" for bytes that are not characters."""
    return str(path).encode("utf-8", "replace").decode("utf-8")


def read_bytes(path: str | Path) -> bytes:
    """Return the content of a file, unpacked if it is gzip.

    Raises:
        StructureError: If the file cannot be opened, is empty, or its gzip stream is damaged.
    """
    path = Path(path)
    if str(path) != printable(path):
        raise StructureError("has bytes in its path that are not characters; rename it")
    try:
        data = content(path)
    except FileNotFoundError:
        raise StructureError("does not exist") from None
    except UnfitFileError as error:
        raise StructureError(str(error)) from None
    except (OSError, ValueError) as error:
        cause = getattr(error, "strerror", None) or error
        raise StructureError(f"cannot be opened ({cause})") from None
    if data[:2] == b"\x1f\x8b":
        try:
            data = gunzip(data)
        except ValueError as error:
            raise StructureError(str(error)) from None
    if not data.strip():
        raise StructureError("is empty")
    return data
