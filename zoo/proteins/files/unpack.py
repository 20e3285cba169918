"""A gzip reader that limits how much a file may unpack to."""

from __future__ import annotations

import zlib

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
    limit, parts = max(LEAST, RATIO * len(data)) if most is None else most, []
    told = f"{RATIO} times its size" if most is None else f"{most / 2**20:g} MB"
    while data:
        member = zlib.decompressobj(GZIP)
        try:
            parts.append(member.decompress(data, limit + 1))
        except zlib.error as error:
            raise ValueError(f"is a damaged gzip file ({error})") from None
        limit -= len(parts[-1])
        if limit < 0:
            raise ValueError(f"is a gzip file that unpacks to more than {told}")
        if not member.eof:
            raise ValueError("is a gzip file that was cut short; fetch it again")
        data = member.unused_data.lstrip(b"\0")
    return b"".join(parts)
