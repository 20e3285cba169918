"""The 3Di letters of a protein: what each residue's nearest contact looks like, one of 20 letters.

They are those of Foldseek (van Kempen et al., Nat. Biotechnol. 42, 243 (2024)), which the language
models that read structure were trained on, computed by mini3di from N, CA, C and CB.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.proteins.protein import Protein

Array = NDArray[np.float64]
UNKNOWN = "#"
"""In the place of the letter of a residue whose structure is not known."""
SURE = 70.0
"""The pLDDT from which a predicted structure is taken for known."""
STATES = "acdefghiklmnpqrstvwy"
"""The letters, in lower case as the language models have them."""


def structure_letters(protein: Protein) -> list[str]:
    """Return the 3Di letters of each chain, one for each residue of its sequence.

    Each chain is looked at alone, and its residues with a CA one after another, as Foldseek does:
    it reads no chain breaks. A residue without N, CA or C has `UNKNOWN`, and in a predicted
    structure one of a pLDDT below `SURE`, as SaProt's authors have it. The first and the last
    residue, and those near one with missing atoms, have "d", as in Foldseek. Where a CB is missing,
    an ideal one takes its place.
    """
    coords = np.concatenate([chain.coords for chain in protein.chains]).astype(np.float64)
    beta = _beta_carbons(protein, len(coords))
    unsure = np.concatenate([chain.bfactor < SURE for chain in protein.chains]) & protein.plddt
    stops = np.cumsum([len(chain) for chain in protein.chains])[:-1]
    parts = zip(*(np.split(x, stops) for x in (coords, beta, unsure)), strict=True)
    return [_letters(*part) for part in parts]


def _beta_carbons(protein: Protein, residues: int) -> Array:
    """Return (residues, 3) the CB of each residue, NaN where the file has none."""
    found = np.full((residues, 3), np.nan)
    rows = np.flatnonzero((protein.atoms.name == "CB") & (protein.atoms.residue >= 0))
    found[protein.atoms.residue[rows]] = protein.atoms.pos[rows]
    return found


def _letters(coords: Array, beta: Array, unsure: NDArray[np.bool_]) -> str:
    letters = np.full(len(coords), UNKNOWN)
    rows = np.flatnonzero(np.isfinite(coords[:, 1]).all(-1))
    known = np.isfinite(coords[rows, :3]).all((1, 2))
    if known.any():
        # Distances are differences of squares, which lose their digits far from the origin.
        centre = coords[rows, 1].mean(0)
        n, ca, c = np.moveaxis(coords[rows, :3] - centre, 1, 0)
        states = _encoder().encode_atoms(ca, beta[rows] - centre, n, c).filled()
        letters[rows[known]] = np.array(list(STATES))[states][known]
    letters[unsure] = UNKNOWN
    return "".join(letters)


@lru_cache(maxsize=1)
def _encoder() -> Any:
    from mini3di import Encoder  # reads its weights, and few models need it

    return Encoder()
