"""Reads the rows of CSV, TSV and Parquet tables of proteins one by one.

A row has an `id` and a `sequence` or a `structure`; `chain` may name the chains of a structure to
read, as in "A,B". Other columns are not read.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from zoo.errors import StructureError
from zoo.proteins.files.archive import Pieces
from zoo.system.parquet import parquet_file

ID, SEQUENCE, STRUCTURE, CHAIN = "id", "sequence", "structure", "chain"
COLUMNS = (ID, SEQUENCE, STRUCTURE, CHAIN)
PARQUET = b"PAR1"
ROWS = 256
"""Number of rows of a Parquet file that are read at a time."""
LONGEST = 2**26
"""Largest size of a line of CSV; a cell may hold the text of a structure."""
Row = dict[str, str | bytes]


def is_csv(path: Path) -> bool:
    """Return whether a file is a table of text, by its name; its content could be anything."""
    return path.name.lower().removesuffix(".gz").endswith((".csv", ".tsv"))


def csv_rows(pieces: Iterator[bytes]) -> Iterator[Row]:
    """Yield the rows of a table whose header has tabs, commas or semicolons between the columns.

    Raises:
        StructureError: If a column is missing, or the text is damaged; names the line.
    """
    text = io.TextIOWrapper(io.BufferedReader(Pieces(pieces)), "utf-8-sig", newline="")
    lines = iter(lambda: _line(text), "")
    header = next(lines)
    mark = next((mark for mark in ("\t", ",", ";") if mark in header), ",")
    csv.field_size_limit(LONGEST)
    names = [name.strip() for name in next(csv.reader([header], delimiter=mark), [])]
    check_columns(names)
    reader = csv.reader(lines, strict=True, delimiter=mark)
    try:
        for cells in reader:
            if any(cells):
                # A row of another length has no known columns; it fails, and the others are read.
                fits = len(cells) == len(names)
                yield dict(zip(names, map(str.strip, cells), strict=True)) if fits else {}
    except csv.Error as error:
        raise StructureError(f"line {reader.line_num + 1}: {error}") from None


def _line(text: io.TextIOWrapper) -> str:
    line = text.readline(LONGEST)
    if len(line) == LONGEST and not line.endswith("\n"):
        raise StructureError(f"has a line of more than {LONGEST:,} characters")
    return line


def parquet_rows(path: Path) -> Iterator[Row]:
    """Yield the rows of a Parquet file.

    Raises:
        ConfigError: If pyarrow is not installed.
        StructureError: If a column is missing, or the file is damaged.
    """
    with parquet_file(path, StructureError) as file:
        names = file.schema_arrow.names
        check_columns(names)
        wanted = [name for name in COLUMNS if name in names]
        for batch in file.iter_batches(ROWS, columns=wanted):
            yield from map(_cells, batch.to_pylist())


def _cells(row: dict[str, object]) -> Row:
    return {key: cell if isinstance(cell, bytes) else str(cell)
            for key, cell in row.items() if cell is not None}  # fmt: skip


def check_columns(names: Sequence[str]) -> None:
    """Check that a table says which proteins it has.

    Raises:
        StructureError: If it does not; names the columns that are there.
    """
    lacks = [] if ID in names else [f"`{ID}`"]
    if not {SEQUENCE, STRUCTURE} & {*names}:
        lacks.append(f"`{SEQUENCE}` or `{STRUCTURE}`")
    if lacks:
        raise StructureError(
            f"is a table without the column {' and without '.join(lacks)}; it has "
            f"{', '.join(names)}"
        )
