"""A gzip reader that limits how much a file may unpack to."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator

PIECE = 2**20
"""Number of bytes that are unpacked, or read, at a time."""
GZIP = 31
"""Value of zlib's `wbits` that expects a gzip header and checksum."""
LEAST, RATIO = 2**26, 100
"""Largest unpacked size: 64 MB, or 100 times the file's size if that is more.

Structure files shrink by a factor of 4 to 20.
"""


def gunzip(data: bytes, most: int | None = None) -> bytes:
    """Return the unpacked content of a gzip file, from all of its members.

    Args:
        data: Content of the file.
        most: Largest unpacked size in bytes; None for `LEAST` and `RATIO`.

    Raises:
        ValueError: If it is damaged, truncated, or unpacks to too much; names the cause.
    """
    left, parts = max(LEAST, RATIO * len(data)) if most is None else most, []
    told = f"{RATIO} times its size" if most is None else f"{most / 2**20:g} MB"
    # In pieces, as zlib copies at each call what it has not read yet.
    for part in unpacked(data[at : at + PIECE] for at in range(0, len(data), PIECE)):
        parts.append(part)
        left -= len(part)
        if left < 0:
            raise ValueError(f"is a gzip file that unpacks to more than {told}")
    return b"".join(parts)


def unpacked(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the unpacked content of a gzip file piece by piece, from all of its members.

    Raises:
        ValueError: If it is damaged or truncated; names the cause.
    """
    member = None
    for piece in pieces:
        more = True
        while more:
            if member is None:
                piece = piece.lstrip(b"\0")  # which some programs put between or after members
                if not piece:
                    break
                member = zlib.decompressobj(GZIP)
            try:
                out = member.decompress(piece, PIECE)
            except zlib.error as error:
                raise ValueError(f"is a damaged gzip file ({error})") from None
            piece = member.unused_data if member.eof else member.unconsumed_tail
            more = bool(piece) or (len(out) == PIECE and not member.eof)
            member = None if member.eof else member
            if out:
                yield out
    if member is not None:
        raise ValueError("is a gzip file that was cut short; fetch it again")
