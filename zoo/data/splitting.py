"""Splits the rows of a table into train, validation and test, and keeps related rows together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path

import numpy as np

from zoo.data.folds import fold_clusters
from zoo.data.kin import related
from zoo.data.layouts.table import Source, read_fasta, read_protein
from zoo.data.reading.columns import OddCellError, infer, is_missing, number, to_numbers
from zoo.data.reading.sets import parse_set
from zoo.data.reading.table_files import DESCRIPTION
from zoo.data.samples import SPLITS, DroppedSample
from zoo.errors import ConfigError, DataError, unknown
from zoo.system.listener import SILENT, Listener
from zoo.tasks import Target

Columns = Mapping[str, Sequence[str]]


def cluster_groups(table: Columns, root: Path, identity: float) -> list[int]:
    """Return the group of each row; rows with any two chains in one sequence cluster share one.

    Raises:
        DataError: If the sequence of a row cannot be read.
    """
    return related(_sequences(table, root), identity)


def _sequences(table: Columns, root: Path) -> list[tuple[str, ...]]:
    rows = len(next(iter(table.values())))
    blank = [""] * rows
    chains = table.get("chain", table.get("chains", blank))
    columns = (table.get("structure", blank), table.get("sequence", blank), chains)
    fasta, known = read_fasta(root), dict[Source, tuple[str, ...]]()
    found = []
    for key, *cells in zip(table["id"], *columns, strict=True):
        source = Source(*cells)
        source = source._replace(sequence=source.sequence or fasta.get(key, ""))
        try:
            if source not in known:
                protein = read_protein(root, key, source)
                known[source] = tuple(chain.sequence for chain in protein.chains)
        except DroppedSample as reason:
            raise DataError(f"row {key!r} has no sequence to cluster by: {reason}") from None
        found.append(known[source])
    return found


def structure_groups(table: Columns, root: Path, listener: Listener = SILENT) -> list[int]:
    """Return the group of each row; rows whose structures have the same fold share one.

    Raises:
        DataError: If a row has no structure that can be read.
    """
    if "structure" not in table:
        raise DataError("There is no column 'structure' to split by; --by cluster takes sequences.")
    chains = table.get("chain", table.get("chains", [""] * len(table["id"])))
    proteins = []
    for key, structure, chain in zip(table["id"], table["structure"], chains, strict=True):
        try:
            proteins.append(read_protein(root, key, Source(structure, "", chain)))
        except DroppedSample as reason:
            raise DataError(f"row {key!r} has no structure to compare: {reason}") from None
    pairs = len(proteins) * (len(proteins) - 1) // 2
    with listener.progress("comparing", pairs) as advance:
        return fold_clusters(proteins, [root / cell for cell in table["structure"]], advance)


def allot(groups: Sequence[int], fractions: Sequence[float], seed: int) -> list[str]:
    """Return the split of each row; rows of one group are in the same split.

    Groups are assigned from large to small, those of equal size in random order. Each goes to the
    split that is then furthest below its fraction.
    """
    sizes = Counter(groups)
    names = sorted(sizes)
    order = np.random.default_rng(seed).permutation(len(names))
    shuffled = sorted((names[at] for at in order), key=lambda name: -sizes[name])
    lacking = np.array(fractions) * len(groups)
    split = {}
    for name in shuffled:
        at = int(np.argmax(lacking))
        lacking[at] -= sizes[name]
        split[name] = SPLITS[at]
    return [split[group] for group in groups]


def by_time(cells: Sequence[str], fractions: Sequence[float]) -> list[str]:
    """Return the split of each row: the earliest rows train and the latest test.

    Rows of equal time are in the same split.

    Raises:
        DataError: If a cell is neither a date (2020-01-31) nor a number.
    """
    times = [_time(cell, at) for at, cell in enumerate(cells)]
    ends = np.cumsum(fractions) * len(times)
    split, before = {}, 0
    for time, size in sorted(Counter(times).items()):
        middle = before + size / 2
        split[time] = SPLITS[min(int(np.searchsorted(ends, middle)), len(SPLITS) - 1)]
        before += size
    return [split[time] for time in times]


def _time(cell: str, row: int) -> float:
    value = number(cell)
    if value is not None:
        return value
    try:
        return float(date.fromisoformat(cell[:10]).toordinal())
    except ValueError:
        raise DataError(f"row {row + 1}: {cell!r} is neither a date nor a number") from None


def by_column(cells: Sequence[str], fractions: Sequence[float], seed: int) -> tuple[list[str], int]:
    """Return the split of each row by a column, and how many distinct values were kept together.

    If every cell names a split ("train"), it is used. Otherwise rows with equal cells share one.
    """
    named = [parse_set(cell) for cell in cells]
    if all(found is not None and found[0] for found in named):
        return [found[0] for found in named if found], len(set(cells))
    groups = {value: at for at, value in enumerate(dict.fromkeys(cells))}
    return allot([groups[cell] for cell in cells], fractions, seed), len(groups)


def parse_fractions(text: str) -> list[float]:
    """Return the three fractions in a text like "0.8,0.1,0.1".

    Raises:
        ConfigError: If they are not three numbers of at least 0 that sum to 1.
    """
    values = [number(part) for part in text.split(",")]
    fractions = [value for value in values if value is not None and value >= 0]
    if len(fractions) != len(values) or len(values) != 3 or abs(sum(fractions) - 1) > 1e-6:
        raise ConfigError(
            f"--fractions {text!r}: three numbers that sum to 1 are needed, for "
            f"{', '.join(SPLITS)}, as 0.8,0.1,0.1"
        )
    return fractions


def split_rows(
    table: Columns, root: Path, by: str, fractions: list[float], seed: int, column: str,
    identity: float, listener: Listener = SILENT,
) -> tuple[list[str], int]:  # fmt: skip
    """Return the split of each row, and how many groups were kept together.

    Args:
        table: Cells of each column, by its name.
        root: Folder that paths in the table start from.
        by: Way to split: "random", "cluster", "structure", "time" or "column".
        fractions: Shares of the rows for train, validation and test.
        seed: Seed of the random order of the groups.
        column: Name of the column to split by, for "time" and "column".
        identity: Sequence identity, from 0 to 1, of one cluster, for "cluster".
        listener: Receives the progress of comparing structures.

    Raises:
        ConfigError: If `by` is unknown, or it needs a column that the table does not have.
        DataError: If a row cannot be used.
    """
    rows = len(table["id"])
    if by == "cluster":
        groups = cluster_groups(table, root, identity)
        return allot(groups, fractions, seed), len(set(groups))
    if by == "structure":
        groups = structure_groups(table, root, listener)
        return allot(groups, fractions, seed), len(set(groups))
    if by == "random":
        return allot(range(rows), fractions, seed), rows
    ways: dict[str, Callable[[Sequence[str]], tuple[list[str], int]]] = {
        "time": lambda cells: (by_time(cells, fractions), len(set(cells))),
        "column": lambda cells: by_column(cells, fractions, seed),
    }
    if by not in ways:
        raise unknown("way to split", by, ["random", "cluster", "structure", *ways])
    if column not in table:
        raise unknown("column (--column)", column, table)
    return ways[by](table[column])


def distribution(table: Columns, splits: Sequence[str]) -> dict[str, dict[str, dict[str, object]]]:
    """Return for each target and split the number of labelled rows, and their mean or classes."""
    found: dict[str, dict[str, dict[str, object]]] = {}
    for name, cells in table.items():
        if name in DESCRIPTION:
            continue
        try:
            target = infer(name, "protein", cells, {})
        except (DataError, OddCellError):  # an empty column, or names
            continue
        found[name] = {
            split: _describe(target, [c for c, s in zip(cells, splits, strict=True) if s == split])
            for split in SPLITS
        }
    return found


def _describe(target: Target, cells: Sequence[str]) -> dict[str, object]:
    given = [cell for cell in cells if not is_missing(cell)]
    if not given:
        return {"labelled": 0}
    if target.kind in ("regression", "binary"):
        values = np.array([to_numbers(target, cell) for cell in given])
        return {"labelled": len(given), "mean": round(float(values.mean()), 4)}
    largest, count = Counter(given).most_common(1)[0]
    share = round(count / len(given), 4)
    return {"labelled": len(given), "classes": len(set(given)), "largest": largest, "share": share}
