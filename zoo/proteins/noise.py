"""Noise in the coordinates of a protein, for training."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from zoo.proteins.protein import BACKBONE, Atoms, Chain, Protein


def moved(protein: Protein, size: float, rng: np.random.Generator) -> Protein:
    """Return the protein with every atom moved at random; ligands move too.

    A chain keeps its breaks and unresolved residues: what is bonded does not depend on the noise.

    Args:
        protein: Protein with or without coordinates.
        size: Standard deviation in angstrom of the normal noise along each axis.
        rng: Random numbers.
    """
    lengths = [len(chain) for chain in protein.chains]
    backbone = rng.normal(0.0, size, (sum(lengths), len(BACKBONE), 3))
    parts = np.split(backbone, np.cumsum(lengths)[:-1])
    return dataclasses.replace(
        protein,
        chains=tuple(map(_chain, protein.chains, parts)),
        atoms=_atoms(protein.atoms, backbone, rng.normal(0.0, size, protein.atoms.pos.shape)),
        ligands=tuple(
            dataclasses.replace(
                one, atoms=_shifted(one.atoms, rng.normal(0.0, size, one.atoms.pos.shape))
            )
            for one in protein.ligands
        ),
    )


def _chain(chain: Chain, shift: NDArray[np.float64]) -> Chain:
    coords = (chain.coords + shift).astype(np.float32)
    return dataclasses.replace(chain, coords=coords, kept_segments=chain.segments)


def _atoms(atoms: Atoms, backbone: NDArray[np.float64], shift: NDArray[np.float64]) -> Atoms:
    """Return the atoms moved, those of the backbone as they are in `Chain.coords`."""
    for column, name in enumerate(BACKBONE):
        own = np.flatnonzero(atoms.name == name)
        shift[own] = backbone[atoms.residue[own], column]
    return _shifted(atoms, shift)


def _shifted(atoms: Atoms, shift: NDArray[np.float64]) -> Atoms:
    return dataclasses.replace(atoms, pos=(atoms.pos + shift).astype(np.float32))
