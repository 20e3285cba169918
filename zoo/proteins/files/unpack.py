"""Gzip, without the trust that a small file is a small one."""

from __future__ import annotations

import zlib

GZIP = 31
"""zlib's way to ask for a gzip header and checksum."""
LEAST, RATIO = 2**26, 100
"""What may come of a file: 64 MB, or so many times its size; structures shrink 4 to 20 times."""


def gunzip(data: bytes) -> bytes:
    """Return what a gzip file holds, all of its members.

    Raises:
        ValueError: naming the cause, if it is damaged, cut short, or holds far more than it should.
    """
    limit, parts = max(LEAST, RATIO * len(data)), []
    while data:
        member = zlib.decompressobj(GZIP)
        try:
            parts.append(member.decompress(data, limit + 1))
        except zlib.error as error:
            raise ValueError(f"is a damaged gzip file ({error})") from None
        limit -= len(parts[-1])
        if limit < 0:
            raise ValueError(f"is a gzip file that unpacks to more than {RATIO} times its size")
        if not member.eof:
            raise ValueError("is a gzip file that was cut short; fetch it again")
        data = member.unused_data.lstrip(b"\0")
    return b"".join(parts)
