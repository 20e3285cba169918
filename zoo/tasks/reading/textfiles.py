"""Lists and tables that come with benchmarks; a damaged one is an error that names its line."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from zoo.tasks.reading.csv_files import lines, read_rows
from zoo.tasks.reading.sets import NAMES
from zoo.tasks.samples import DataError


def read_lines(path: Path) -> list[str]:
    """Return the lines of a text file without the blanks around them, empty ones included.

    Raises:
        DataError: if the file is missing or no text.
    """
    return [line.strip() for _, line in lines(path, keep_blank=True)]


def read_table(path: Path, required: Iterable[str]) -> list[dict[str, str]]:
    """Return the rows of a CSV file by column name, blanks stripped.

    Raises:
        DataError: if the file is damaged or lacks a column; names the line.
    """
    rows = [row for _, row in read_rows(path)]
    if not rows:
        raise DataError(f"{path}: holds no rows")
    lacking = [name for name in required if name not in rows[0]]
    if lacking:
        raise DataError(f"{path}:1: lacks the columns {', '.join(lacking)}")
    return rows


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
