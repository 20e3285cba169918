"""Reads `labels.csv`, `residues.csv` and `targets.yaml`, and checks them against each other."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.data.reading.columns import (
    UNKNOWN,
    bound,
    is_missing,
    is_residue_string,
    number,
    read_options,
    residue_numbers,
    to_numbers,
)
from zoo.data.reading.csv_files import CsvFile
from zoo.data.reading.sets import parse_set
from zoo.errors import DataError, unknown
from zoo.proteins.files.components import component
from zoo.tasks import Level, Target

DESCRIPTION = (
    "id", "structure", "sequence", "chain", "chains", "split", "group", "cluster", "weight",
)  # fmt: skip
RESIDUE_DESCRIPTION = ("id", "chain", "number", "residue")
FEW = 20
"""Different whole numbers of a column up to which they may be meant as classes."""


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
    censored: int
    """+1 if the true value is above the target, -1 if below, 0 if the target is exact."""
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
    remarks: tuple[str, ...]
    """What each column was taken for, where the user did not say."""


def find_table(folder: Path, stem: str) -> Path:
    """Return the table of a name in a folder, "labels.csv" or "labels.tsv"."""
    found = [path for end in (".csv", ".tsv") if (path := folder / f"{stem}{end}").is_file()]
    return found[0] if found else folder / f"{stem}.csv"


def read_tables(
    table: Path, sequences: Mapping[str, str] | None = None, wanted: Sequence[str] = ()
) -> Table:
    """Return the contents of a table of labels, and of the tables beside it.

    Args:
        table: Table of labels, "labels.csv".
        sequences: Sequences by id that are in no column.
        wanted: Columns that are targets; by default all that describe no sample.

    Raises:
        DataError: If a cell cannot be used; names file, line and column.
    """
    root = table.parent
    labels = CsvFile(table, ("id",), DESCRIPTION)
    path = find_table(root, "residues")
    residues = CsvFile(path, ("id", "residue"), RESIDUE_DESCRIPTION) if path.is_file() else None
    _check_spelling(labels, wanted)
    _check_ids(labels, residues)
    extra = [*labels.extra, *(residues.extra if residues else [])]
    both = [name for name in extra if extra.count(name) > 1]
    if both:
        raise DataError(f"column {both[0]!r} is in both {labels.path} and {path}")
    options, ignored = read_options(root / "targets.yaml", extra)
    for name in wanted:
        if name not in extra:
            raise DataError(f"{table}: {unknown('column (--target)', name, extra)}")
    ignored = [*ignored, *(name for name in extra if wanted and name not in wanted)]
    lengths = _lengths(labels, sequences or {})
    of_labels = [
        _target(labels, name, options, lengths) for name in labels.extra if name not in ignored
    ]
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
        remarks=()
        if wanted
        else tuple(
            _remark(target, {**(residues.cells if residues else {}), **labels.cells}[target.name])
            for target in (*of_labels, *of_residues)
            if "kind" not in options.get(target.name, {})
        ),
    )


def _check_spelling(labels: CsvFile, wanted: Sequence[str]) -> None:
    """Refuse a column that is nearly called like one that describes a sample: "structre"."""
    missing = [name for name in DESCRIPTION if name not in labels.cells]
    for name in labels.extra:
        near = difflib.get_close_matches(name.lower(), missing, n=1, cutoff=0.8)
        if near and name not in wanted:
            raise DataError(
                f"{labels.path}:1: column {name!r}: did you mean {near[0]!r}? If it is a target, "
                f"name the targets: --target {name}"
            )


def _lengths(labels: CsvFile, sequences: Mapping[str, str]) -> list[int | None]:
    """Return the length of the sequence of each row, None where only a structure will tell it."""
    rows = zip(labels.cells["id"], labels.column("sequence"), labels.column("structure"),
               strict=True)  # fmt: skip
    return [
        None if structure else len("".join((own or sequences.get(key, "")).split())) or None
        for key, own, structure in rows
    ]


def _remark(target: Target, cells: Sequence[str]) -> str:
    """Say what a column was taken for, and how to say otherwise."""
    values = {cell for cell in cells if not is_missing(cell)}
    what = f"column {target.name!r} is learnt as {target.kind}, for each {target.level}"
    whole = all(cell.lstrip("-").isdigit() for cell in values)
    if target.kind == "regression" and values and whole and len(values) <= FEW:
        return (
            f"{what}: its {len(values)} whole numbers are taken for quantities; if they are "
            f"classes, add to targets.yaml: {target.name}: {{kind: multiclass}}"
        )
    if target.kind == "multiclass" and target.level == "protein":
        return (
            f"{what}, {target.outputs} of them; if it is no label, add to targets.yaml: ignore: "
            f"[{target.name}], or name the targets by --target"
        )
    return what


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


def _target(
    labels: CsvFile, name: str, options: dict[str, dict[str, Any]], lengths: Sequence[int | None]
) -> Target:
    cells, given = labels.cells[name], options.get(name, {})
    strings = is_residue_string(cells, lengths)
    level: Level = given.get("level") or ("residue" if strings else "protein")
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
    censored = _censored(labels, targets)
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
            _weight(labels, at, weight), censored[at],
            {name: column[at] for name, column in values.items()},
            {t.name: labels.cells[t.name][at] for t in strings
             if not is_missing(labels.cells[t.name][at])},
        )
        for at, (structure, sequence, chains, split, group, weight) in enumerate(described)
    }  # fmt: skip


def _censored(labels: CsvFile, targets: Sequence[Target]) -> list[int]:
    """Return for each row whether its regression target is a bound, ">6.1" or "<3".

    Raises:
        DataError: If two targets have bounds: a sample has one.
    """
    found = [0] * len(labels.lines)
    owner = ""
    for target in targets:
        if (target.kind, target.level) != ("regression", "protein"):
            continue
        for at, cell in enumerate(labels.cells[target.name]):
            limit = bound(cell)
            if limit is None:
                continue
            if owner not in ("", target.name):
                raise labels.error(
                    at, target.name, f"{cell!r} is a bound, and column {owner!r} has bounds too; "
                    "only one target may have them: --target names the targets",
                )  # fmt: skip
            owner, found[at] = target.name, limit[1]
    return found


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
    letters = [_letter(residues, at, cell) for at, cell in enumerate(residues.cells["residue"])]
    values = {t.name: residues.convert(t.name, partial(to_numbers, t)) for t in targets}
    places: dict[tuple[str, str], list[int]] = {}
    chains, numbers = residues.column("chain"), residues.column("number")
    _check_numbers(residues, chains, numbers)
    for at, key in enumerate(residues.cells["id"]):
        places.setdefault((key, chains[at]), []).append(at)
    found: dict[str, dict[str, ResidueRows]] = {}
    for (key, chain), rows in places.items():
        found.setdefault(key, {})[chain] = ResidueRows(
            "".join(letters[at] for at in rows),
            tuple(numbers[at] for at in rows) if any(numbers[at] for at in rows) else (),
            {name: np.stack([column[at] for at in rows]) for name, column in values.items()},
        )
    return found


def _check_numbers(residues: CsvFile, chains: Sequence[str], numbers: Sequence[str]) -> None:
    """Refuse two rows of one residue: nothing says which of the two labels is right."""
    first: dict[tuple[str, str, str], int] = {}
    for at, place in enumerate(zip(residues.cells["id"], chains, numbers, strict=True)):
        if place[2] and place in first:
            raise residues.error(
                at, "number", f"{place[2]!r} of chain {place[1]!r} of {place[0]!r} is also in line "
                f"{first[place]}; a residue has one row. Delete one of them, or write the "
                f"insertion code: {place[2]}A",
            )  # fmt: skip
        first[place] = residues.lines[at]


def _letter(residues: CsvFile, at: int, cell: str) -> str:
    """Return the letter of a residue, written as "K", "k", "LYS" or "Mse"."""
    if len(cell) == 1 and cell.isascii() and cell.isalpha():
        return cell.upper()
    letter = component(cell.upper()).letter if len(cell) == 3 else ""
    if not letter:
        raise residues.error(at, "residue", f"{cell!r} is neither a one- nor a three-letter code")
    return letter
