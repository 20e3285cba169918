"""Reads ScanNet's label files (`>ID`, then lines `chain number residue label`) and `table.csv`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from zoo.data.reading.csv_files import lines, read_rows
from zoo.data.reading.sets import EXPECTED, parse_set
from zoo.errors import DataError

FIELDS = "chain number residue label"
COLUMNS = ("PDB ID", "Set", "Sample weight")


@dataclass
class Entry:
    """One entry of a label file; ids may repeat, so file and line identify an entry."""

    id: str
    file: Path
    line: int
    """Line of its header, from 1."""
    chains: list[str] = field(default_factory=list)
    """Name of the chain of each row; the next three lists also have one item for each row."""
    numbers: list[str] = field(default_factory=list)
    letters: list[str] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Listed:
    """One row of `table.csv`."""

    split: str
    subset: str
    weight: float
    group: str = ""


def read_labels(path: Path) -> list[Entry]:
    """Return the entries of a label file in their order.

    Raises:
        DataError: If the file cannot be read or a line is not valid; names file and line.
    """
    entries: list[Entry] = []
    for number, line in lines(path):
        if line.startswith(">"):
            _check_filled(entries)
            entries.append(_header(path, number, line))
        elif not entries:
            raise DataError(f"{path}:{number}: a row before the first header ('>ID')")
        else:
            _add(entries[-1], path, number, line)
    _check_filled(entries)
    if not entries:
        raise DataError(f"{path}: holds no entry; '>ID' and then rows '{FIELDS}' are expected")
    return entries


def read_table(path: Path) -> dict[str, list[Listed]]:
    """Return split, subset, weight and group of each id, one item for each of its rows.

    Raises:
        DataError: If a cell cannot be read; names file, line and column.
    """
    listed: dict[str, list[Listed]] = {}
    for line, row in read_rows(path):
        missing = [column for column in COLUMNS[:2] if column not in row]
        if missing:
            raise DataError(f"{path}:1: no column {missing[0]!r}; there are {', '.join(row)}")
        found = parse_set(row["Set"])
        if found is None:
            raise DataError(f"{path}:{line}: column 'Set': {row['Set']!r} is none of {EXPECTED}")
        weight = _weight(path, line, row.get("Sample weight", "1"))
        group = row.get("group", "").strip()
        listed.setdefault(row["PDB ID"].strip(), []).append(Listed(*found, weight, group))
    return listed


def _header(path: Path, number: int, line: str) -> Entry:
    words = line[1:].split()
    if len(words) != 1:
        raise DataError(f"{path}:{number}: a header is '>ID', this is {line!r}")
    return Entry(words[0], path, number)


def _add(entry: Entry, path: Path, number: int, line: str) -> None:
    fields = line.split()
    if len(fields) != 4:
        raise DataError(f"{path}:{number}: {len(fields)} fields where '{FIELDS}' are expected")
    chain, residue_number, letter, label = fields
    if len(letter) != 1 or not (letter.isascii() and letter.isalpha()):
        raise DataError(f"{path}:{number}: residue {letter!r} is not a one-letter code")
    if label not in ("0", "1"):
        raise DataError(f"{path}:{number}: label {label!r} is neither 0 nor 1")
    entry.chains.append(chain)
    entry.numbers.append(residue_number)
    entry.letters.append(letter.upper())
    entry.labels.append(int(label))


def _check_filled(entries: list[Entry]) -> None:
    if entries and not len(entries[-1]):
        last = entries[-1]
        raise DataError(f"{last.file}:{last.line}: entry {last.id!r} has no rows")


def _weight(path: Path, line: int, cell: str) -> float:
    try:
        weight = float(cell)
    except ValueError:
        weight = -1.0
    if not 0.0 <= weight < float("inf"):
        where = f"{path}:{line}: column 'Sample weight'"
        raise DataError(f"{where}: {cell!r} is not a weight: a number of at least 0")
    return weight
