"""Tells apart the models of a file that does not number them: its residues come back as a whole."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from zoo.proteins.files.entry import first_rows, runs

Column = NDArray[np.generic]


def copies(residue: Sequence[Column], atom: Sequence[Column]) -> NDArray[np.int64]:
    """Return (A,) which model each atom belongs to, from 0; all 0 if nothing comes back.

    Frames of a trajectory are written one after the other, parted by END or by nothing, or
    interleaved, residue by residue or atom by atom.

    Args:
        residue: (A,) columns that name the residue of each atom: chain, number and name.
        atom: (A,) columns that name the atom within its residue: atom and alternate location.
    """
    first = first_rows(runs(*residue))
    count = _successive([column[first] for column in residue])
    if count == 1:
        return _interleaved([*residue, *atom], len(first))
    copy_of_run = np.repeat(np.arange(count), len(first) // count)
    return np.repeat(copy_of_run, np.diff(np.append(first, len(residue[0]))))


def _successive(names: list[Column]) -> int:
    """Return how often a whole list of residues is written, each time in the same order."""
    for length in np.flatnonzero(_as_the_first(names))[1:].tolist():
        count, left = divmod(len(names[0]), length)
        if not left and all((x.reshape(count, length) == x[:length]).all() for x in names):
            return count
    return 1


def _interleaved(names: list[Column], residues: int) -> NDArray[np.int64]:
    """Return how often the name of each atom came before it, if all names are equally frequent.

    One residue alone is no evidence: that could be a chain whose residues share a number.
    """
    size = len(names[0])
    count = int(_as_the_first(names).sum())
    if residues < 2 or count < 2 or size % count:
        return np.zeros(size, np.int64)
    key = np.zeros(size, np.int64)
    for column in names:
        values, place = np.unique(column, return_inverse=True)
        key = np.unique(key * len(values) + place, return_inverse=True)[1]
    if (np.bincount(key) != count).any():
        return np.zeros(size, np.int64)
    model = np.empty(size, np.int64)
    model[np.argsort(key, kind="stable")] = np.arange(size) % count
    return model


def _as_the_first(names: list[Column]) -> NDArray[np.bool_]:
    equal: NDArray[np.bool_] = np.logical_and.reduce([x == x[0] for x in names])
    return equal
