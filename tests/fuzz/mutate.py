"""Ways in which a file goes wrong: bits, cuts, repeats, numbers, and pieces of other files."""

from __future__ import annotations

import gzip
import random
import re
import zlib
from collections.abc import Callable, Sequence

NUMBERS = (
    b"0", b"-1", b"1e9", b"999999999", b"nan", b"inf", b"-inf", b"1e308", b"1e-400", b"",
    b"2147483648", b"-9223372036854775809", b"0x10", b"1_000", "\u0661".encode(),
)  # fmt: skip
WORDS = (b"\x00", b"\xff\xfe", b"\r", b"\n\n", b"'", b'"', b";", b"loop_", b"data_", b"?", b".",
         b"ATOM  ", b"HETATM", b"MODEL ", b"ENDMDL", b"TER", b">", b"{", b"}", b"!!python/object",
         b"&a [*a]", b"../", b"\xe2\x80\xae", b",,,", b"\t", b"*", b"-")  # fmt: skip
CUT = 60_000
"""Bytes that are kept of a long file: what is wrong must be near to be found often."""


def mutated(data: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    """Return a file with one to six things wrong; compressed ones are changed inside or outside."""
    inside = data[:2] == b"\x1f\x8b" and rng.random() < 0.7
    if inside:
        data = _unpacked(data)
    if len(data) > CUT and rng.random() < 0.9:
        start = rng.choice((0, 0, rng.randrange(len(data) - CUT)))
        data = data[start : start + CUT]
    for _ in range(rng.choice((1, 1, 2, 3, 6))):
        data = rng.choice(CHANGES)(data, others, rng)
    return gzip.compress(data, 1) if inside else data


def _unpacked(data: bytes) -> bytes:
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error):
        return data


def _bits(data: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(min(len(changed), rng.choice((1, 4, 32)))):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _cut(data: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def _drop(data: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    start = rng.randrange(len(data) + 1)
    return data[:start] + data[start + rng.choice((1, 8, 80, 2000)) :]


def _repeat(data: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    start = rng.randrange(len(data) + 1)
    piece = data[start : start + rng.choice((1, 8, 81, 2000))]
    return data[:start] + piece * rng.choice((2, 3, 20)) + data[start:]


def _number(data: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    found = list(re.finditer(rb"-?\d+(?:\.\d+)?", data[:CUT]))
    if not found:
        return data
    one = rng.choice(found)
    new = rng.choice(NUMBERS)
    if rng.random() < 0.5:  # columns stay where they are
        new = new[: one.end() - one.start()].rjust(one.end() - one.start())
    return data[: one.start()] + new + data[one.end() :]


def _word(data: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + rng.choice(WORDS) + data[at + rng.choice((0, 0, 1, 6)) :]


def _lines(data: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    lines = data.split(b"\n")
    first, second = rng.randrange(len(lines)), rng.randrange(len(lines))
    lines[first], lines[second] = lines[second], lines[first]
    return b"\n".join(lines)


def _splice(data: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    other = rng.choice(others)
    at, start = rng.randrange(len(data) + 1), rng.randrange(len(other) + 1)
    return data[:at] + other[start : start + rng.choice((8, 400, 20_000))]


CHANGES: tuple[Callable[[bytes, Sequence[bytes], random.Random], bytes], ...] = (
    _bits, _cut, _drop, _repeat, _number, _number, _word, _lines, _splice,
)  # fmt: skip
