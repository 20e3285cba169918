"""Reads `labels.csv`, `residues.csv` and `targets.yaml`, and checks them against each other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.data.reading.columns import (
    UNKNOWN,
    is_missing,
    is_residue_string,
    number,
    read_options,
    residue_numbers,
    to_numbers,
)
from zoo.data.reading.csv_files import CsvFile
from zoo.data.reading.sets import parse_set
from zoo.errors import DataError
from zoo.tasks import Level, Target

DESCRIPTION = (
    "id", "structure", "sequence", "chain", "chains", "split", "group", "cluster", "weight",
)  # fmt: skip
RESIDUE_DESCRIPTION = ("id", "chain", "number", "residue")


@dataclass(frozen=True)
class Row:
    """One row of `labels.csv`."""

    structure: str
    sequence: str
    chains: str
    split: str
    subset: str
    group: str
    weight: float
    values: dict[str, NDArray[np.float32]]
    """Values of the targets of the whole protein, by name."""
    strings: dict[str, str]
    """Cells of the targets of residues, by name, with one letter for each residue."""


@dataclass
class ResidueRows:
    """The rows of one chain in `residues.csv`, in the order of the file."""

    letters: str = ""
    numbers: tuple[str, ...] = ()
    values: dict[str, NDArray[np.float32]] = field(default_factory=dict)


@dataclass(frozen=True)
class Table:
    """The contents of all tables of a folder, without the structures."""

    targets: tuple[Target, ...]
    rows: dict[str, Row]
    residues: dict[str, dict[str, ResidueRows]]
    """Rows of `residues.csv` by id and chain; the chain is "" if the table names none."""


def read_tables(root: Path) -> Table:
    """Return the contents of a folder's tables.

    Raises:
        DataError: If a cell cannot be used; names file, line and column.
    """
    labels = CsvFile(root / "labels.csv", ("id",), DESCRIPTION)
    path = root / "residues.csv"
    residues = CsvFile(path, ("id", "residue"), RESIDUE_DESCRIPTION) if path.is_file() else None
    _check_ids(labels, residues)
    extra = [*labels.extra, *(residues.extra if residues else [])]
    both = [name for name in extra if extra.count(name) > 1]
    if both:
        raise DataError(f"column {both[0]!r} is in both {labels.path} and {path}")
    options, ignored = read_options(root / "targets.yaml", extra)
    of_labels = [_target(labels, name, options) for name in labels.extra if name not in ignored]
    of_residues = [] if residues is None else [
        residues.infer(name, "residue", residues.cells[name], options.get(name, {}))
        for name in residues.extra if name not in ignored
    ]  # fmt: skip
    if not of_labels + of_residues:
        raise DataError(f"{labels.path}: has no target: a column other than {DESCRIPTION}")
    return Table(
        targets=(*of_labels, *of_residues),
        rows=_rows(labels, of_labels),
        residues=_residues(residues, of_residues) if residues else {},
    )


def _check_ids(labels: CsvFile, residues: CsvFile | None) -> None:
    first: dict[str, int] = {}
    for at, key in enumerate(labels.cells["id"]):
        if not key:
            raise labels.error(at, "id", "is empty")
        if key in first:
            raise labels.error(at, "id", f"{key!r} is also in line {first[key]}")
        first[key] = labels.lines[at]
    for at, key in enumerate(residues.cells["id"] if residues else ()):
        if residues and key not in first:
            raise residues.error(at, "id", f"{key!r} is not in {labels.path}")


def _target(labels: CsvFile, name: str, options: dict[str, dict[str, Any]]) -> Target:
    cells, given = labels.cells[name], options.get(name, {})
    level: Level = given.get("level") or ("residue" if is_residue_string(cells) else "protein")
    if level == "residue":
        classes = [str(label) for label in given.get("classes", ())]
        unknown = [letter for letter in UNKNOWN if letter not in classes]
        letters = {letter for cell in cells if not is_missing(cell) for letter in cell}
        cells = sorted(letters.difference(unknown))
    return labels.infer(name, level, cells, given)


def _rows(labels: CsvFile, targets: Sequence[Target]) -> dict[str, Row]:
    values = {
        t.name: labels.convert(t.name, partial(to_numbers, t))
        for t in targets if t.level == "protein"
    }  # fmt: skip
    strings = [target for target in targets if target.level == "residue"]
    for target in strings:  # so that a wrong letter is reported before any structure is read
        labels.convert(target.name, partial(_string, target))
    described = zip(
        labels.column("structure"),
        labels.column("sequence"),
        labels.column("chain", "chains"),
        labels.column("split"),
        labels.column("group", "cluster"),
        labels.column("weight"),
        strict=True,
    )
    return {
        labels.cells["id"][at]: Row(
            structure, sequence, chains, *_split(labels, at, split), group,
            _weight(labels, at, weight),
            {name: column[at] for name, column in values.items()},
            {t.name: labels.cells[t.name][at] for t in strings
             if not is_missing(labels.cells[t.name][at])},
        )
        for at, (structure, sequence, chains, split, group, weight) in enumerate(described)
    }  # fmt: skip


def _string(target: Target, cell: str) -> NDArray[np.float32]:
    return np.zeros(0, np.float32) if is_missing(cell) else residue_numbers(target, cell)


def _split(labels: CsvFile, at: int, cell: str) -> tuple[str, str]:
    found = ("", "") if is_missing(cell) else parse_set(cell)
    if found is None:
        raise labels.error(at, "split", f"{cell!r} is none of train, validation, test")
    return found


def _weight(labels: CsvFile, at: int, cell: str) -> float:
    weight = 1.0 if is_missing(cell) else number(cell)
    if weight is None or weight < 0 or math.isinf(weight):
        raise labels.error(at, "weight", f"{cell!r} is not a weight: a number of at least 0")
    return weight


def _residues(residues: CsvFile, targets: Sequence[Target]) -> dict[str, dict[str, ResidueRows]]:
    for at, letter in enumerate(residues.cells["residue"]):
        if len(letter) != 1 or not (letter.isascii() and letter.isalpha()):
            raise residues.error(at, "residue", f"{letter!r} is not a one-letter code")
    values = {t.name: residues.convert(t.name, partial(to_numbers, t)) for t in targets}
    places: dict[tuple[str, str], list[int]] = {}
    chains = residues.column("chain")
    for at, key in enumerate(residues.cells["id"]):
        places.setdefault((key, chains[at]), []).append(at)
    found: dict[str, dict[str, ResidueRows]] = {}
    numbers, letters = residues.column("number"), residues.cells["residue"]
    for (key, chain), rows in places.items():
        found.setdefault(key, {})[chain] = ResidueRows(
            "".join(letters[at].upper() for at in rows),
            tuple(numbers[at] for at in rows),
            {name: np.stack([column[at] for at in rows]) for name, column in values.items()},
        )
    return found
