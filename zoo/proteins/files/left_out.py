"""Counts the atoms of a file that are in no chain and no ligand, each with the reason."""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from zoo.proteins.files.strands import Contents

OF_ROLES = {
    "water": "waters",
    "nucleic": "nucleic acids",
    "other": "other polymers",
    "cap": "caps of chains",
    "ligand": "ligands of chains that were not asked for",
    "protein": "residues outside the chains that are read",
}
"""What the atoms of residues are, by the residue's role, if they are in no chain or ligand."""
UNREADABLE, ELSEWHERE = "without readable coordinates", "other conformers"


def atoms_left_out(content: Contents, taken: NDArray[np.bool_]) -> dict[str, int]:
    """Return how many atoms of the model are left out for each reason.

    Args:
        content: One model of a file.
        taken: (R,) whether a residue's atoms are in a chain or a ligand.
    """
    found = content.found
    readable = np.all(np.isfinite(content.entry.atoms.pos), axis=1)
    rows = np.flatnonzero(~(readable & (found.owner >= 0) & taken[found.owner]))
    place = found.place[rows]
    reasons = np.array([OF_ROLES[role] for role in content.role[place].tolist()], object)
    # A taken residue is only left out in its other conformers; those of a water are waters.
    reasons[taken[place]] = ELSEWHERE
    reasons[~readable[rows]] = UNREADABLE
    return dict(Counter(reasons.tolist()))
