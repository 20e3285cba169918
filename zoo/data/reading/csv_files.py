"""A reader of CSV and TSV files with errors that name file, line and column."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.data.reading.columns import OddCellError, infer
from zoo.errors import DataError
from zoo.system.reading import content
from zoo.tasks import Level, Target


class CsvFile:
    """A CSV file in memory, with errors that name file, line and column.

    Args:
        path: Path of the file.
        required: Columns that the file must have.
        description: Columns that describe a sample; the others are targets, see `extra`.
    """

    def __init__(self, path: Path, required: Sequence[str], description: Sequence[str]) -> None:
        self.path = path
        rows = list(read_rows(path))
        if not rows:
            raise DataError(f"{path}: holds no rows")
        self.lines = [line for line, _ in rows]
        self.cells = {name: [row[name] for _, row in rows] for name in rows[0][1]}
        for name in required:
            if name not in self.cells:
                raise DataError(
                    f"{path}:1: there is no column {name!r}; the columns are "
                    f"{', '.join(self.cells)}. Columns with a meaning: {', '.join(description)}"
                )
        self.extra = [name for name in self.cells if name not in description]

    def column(self, *names: str) -> list[str]:
        """Return the cells of the first named column that exists; empty cells if none does."""
        found = (self.cells[name] for name in names if name in self.cells)
        return next(found, [""] * len(self.lines))

    def error(self, at: int, name: str, why: object) -> DataError:
        """Return the error for the cell in row `at` (from 0) of a column."""
        return DataError(f"{self.path}:{self.lines[at]}: column {name!r}: {why}")

    def infer(
        self, name: str, level: Level, cells: Sequence[str], options: dict[str, Any]
    ) -> Target:
        """Return the target of a column by `columns.infer`, with the file's name in errors."""
        try:
            return infer(name, level, cells, options)
        except OddCellError as error:
            raise self.error(error.at, name, error) from None
        except DataError as error:
            raise DataError(f"{self.path}: {error}") from None

    def convert(
        self, name: str, how: Callable[[str], NDArray[np.float32]]
    ) -> list[NDArray[np.float32]]:
        """Return each cell of a column as numbers; equal cells share one array."""
        known: dict[str, NDArray[np.float32]] = {}
        for at, cell in enumerate(self.cells[name]):
            try:
                if cell not in known:
                    known[cell] = how(cell)
            except ValueError as error:
                raise self.error(at, name, error) from None
        return [known[cell] for cell in self.cells[name]]


def read_rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the line number of each row of a table, and its cells by column name.

    The header shows what separates the columns: tabs, else commas, else semicolons.

    Raises:
        DataError: If a row has more or fewer cells than there are columns; names file and line.
    """
    text = (f"{line}\n" for _, line in lines(path, keep_blank=True))
    header = next(text, "")
    reader = csv.reader(chain([header], text), strict=True, delimiter=_delimiter(header))
    try:
        columns = [name.strip() for name in next(reader, [])]
        if len(set(columns)) < len(columns):
            raise DataError(f"{path}:1: a column occurs twice: {', '.join(columns)}")
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(columns):
                raise DataError(
                    f"{path}:{reader.line_num}: {len(cells)} cells for {len(columns)} columns"
                )
            yield reader.line_num, dict(zip(columns, map(str.strip, cells), strict=True))
    except csv.Error as error:
        raise DataError(f"{path}:{reader.line_num}: {error}") from None


def _delimiter(header: str) -> str:
    return next((mark for mark in ("\t", ",", ";") if mark in header), ",")


def lines(path: Path, keep_blank: bool = False) -> Iterator[tuple[int, str]]:
    """Yield the lines of a text file with their numbers from 1, without LF or CR LF.

    Raises:
        DataError: If the file is missing or not text in UTF-8.
    """
    try:
        text = content(path, most=None).decode("utf-8-sig")
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is not text in UTF-8 ({error.reason})") from None
    for number, line in enumerate(text.split("\n"), start=1):
        if keep_blank or line.strip():
            yield number, line.removesuffix("\r")
