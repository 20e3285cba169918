"""Lists and tables that come with benchmarks; a damaged one is an error that names its line."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

from zoo.tasks.samples import DataError
from zoo.tasks.sets import NAMES


def read_lines(path: Path) -> list[str]:
    """Return the lines of a text file without the blanks around them, empty ones included.

    Raises:
        DataError: if the file is missing or no text.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise DataError(f"{path} is missing") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not text (byte {error.start}); fetch it again") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror or error})") from None
    return [line.strip() for line in text.split("\n")]


def read_table(path: Path, required: Iterable[str]) -> list[dict[str, str]]:
    """Return the rows of a CSV file by column name, blanks stripped.

    Raises:
        DataError: if the file is damaged or lacks a column; names the line.
    """
    lines = read_lines(path)
    try:
        rows = csv.DictReader(lines)
        names = [name.strip() for name in rows.fieldnames or ()]
        rows.fieldnames = names
        lacking = [name for name in required if name not in names]
        if lacking:
            raise DataError(f"{path}: line 1 lacks the columns {', '.join(lacking)}")
        return [_row(path, rows.line_num, row) for row in rows]
    except csv.Error as error:
        raise DataError(f"{path}: line {rows.line_num}: {error}") from None


def _row(path: Path, line: int, row: dict[str, str]) -> dict[str, str]:
    if None in row or None in row.values():
        raise DataError(f"{path}: line {line} has more or fewer fields than the header")
    return {name: value.strip() for name, value in row.items()}


def read_split_lists(paths: Iterable[tuple[str, Path]]) -> dict[str, str]:
    """Return the split of each name from lists of one name a line.

    Raises:
        DataError: if a name is listed twice; names both places.
    """
    split: dict[str, str] = {}
    where: dict[str, str] = {}
    for part, path in paths:
        for number, name in enumerate(read_lines(path), 1):
            place = f"{path}: line {number}"
            if name in where:
                raise DataError(f"{place}: {name!r} is already in {where[name]}")
            if name:
                split[name], where[name] = part, place
    return split


def optional_split_lists(folder: Path) -> list[tuple[str, Path]]:
    """Return the lists `train.txt`, `val.txt` (or `valid.txt`), `test.txt` that are there."""
    found = ((part, folder / f"{word}.txt") for word, part in NAMES.items())
    return [(part, path) for part, path in found if path.is_file()]


def split_of(path: Path, name: str, word: str) -> str:
    """Return the split that a word stands for, "" for none.

    Raises:
        DataError: if it stands for none.
    """
    if word and word.lower() not in NAMES:
        raise DataError(f"{path}: {name}: split {word!r} is none of {', '.join(NAMES)}")
    return NAMES.get(word.lower(), "")


def unique(path: Path, names: Iterable[str]) -> list[str]:
    """Return names as a list.

    Raises:
        DataError: if a name comes twice.
    """
    seen: dict[str, None] = {}
    for name in names:
        if not name or name in seen:
            raise DataError(f"{path}: the id {name!r} is {'there twice' if name else 'empty'}")
        seen[name] = None
    return list(seen)
