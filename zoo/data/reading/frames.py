"""Converts columns of atoms (HDF5, ATOM3D tables) to the `Protein` that structure files give."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zoo.errors import StructureError
from zoo.proteins.files.components import atomic_number, component
from zoo.proteins.files.entry import AtomTable, Entry, Group, first_rows, runs
from zoo.proteins.protein import Atoms, Protein
from zoo.proteins.structure import assemble

#: Suffix of the chain label of residues that the source says are not in a protein chain.
APART = "~"


@dataclass(frozen=True, eq=False)
class Frame:
    """The A atoms of one structure; the atoms of a residue are next to each other."""

    name: NDArray[np.str_]
    """(A,) atom names ("CA")."""
    comp: NDArray[np.str_]
    """(A,) residue names ("ALA")."""
    chain: NDArray[np.str_]
    number: NDArray[np.str_]
    """(A,) residue number with insertion code ("52A")."""
    element: NDArray[np.uint8]
    """(A,) atomic number, 0 where unknown."""
    pos: NDArray[np.float64]
    """(A, 3) in angstrom."""
    het: NDArray[np.bool_]
    """(A,) whether the record was HETATM."""
    alt: NDArray[np.str_] | None = None
    occupancy: NDArray[np.float64] | None = None
    bfactor: NDArray[np.float64] | None = None
    in_chain: NDArray[np.bool_] | None = None
    """(A,) whether the residue belongs to a protein chain; None if the source does not say."""

    def __len__(self) -> int:
        return len(self.name)


def to_protein(
    frame: Frame, name: str, source: str = "", parents: Mapping[str, str] | None = None
) -> Protein:
    """Return the protein of a frame, read by the rules of `read_structure`.

    An atom called CA counts only if it is a carbon or in an amino acid. Modified residues are read
    as their parents, hydrogens are kept, waters are counted, and other groups are ligands.

    Args:
        frame: Atoms of the protein and its ligands.
        name: Name of the protein.
        source: Path of the file.
        parents: Standard residues ("MET") by the names of modified residues ("MSE") that the
            source identifies.

    Raises:
        StructureError: If there is no protein in it; names the source and the cause.
    """
    if not len(frame):
        raise StructureError(f"{source or name}: has no atoms")
    group = runs(frame.chain, frame.number, frame.comp)
    kinds = {}
    if frame.in_chain is not None:
        kinds = {chain: "protein" for chain in _chain_names(frame)}
        kinds |= {chain + APART: "none" for chain in kinds}
    entry = Entry(
        atoms=_table(frame, group),
        groups=_groups(frame, first_rows(group)),
        models=1,
        line_word="row",
        sequence_source="observed",
        kinds=kinds,
        parents={comp: [parent] for comp, parent in (parents or {}).items()},
    )
    try:
        return assemble(entry, name, source)
    except StructureError as error:
        raise StructureError(f"{source or name}: {error}") from None


def _chain_names(frame: Frame) -> list[str]:
    return [name or "_" for name in dict.fromkeys(frame.chain.tolist())]


def _table(frame: Frame, group: NDArray[np.int64]) -> AtomTable:
    size = len(frame)
    return AtomTable(
        group=group,
        name=frame.name,
        alt=np.full(size, "") if frame.alt is None else frame.alt,
        pos=frame.pos,
        occupancy=np.ones(size) if frame.occupancy is None else frame.occupancy,
        bfactor=np.full(size, np.nan) if frame.bfactor is None else frame.bfactor,
        element=frame.element,
        line=np.arange(1, size + 1),
    )


def _groups(frame: Frame, first: NDArray[np.int64]) -> list[Group]:
    inside = np.ones(len(frame), bool) if frame.in_chain is None else frame.in_chain
    columns = (frame.chain, frame.number, frame.comp, frame.het, inside)
    rows = zip(*(column[first].tolist() for column in columns), strict=True)
    return [
        Group(0, chain or "_", (chain or "_") + ("" if kept else APART), 0, number, comp, het)
        for chain, number, comp, het, kept in rows
    ]


def elements(symbols: NDArray[np.str_], names: NDArray[np.str_]) -> NDArray[np.uint8]:
    """Return the atomic number of each atom, from its symbol, or from its name if that is blank."""
    pairs = zip(symbols.tolist(), names.tolist(), strict=True)
    return np.array([atomic_number(sign, f" {name}"[:4]) for sign, name in pairs], np.uint8)


def loose_atoms(frame: Frame) -> Atoms:
    """Return the atoms of a frame as atoms of a ligand, which belong to no residue."""
    return Atoms(
        pos=frame.pos.astype(np.float32),
        element=frame.element,
        name=frame.name,
        residue=np.full(len(frame), -1),
    )


def is_amino(comps: NDArray[np.str_]) -> NDArray[np.bool_]:
    """Return whether each residue name is that of an amino acid."""
    names, inverse = np.unique(comps, return_inverse=True)
    known = np.array([component(name).amino for name in names.tolist()], bool)
    return known[inverse]
