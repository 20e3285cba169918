"""HDF5 with a group for each chain: its sequence is an attribute, its data sets are arrays.

So profiles are often written: one data set of position-specific scores, another of an HMM. Those
that `states:FILE::pssm,hmm` names stand side by side, in that order.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from zoo.backbones.states_places import Place, check_rows, key_of
from zoo.errors import ConfigError, DataError
from zoo.settings.config import STATES

SEQUENCE = "sequence"
"""The attribute of a group that gives the residues of its chain."""
Found = tuple[list[tuple[str, Place]], set[int], dict[str, Any]]


def has_groups(file: Any) -> bool:
    """Return whether an open file is of this kind."""
    return len(file) > 0 and all(
        hasattr(value, "keys") and SEQUENCE in value.attrs for value in file.values()
    )


def open_groups(path: Path, file: Any, named: str | None) -> Found:
    """Return where the rows of each chain that has all named data sets lie, and what made them.

    Args:
        path: The file.
        file: The file, opened.
        named: Names of data sets with commas between them; None if there is one a chain.

    Raises:
        ConfigError: If no chain has the named data sets, or it is not said which of several.
        DataError: If an array has not a row for each residue.
    """
    names = _names(path, file, named)
    found, widths = [], set()
    for group in file.values():
        if names <= group.keys():
            sequence = str(group.attrs[SEQUENCE])
            parts = tuple((named or next(iter(names))).split(","))
            found.append((key_of(sequence), Place(group.name, 0, len(sequence), parts=parts)))
            widths.add(sum(_columns(path, group[part], sequence) for part in parts))
    about = {key: str(value) for key, value in sorted(file.attrs.items())}
    return found, widths, about | {"data sets": named or next(iter(names))}


def _names(path: Path, file: Any, named: str | None) -> set[str]:
    counts = Counter(name for group in file.values() for name in group)
    names = {*named.split(",")} if named else {*counts}
    if names <= counts.keys() and (named or len(names) == 1):
        return names
    listed = ", ".join(f"{name} ({count} chains)" for name, count in sorted(counts.items()))
    everywhere = ",".join(name for name, count in sorted(counts.items()) if count == len(file))
    wrong = ", ".join(sorted(names - counts.keys()))
    said = f"has no data set {wrong}" if wrong else "has several data sets for a chain"
    raise ConfigError(
        f"{path} {said}. It has {listed}. Name those to put side by side: "
        f"{STATES}{path}::{everywhere or next(iter(sorted(counts)))}."
    )


def _columns(path: Path, data: Any, sequence: str) -> int:
    """Return the columns of one array, checked to have a row for each residue."""
    if getattr(data, "ndim", 0) != 2:
        raise DataError(f"{path}: {data.name!r} is no array (residues, columns).")
    check_rows(path, data.name, len(data), sequence)
    columns: int = data.shape[1]
    return columns
