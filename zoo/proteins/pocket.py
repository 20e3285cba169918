"""Pockets: only the residues around a ligand are nodes, with the features of the whole protein."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from zoo.errors import StructureError
from zoo.proteins.protein import Atoms, Chain, Ligand, Protein

#: Largest distance in angstrom from an atom of a residue to a heavy atom of the ligand, as in
#: ATOM3D; a residue belongs to the pocket with all of its atoms.
POCKET_CUTOFF = 6.0


def near(protein: Protein, ligand: Ligand, cutoff: float = POCKET_CUTOFF) -> NDArray[np.bool_]:
    """Return (residues,) whether an atom of a residue is near a heavy atom of the ligand.

    Args:
        protein: Protein with coordinates.
        ligand: Ligand in the same frame of reference.
        cutoff: Largest distance in angstrom.
    """
    from scipy.spatial import cKDTree

    heavy = ligand.atoms.pos[ligand.atoms.element != 1]
    kept = np.zeros(len(protein), bool)
    if len(heavy) and len(protein.atoms):
        distance, _ = cKDTree(heavy).query(protein.atoms.pos, distance_upper_bound=cutoff + 1e-6)
        kept[protein.atoms.residue[np.isfinite(distance)]] = True
    return kept


def inside(protein: Protein) -> Atoms:
    """Return the atoms of the pocket's residues; all atoms if the protein has no pocket."""
    if protein.pocket is None:
        return protein.atoms
    kept = protein.pocket[protein.atoms.residue]
    return Atoms(**{name: values[kept] for name, values in vars(protein.atoms).items()})


def around_the_ligand(protein: Protein, cutoff: float) -> Protein:
    """Return a protein from one file with the pocket that `zoo prepare` would give it.

    Raises:
        StructureError: If there is not exactly one ligand, or no residue is near it.
    """
    names = [f"{one.name} {one.chain}:{one.number}" for one in protein.ligands]
    if len(names) != 1:
        found = f"{len(names)}: {', '.join(names[:10])}" if names else "none"
        raise StructureError(
            f"{protein.name}: the model was trained on the pockets around one ligand, and "
            f"{protein.source or 'the protein'} has {found}. Give a file that holds the protein "
            "and this ligand alone (HETATM records)."
        )
    pocket = near(protein, protein.ligands[0], cutoff)
    if not pocket.any():
        raise StructureError(
            f"{protein.name}: no residue is within {cutoff:g} angstrom of the ligand {names[0]}, "
            "so there is no pocket. Give a structure with the ligand in its place."
        )
    return dataclasses.replace(protein, pocket=pocket)


def cut_out(protein: Protein) -> Protein:
    """Return the pocket as if the other residues had no coordinates.

    Older versions prepared pockets like this. Residues at the cut then look like chain ends, which
    changes their torsions and directions, so only models that were trained on it need it.
    """
    assert protein.pocket is not None
    stops = np.cumsum([len(chain) for chain in protein.chains])[:-1]
    chains = tuple(map(_cut, protein.chains, np.split(protein.pocket, stops)))
    return dataclasses.replace(protein, chains=chains, atoms=inside(protein), pocket=None)


def _cut(chain: Chain, kept: NDArray[np.bool_]) -> Chain:
    coords, segments = chain.coords.copy(), chain.kept_segments
    coords[~kept] = np.nan
    if segments is not None:
        segments = _cut_segments(segments, kept)
    return dataclasses.replace(chain, coords=coords, kept_segments=segments)


def _cut_segments(segments: NDArray[np.int64], kept: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the unbroken stretches of the residues that are kept: a stretch ends at a cut too."""
    starts = kept & ((np.diff(segments, prepend=-2) != 0) | ~np.append(False, kept[:-1]))
    return np.where(kept & (segments >= 0), np.cumsum(starts) - 1, -1)
