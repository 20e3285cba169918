"""Readers of the lists and tables of benchmarks, with errors that name file and line."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from zoo.data.reading.csv_files import lines, read_rows
from zoo.data.reading.sets import NAMES
from zoo.errors import DataError


def read_lines(path: Path) -> list[str]:
    """Return the lines of a text file, empty ones included, without surrounding white space.

    Raises:
        DataError: If the file is missing or not text.
    """
    return [line.strip() for _, line in lines(path, keep_blank=True)]


def read_table(path: Path, required: Iterable[str]) -> list[dict[str, str]]:
    """Return the rows of a CSV file, each as {column: cell without surrounding white space}.

    Raises:
        DataError: If the file is damaged or lacks a column; names the line.
    """
    rows = [row for _, row in read_rows(path)]
    if not rows:
        raise DataError(f"{path}: holds no rows")
    lacking = [name for name in required if name not in rows[0]]
    if lacking:
        raise DataError(f"{path}:1: lacks the columns {', '.join(lacking)}")
    return rows


def read_split_lists(paths: Iterable[tuple[str, Path]]) -> dict[str, str]:
    """Return the split of each name, from pairs of a split and its list with one name per line.

    Raises:
        DataError: If a name is listed twice; names both places.
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
    """Return the split and path of each list that exists: train.txt, val.txt, test.txt."""
    found = ((part, folder / f"{word}.txt") for word, part in NAMES.items())
    return [(part, path) for part, path in found if path.is_file()]


def split_of(path: Path, name: str, word: str) -> str:
    """Return the split that a word stands for ("val" for "validation"); "" for an empty word.

    Raises:
        DataError: If the word does not stand for a split.
    """
    if word and word.lower() not in NAMES:
        raise DataError(f"{path}: {name}: split {word!r} is none of {', '.join(NAMES)}")
    return NAMES.get(word.lower(), "")


def unique(path: Path, names: Iterable[str]) -> list[str]:
    """Return the names as a list, after checking that they are distinct.

    Raises:
        DataError: If a name is empty or occurs twice.
    """
    seen: dict[str, None] = {}
    for name in names:
        if not name or name in seen:
            raise DataError(f"{path}: the id {name!r} {'occurs twice' if name else 'is empty'}")
        seen[name] = None
    return list(seen)
