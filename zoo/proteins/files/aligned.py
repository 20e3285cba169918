"""Reads the atoms of mmCIF text with NumPy if its columns are aligned, as the PDB writes them.

This is fast because each column is one array, while a tokenizer makes a string of each of the
twenty or so values of an atom. Text that is not aligned, or has quoted values with blanks, is left
to the tokenizer.
"""

from __future__ import annotations

import re
from collections.abc import Collection

import numpy as np
from gemmi import cif
from numpy.typing import NDArray

Rows = NDArray[np.uint8]
LOOP = re.compile(rb"loop_[ \t]*\n((?:_atom_site\.[^\s]+[ \t]*\n)+)")
#: Beginnings of the line that follows the last row.
AFTER = (b"#", b"_", b"loop_", b"data_")
FIRSTS = [mark[0] for mark in AFTER]
#: Powers of ten that a number of less than 16 digits may be divided by.
POWERS = 10.0 ** np.arange(16)
BLANK, MINUS, DOT, QUESTION, ZERO = b" -.?0"


def cut_atoms(data: bytes, wanted: Collection[str]) -> tuple[dict[str, Rows], bytes] | None:
    """Return the wanted columns of _atom_site, and the text without that table.

    A column is (A, width) characters, with 0 after the end of each value; `text` and `numbers`
    convert it. Returns None if the text is not aligned.
    """
    site = data.find(b"\n_atom_site.")
    head = LOOP.search(data, max(site - 80, 0)) if site >= 0 else None
    if head is None:
        return None
    start = head.end()
    width = data.find(b"\n", start) + 1 - start
    if width < 2:
        return None
    stop = _end(data, start, width)
    if (stop - start) % width:
        return None
    rows = np.frombuffer(data, np.uint8, stop - start, start).reshape(-1, width)
    names = [tag.split(b".")[1].decode() for tag in head[1].split()]
    columns = _columns(rows, names, wanted)
    return None if columns is None else (columns, data[: head.start()] + data[stop:])


def _end(data: bytes, start: int, width: int) -> int:
    """Return where the rows end: at the first one that does not begin like a row of atoms."""
    firsts = np.frombuffer(data, np.uint8, offset=start)[::width]
    for row in np.flatnonzero(np.isin(firsts, FIRSTS)).tolist():
        if data.startswith(AFTER, start + row * width):
            return int(start + row * width)
    return len(data)


def _columns(rows: Rows, names: list[str], wanted: Collection[str]) -> dict[str, Rows] | None:
    if (rows[:, -1] != ord("\n")).any():
        return None
    blank = rows[:, :-1] <= BLANK
    between = np.concatenate([[True], blank.all(0), [True]])
    starts = np.flatnonzero(between[:-1] & ~between[1:])
    stops = np.flatnonzero(~between[:-1] & between[1:])
    if len(starts) != len(names) or blank[:, starts].any():
        return None
    if (blank[:, :-1] & ~blank[:, 1:] & ~between[1:-2]).any():
        return None  # a blank inside a value
    spans = zip(names, starts, stops, strict=True)
    return {
        name: np.where(blank[:, a:b], 0, rows[:, a:b]).astype(np.uint8)
        for name, a, b in spans if name in wanted
    }  # fmt: skip


def text(column: Rows) -> NDArray[np.str_]:
    """Return (A,) the values of a column without quotes, with "" for "." and "?"."""
    first = column[:, 0]
    empty = (first == DOT) | (first == QUESTION)
    if column.shape[1] > 1:
        empty &= column[:, 1] == 0
    if empty.any():
        column = np.where(empty[:, None], 0, column)
    values = column.astype(np.uint32).view(f"U{column.shape[1]}")[:, 0]
    quoted = np.flatnonzero((first == ord("'")) | (first == ord('"')))
    if len(quoted):
        values[quoted] = [cif.as_string(value) for value in values[quoted].tolist()]
    return values


def numbers(column: Rows) -> NDArray[np.float64]:
    """Return (A,) the numbers in a column, NaN for other text.

    The digits are summed as a whole number and divided once at the end, so the result is exact.
    """
    chars = np.ascontiguousarray(column.T)  # a place of all values at a time, side by side
    size = len(column)
    value, places, dots = np.zeros(size), np.zeros(size, np.int16), np.zeros(size, np.int16)
    digits = chars - np.uint8(ZERO)
    is_digit, is_dot = digits < 10, chars == DOT
    for digit, here, dot in zip(digits, is_digit, is_dot, strict=True):
        value = np.where(here, 10.0 * value + digit, value)
        places += here & (dots > 0)
        dots += dot
    value = value / POWERS[np.minimum(places, 15)]
    minus = chars[0] == MINUS
    count = is_digit.sum(0, np.int16)
    length = (chars != 0).sum(0, np.int16)
    plain = (count + dots + minus == length) & (count > 0) & (count < 16) & (dots < 2)
    value = np.where(minus, -value, value)
    for row in np.flatnonzero(~plain):
        value[row] = cif.as_number(column[row].tobytes().rstrip(b"\0").decode("ascii"))
    return value
