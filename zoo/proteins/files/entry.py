"""The `Entry` record of a structure file of any format: atoms, groups of atoms, sequences."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

LARGEST = 1e6
"""Largest number that is valid in a column, such as a coordinate in angstrom; others are damage."""


class Group(NamedTuple):
    """A run of atoms in the file with the same residue name and number."""

    part: int
    """Number of TER records before it; after one, a chain name may be used again."""
    chain: str
    """Author's chain name; "_" if it is blank."""
    label: str
    """mmCIF's label of the chain; the author's name if the format has no labels."""
    seq: int
    """mmCIF's label number, which is the position in the deposited sequence; 0 if there is none."""
    number: str
    """Author's residue number with insertion code ("52A")."""
    comp: str
    """Chemical component ("ALA")."""
    het: bool
    """Whether the record is HETATM."""


@dataclass(frozen=True, eq=False)
class AtomTable:
    """The A atoms of one model, in the order of the file."""

    group: NDArray[np.int64]
    """(A,) index of the atom's group, not decreasing."""
    name: NDArray[np.str_]
    alt: NDArray[np.str_]
    """(A,) name of the alternate location, "" if there is only one location."""
    pos: NDArray[np.float64]
    """(A, 3) coordinates in angstrom, NaN if they cannot be read."""
    occupancy: NDArray[np.float64]
    bfactor: NDArray[np.float64]
    element: NDArray[np.uint8]
    """(A,) atomic number, 1 for deuterium too, 0 if unknown."""
    line: NDArray[np.int64]
    """(A,) line of a PDB file or row of `_atom_site`, from 1."""


@dataclass(frozen=True, eq=False)
class Entry:
    """One model of a structure file, with the sequences that the file lists."""

    atoms: AtomTable
    groups: list[Group]
    models: int
    line_word: str
    """Name for what `AtomTable.line` counts, used in messages: "line" or "row"."""
    sequence_source: str
    listed: dict[str, list[tuple[str, ...]]] = field(default_factory=dict)
    """Deposited sequence by label; several names at one position are microheterogeneity."""
    kinds: dict[str, str] = field(default_factory=dict)
    """Kind of each chain by label, if the file states it: protein, nucleic, other, none."""
    auth_names: dict[str, str] = field(default_factory=dict)
    """Author's name by label of the chains in `listed`, if known."""
    parents: dict[str, list[str]] = field(default_factory=dict)
    """Standard residues that the file names as the parents of each modified residue."""
    blocks: int = 1
    """Number of data blocks with atoms; the first is read."""
    notes: tuple[str, ...] = ()
    """Remarks on what of the file is not read."""
    plddt: bool = False
    """Whether the B-factors are pLDDT, by what the file says."""


def runs(*columns: NDArray[np.generic]) -> NDArray[np.int64]:
    """Return (A,) the number of each row's run; rows of a run agree in all columns.

    Columns are (A,) or (A, width).
    """
    change = np.zeros(len(columns[0]), bool)
    for column in columns:
        differs = column[1:] != column[:-1]
        change[1:] |= differs.any(-1) if differs.ndim > 1 else differs
    return np.cumsum(change)


def first_rows(group: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the first row of each run that `runs` numbered."""
    return np.flatnonzero(np.diff(group, prepend=-1))
