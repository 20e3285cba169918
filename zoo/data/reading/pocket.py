"""Complexes: a protein with the measured ligand, and the pocket around it if that is wanted."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from zoo.proteins.protein import Chain, Ligand, Protein


def complex_of(protein: Protein, ligand: Ligand, pocket: NDArray[np.bool_] | None) -> Protein:
    """Return a protein with the measured ligand only; a note names the ligands left out.

    Args:
        protein: The whole protein.
        ligand: The measured ligand.
        pocket: (residues,) whether each residue is a node. The others keep their letters, which a
            language model reads, and their atoms, from which features of the nodes are computed.
            None makes all residues nodes.
    """
    notes = list(protein.notes)
    if protein.ligands:
        others = [f"{other.name} {other.number}".strip() for other in protein.ligands]
        notes.append(f"groups beside the measured ligand, left out: {', '.join(others[:10])}")
    found = dataclasses.replace(protein, ligands=(ligand,), notes=tuple(notes))
    if pocket is None:
        return found
    stops = np.cumsum([len(chain) for chain in protein.chains])[:-1]
    chains = tuple(map(_noted, protein.chains, np.split(pocket, stops)))
    return dataclasses.replace(found, chains=chains, pocket=pocket)


def _noted(chain: Chain, pocket: NDArray[np.bool_]) -> Chain:
    count = int((chain.resolved & pocket).sum())
    note = f"pocket: {count} of {chain.report.resolved} resolved residues are nodes"
    report = dataclasses.replace(chain.report, notes=(*chain.report.notes, note))
    return dataclasses.replace(chain, report=report)
