"""HDF5 with a group for each chain: its sequence is an attribute, its data sets are arrays.

So profiles are often written: one data set of position-specific scores, another of an HMM. Those
that `states:FILE::pssm,hmm` names stand side by side, in that order.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from zoo.backbones.states_places import Found, Place, check_rows, key_of, text_of
from zoo.errors import ConfigError, DataError
from zoo.settings.config import STATES
from zoo.system.counting import counted

SEQUENCE = "sequence"
"""The attribute of a group that gives the residues of its chain."""


def has_groups(file: Any) -> bool:
    """Return whether an open file is of this kind."""
    groups = [value for value in file.values() if hasattr(value, "keys")]
    return any(SEQUENCE in group.attrs for group in groups)


def open_groups(path: Path, file: Any, named: str | None) -> Found:
    """Return where the rows of each chain that has all named data sets lie, and what made them.

    Args:
        path: The file.
        file: The file, opened.
        named: Names of data sets with commas between them; None if there is one a chain.

    Raises:
        ConfigError: If no chain has the named data sets, or it is not said which of several.
        DataError: If a group does not say its sequence, or an array has not a row for each residue.
    """
    for name, group in file.items():
        if not (hasattr(group, "keys") and SEQUENCE in group.attrs):
            raise DataError(
                f"{path}: {name!r} is no group with an attribute {SEQUENCE!r}, as others are."
            )
    parts = _names(path, file, named)
    found, widths = [], set()
    for group in file.values():
        if {*parts} <= group.keys():
            sequence = text_of(group.attrs[SEQUENCE])
            found.append((key_of(sequence), Place(group.name, 0, len(sequence), parts=parts)))
            widths.add(sum(_columns(path, group[part], sequence) for part in parts))
    about = {key: str(value) for key, value in sorted(file.attrs.items())}
    return Found(found, widths, about | {"data sets": ",".join(parts)})


def _names(path: Path, file: Any, named: str | None) -> tuple[str, ...]:
    """Return the data sets to put side by side; None named stands for the only array."""
    counts = Counter(name for group in file.values() for name in group)
    if named is None and len(counts) > 1:  # names and numbers may lie beside the only array
        counts = Counter(
            name for group in file.values() for name, data in group.items() if _is_array(data)
        )
    names = tuple(part.strip() for part in named.split(",")) if named else tuple(counts)
    wrong = ", ".join(repr(name) for name in names if name not in counts)
    if not wrong and (named or len(names) == 1):
        return names
    if not counts:
        raise DataError(f"{path} has no arrays (residues, columns) in its groups.")
    listed = ", ".join(
        f"{name} ({counted(count, 'chain')})" for name, count in sorted(counts.items())
    )
    everywhere = ",".join(name for name, count in sorted(counts.items()) if count == len(file))
    said = f"has no data set {wrong}" if wrong else "has several data sets for a chain"
    raise ConfigError(
        f"{path} {said}. It has {listed}. Name those to put side by side: "
        f"{STATES}{path}::{everywhere or next(iter(sorted(counts)))}."
    )


def _is_array(data: Any) -> bool:
    return getattr(data, "ndim", 0) == 2


def _columns(path: Path, data: Any, sequence: str) -> int:
    """Return the columns of one array, checked to have a row for each residue."""
    if not _is_array(data):
        raise DataError(f"{path}: {data.name!r} is no array (residues, columns).")
    check_rows(path, data.name, len(data), sequence)
    columns: int = data.shape[1]
    return columns
