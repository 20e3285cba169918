"""What a structure file holds, the same record whatever the format: atoms, and groups of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

LARGEST = 1e6
"""A larger number is damage, in whatever column: a coordinate in angstrom beyond it is none."""


class Group(NamedTuple):
    """A run of atoms under one residue name and number, as the file writes it."""

    part: int
    """How many TER records came before: a chain name may be used again after one."""
    chain: str
    """Author chain name; "_" where it is blank."""
    label: str
    """mmCIF label name; the author name where the format has none."""
    seq: int
    """mmCIF label number, the place in the deposited sequence; 0 where there is none."""
    number: str
    """Author residue number with insertion code ("52A")."""
    comp: str
    """Chemical component ("ALA")."""
    het: bool
    """Whether the record is HETATM."""


@dataclass(frozen=True, eq=False)
class AtomTable:
    """A atoms of one model, in the order of the file."""

    group: NDArray[np.int64]
    """(A,) index of the atom's group, not decreasing."""
    name: NDArray[np.str_]
    alt: NDArray[np.str_]
    """(A,) name of the alternate location, "" where there is one location only."""
    pos: NDArray[np.float64]
    """(A, 3) in angstrom, NaN where the file has no readable coordinates."""
    occupancy: NDArray[np.float64]
    bfactor: NDArray[np.float64]
    element: NDArray[np.uint8]
    """(A,) atomic number, 1 also for deuterium, 0 where unknown."""
    line: NDArray[np.int64]
    """(A,) line of a PDB file or row of `_atom_site`, from 1."""


@dataclass(frozen=True, eq=False)
class Entry:
    """One model of a file with what the file says about its sequences."""

    atoms: AtomTable
    groups: list[Group]
    models: int
    line_word: str
    """What `AtomTable.line` counts, for messages."""
    sequence_source: str
    listed: dict[str, list[tuple[str, ...]]] = field(default_factory=dict)
    """Deposited sequence by label name; several names at a place are microheterogeneity."""
    kinds: dict[str, str] = field(default_factory=dict)
    """What a label chain is, where the file says it: protein, nucleic, other, none."""
    auth_names: dict[str, str] = field(default_factory=dict)
    """Author name by label name of the chains in `listed`, where known."""
    parents: dict[str, list[str]] = field(default_factory=dict)
    """Standard residues that the file names as parents of a modified one."""


def runs(*columns: NDArray[np.generic]) -> NDArray[np.int64]:
    """Number the runs of rows that agree in all columns, each (A,) or (A, width): (A,)."""
    change = np.zeros(len(columns[0]), bool)
    for column in columns:
        differs = column[1:] != column[:-1]
        change[1:] |= differs.any(-1) if differs.ndim > 1 else differs
    return np.cumsum(change)


def first_rows(group: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the first row of every run that `runs` numbered."""
    return np.flatnonzero(np.diff(group, prepend=-1))
