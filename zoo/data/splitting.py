"""Splits the rows of a table into train, validation and test, and keeps related rows together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
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
from zoo.proteins.protein import Protein
from zoo.system.listener import SILENT, Listener
from zoo.tasks import Target

Columns = Mapping[str, Sequence[str]]
Reasons = dict[int, str]
"""Why rows were left out, by their number from 0."""


@dataclass(frozen=True)
class Outcome:
    """What became of the rows of a table, each of which is in one of the two.

    Attributes:
        split: split of each row that could be used, by its number from 0.
        left_out: reason of each other row.
        groups: how many groups were kept together.
    """

    split: Mapping[int, str]
    left_out: Mapping[int, str]
    groups: int


def cluster_groups(table: Columns, root: Path, identity: float) -> tuple[dict[int, int], Reasons]:
    """Return the group of each row; rows with any two chains in one sequence cluster share one.

    Rows whose sequence cannot be read have no group, but a reason.
    """
    per_row, left_out = _sequences(table, root)
    group = related([*per_row.values()], identity)
    return dict(zip(per_row, group, strict=True)), left_out


def _sequences(table: Columns, root: Path) -> tuple[dict[int, Sequence[str]], Reasons]:
    """Return the chains of each row by which it is clustered, and why the other rows have none."""
    blank = [""] * len(table["id"])
    chains = table.get("chain", table.get("chains", blank))
    columns = (table.get("structure", blank), table.get("sequence", blank), chains)
    fasta, known = read_fasta(root), dict[Source, Sequence[str]]()
    found, left_out = dict[int, Sequence[str]](), dict[int, str]()
    for row, (key, *cells) in enumerate(zip(table["id"], *columns, strict=True)):
        source = Source(*cells)
        source = source._replace(sequence=source.sequence or fasta.get(key, ""))
        try:
            if source not in known:
                protein = read_protein(root, key, source)
                known[source] = tuple(chain.sequence for chain in protein.chains)
        except DroppedSample as reason:
            left_out[row] = f"row {key!r} has no sequence to cluster by: {reason}"
            continue
        found[row] = known[source]
    return found, left_out


def structure_groups(
    table: Columns, root: Path, listener: Listener = SILENT
) -> tuple[dict[int, int], Reasons]:
    """Return the group of each row; rows whose structures have the same fold share one.

    Rows whose structure cannot be read have no group, but a reason.

    Raises:
        DataError: If there is no column of structures.
    """
    if "structure" not in table:
        raise DataError("There is no column 'structure' to split by; --by cluster takes sequences.")
    chains = table.get("chain", table.get("chains", [""] * len(table["id"])))
    proteins, left_out = dict[int, Protein](), dict[int, str]()
    rows = zip(table["id"], table["structure"], chains, strict=True)
    for row, (key, structure, chain) in enumerate(rows):
        try:
            proteins[row] = read_protein(root, key, Source(structure, "", chain))
        except DroppedSample as reason:
            left_out[row] = f"row {key!r} has no structure to compare: {reason}"
    pairs = len(proteins) * (len(proteins) - 1) // 2
    files = [root / table["structure"][row] for row in proteins]
    with listener.progress("comparing", pairs) as advance:
        found = fold_clusters([*proteins.values()], files, advance) if proteins else []
    return dict(zip(proteins, found, strict=True)), left_out


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


def by_time(cells: Sequence[str], fractions: Sequence[float]) -> tuple[dict[int, str], Reasons]:
    """Return the split of each row: the earliest rows train and the latest test.

    Rows of equal time are in the same split. Rows whose cell is neither a date (2020-01-31) nor a
    number have no split, but a reason.
    """
    times, left_out = dict[int, float](), dict[int, str]()
    for row, cell in enumerate(cells):
        time = _time(cell)
        if time is None:
            left_out[row] = f"row {row + 1}: {cell!r} is neither a date nor a number"
        else:
            times[row] = time
    ends = np.cumsum(fractions) * len(times)
    split, before = {}, 0
    for time, size in sorted(Counter(times.values()).items()):
        middle = before + size / 2
        split[time] = SPLITS[min(int(np.searchsorted(ends, middle)), len(SPLITS) - 1)]
        before += size
    return {row: split[time] for row, time in times.items()}, left_out


def _time(cell: str) -> float | None:
    value = number(cell)
    if value is not None:
        return value
    try:
        return float(date.fromisoformat(cell[:10]).toordinal())
    except ValueError:
        return None


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
) -> Outcome:  # fmt: skip
    """Return the split of each row, or why it has none.

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
        DataError: If no row can be used; gives the reason of the first.
    """
    ways: dict[str, Callable[[], Outcome]] = {
        "random": lambda: Outcome(
            dict(enumerate(allot(range(len(table["id"])), fractions, seed))), {}, len(table["id"])
        ),
        "cluster": lambda: _grouped(*cluster_groups(table, root, identity), fractions, seed),
        "structure": lambda: _grouped(*structure_groups(table, root, listener), fractions, seed),
        "time": lambda: _by_time(table[column], fractions),
        "column": lambda: _by_column(table[column], fractions, seed),
    }
    if by not in ways:
        raise unknown("way to split", by, ways)
    if by in ("time", "column") and column not in table:
        raise unknown("column (--column)", column, table)
    found = ways[by]()
    if not found.split:
        raise DataError(f"No row can be split: {next(iter(found.left_out.values()))}")
    return found


def _grouped(
    groups: Mapping[int, int], left_out: Reasons, fractions: Sequence[float], seed: int
) -> Outcome:
    splits = allot([*groups.values()], fractions, seed)
    return Outcome(dict(zip(groups, splits, strict=True)), left_out, len(set(groups.values())))


def _by_time(cells: Sequence[str], fractions: Sequence[float]) -> Outcome:
    split, left_out = by_time(cells, fractions)
    return Outcome(split, left_out, len({cells[row] for row in split}))


def _by_column(cells: Sequence[str], fractions: Sequence[float], seed: int) -> Outcome:
    splits, values = by_column(cells, fractions, seed)
    return Outcome(dict(enumerate(splits)), {}, values)


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
