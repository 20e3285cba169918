"""A complex as what a model was trained on: whole, or each chain as a protein of its own."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.proteins.protein import Atoms, Ligand, Protein
from zoo.settings.config import CHAIN, Scope


def chains_of(protein: Protein) -> list[Protein]:
    """Return each chain as a protein of its own, in order; a single chain is returned as it is.

    Each keeps its atoms and the ligands under its chain's name. The name stays that of the protein:
    `named` gives one with the chain's.
    """
    if len(protein.chains) == 1:
        return [protein]
    stops = np.cumsum([0, *map(len, protein.chains)])
    return [
        dataclasses.replace(
            protein,
            chains=(chain,),
            atoms=_between(protein.atoms, start, stop),
            ligands=_under(protein.ligands, {chain.name, chain.label}),
            pocket=None if protein.pocket is None else protein.pocket[start:stop],
        )
        for chain, (start, stop) in zip(protein.chains, pairwise(stops), strict=True)
    ]


def named(part: Protein) -> Protein:
    """Return one of `chains_of` with its chain's name after the protein's: 1abc_A."""
    return dataclasses.replace(part, name=f"{part.name}_{part.chains[0].name}")


def one_chain(protein: Protein, residue: int | None = None) -> tuple[Protein, int | None]:
    """Return one chain under a name of its own, and the residue's position in it.

    Args:
        protein: A complex.
        residue: Position over all chains, from 0, in the wanted chain; None takes the first chain
            with coordinates.
    """
    parts = chains_of(protein)
    if residue is None:
        return named(_resolved(parts)[0]), None
    for part in parts:
        if residue < len(part):
            break
        residue -= len(part)
    return named(part), residue


def _between(atoms: Atoms, start: int, stop: int) -> Atoms:
    mine = (atoms.residue >= start) & (atoms.residue < stop)
    return Atoms(
        atoms.pos[mine], atoms.element[mine], atoms.name[mine], atoms.residue[mine] - start
    )


def _under(ligands: Sequence[Ligand], names: set[str]) -> tuple[Ligand, ...]:
    return tuple(ligand for ligand in ligands if ligand.chain in names)


class Parts:
    """Proteins as a model takes them, and the way back.

    Args:
        proteins: Proteins, of one or more chains each.
        scope: What the model takes for one protein.
    """

    def __init__(self, proteins: Sequence[Protein], scope: Scope) -> None:
        self._cut = [chains_of(protein) if scope == CHAIN else [protein] for protein in proteins]
        self.proteins = [part for parts in self._cut for part in _resolved(parts)]

    def places(self) -> Iterator[list[int]]:
        """Yield the indices in `proteins` of each protein's parts."""
        stops = np.cumsum([0, *(len(_resolved(parts)) for parts in self._cut)])
        return (list(range(start, stop)) for start, stop in pairwise(stops.tolist()))

    def joined(self, rows: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        """Return the rows of each protein from those of its parts, over its chains end to end.

        Args:
            rows: Of each of `proteins`, (residues, ...) if any was cut. A chain without
                coordinates is none of them, and has NaN.
        """
        known = iter(rows)
        return [self._joined(parts, known) for parts in self._cut]

    def _joined(self, parts: list[Protein], known: Iterator[NDArray[Any]]) -> NDArray[Any]:
        if len(parts) == 1:
            return next(known)
        there = _resolved(parts)
        found = {id(part): next(known) for part in there}
        shape = found[id(there[0])].shape[1:]
        lacking = (np.full((len(part), *shape), np.nan) for part in parts)
        return np.concatenate([
            found.get(id(part), empty) for part, empty in zip(parts, lacking, strict=True)
        ])  # fmt: skip


def _resolved(parts: list[Protein]) -> list[Protein]:
    """Return the parts with coordinates; all, if none has any."""
    return [part for part in parts if part.has_structure] or parts
