"""Leaves out residues of a predicted structure that the predictor itself is not sure of."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from zoo.proteins.protein import Atoms, Chain, Protein


def without_unsure(protein: Protein, least: float) -> tuple[Protein, int]:
    """Return a protein whose residues below a pLDDT count as without coordinates, and their number.

    They stay in the sequence and keep their numbers, but become no nodes, and a chain has a break
    there. What is no predicted structure, as far as its file says, is returned as it is.

    Args:
        protein: A protein; `Protein.plddt` says whether its B-factors are pLDDT.
        least: Lowest pLDDT that stays, 0 to 100.
    """
    if not protein.plddt:
        return protein, 0
    unsure = [chain.resolved & (chain.bfactor < least) for chain in protein.chains]
    every = np.concatenate(unsure)
    if not every.any():
        return protein, 0
    chains = tuple(map(_without, protein.chains, unsure))
    return dataclasses.replace(protein, chains=chains, atoms=_atoms(protein.atoms, ~every)), int(
        every.sum()
    )


def _without(chain: Chain, unsure: NDArray[np.bool_]) -> Chain:
    return dataclasses.replace(
        chain,
        coords=np.where(unsure[:, None, None], np.float32(np.nan), chain.coords),
        bfactor=np.where(unsure, np.float32(np.nan), chain.bfactor),
        kept_segments=None,
    )


def _atoms(atoms: Atoms, kept: NDArray[np.bool_]) -> Atoms:
    mine = (atoms.residue >= 0) & kept[atoms.residue]
    return Atoms(atoms.pos[mine], atoms.element[mine], atoms.name[mine], atoms.residue[mine])
