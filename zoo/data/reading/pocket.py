"""Pockets: the residues around a ligand become the nodes, and the whole sequence is kept."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from zoo.proteins.protein import Chain, Ligand, Protein

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


def complex_of(protein: Protein, ligand: Ligand, pocket: NDArray[np.bool_] | None) -> Protein:
    """Return a protein with the measured ligand only; a note names the ligands left out.

    Args:
        protein: The whole protein.
        ligand: The measured ligand.
        pocket: (residues,) whether each residue is a node. The others lose their coordinates and
            atoms but keep their letters, so that a language model reads the whole sequence. None
            keeps all residues.
    """
    notes = list(protein.notes)
    if protein.ligands:
        others = [f"{other.name} {other.number}".strip() for other in protein.ligands]
        notes.append(f"groups beside the measured ligand, left out: {', '.join(others[:10])}")
    chains, atoms = protein.chains, protein.atoms
    if pocket is not None:
        stops = np.cumsum([len(chain) for chain in chains])[:-1]
        chains = tuple(map(_cut, chains, np.split(pocket, stops)))
        inside = pocket[atoms.residue]
        atoms = dataclasses.replace(
            atoms,
            pos=atoms.pos[inside],
            element=atoms.element[inside],
            name=atoms.name[inside],
            residue=atoms.residue[inside],
        )
    return dataclasses.replace(
        protein, chains=chains, atoms=atoms, ligands=(ligand,), notes=tuple(notes)
    )


def _cut(chain: Chain, kept: NDArray[np.bool_]) -> Chain:
    coords, bfactor = chain.coords.copy(), chain.bfactor.copy()
    coords[~kept], bfactor[~kept] = np.nan, np.nan
    numbers = tuple(n if keep else "" for n, keep in zip(chain.numbers, kept, strict=True))
    cut = dataclasses.replace(chain, coords=coords, bfactor=bfactor, numbers=numbers)
    resolved = int(cut.resolved.sum())
    note = f"pocket: {resolved} of {chain.report.resolved} resolved residues are nodes"
    report = dataclasses.replace(
        chain.report,
        resolved=resolved,
        breaks=max(int(cut.segments.max(initial=0)), 0),
        notes=(*chain.report.notes, note),
    )
    return dataclasses.replace(cut, report=report)
