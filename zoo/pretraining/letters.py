"""What is known of the residues of a structure, as letters that a language model can predict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zoo.proteins import threedi
from zoo.proteins.density import CA_RADII, density
from zoo.proteins.protein import Protein
from zoo.proteins.secondary_structure import states

SECONDARY, THREEDI, BURIAL = "secondary_structure", "3di", "burial"
BURIED = (0.35, 0.5, 0.65, 0.8)
"""Borders of the bins of burial: CA atoms within 10 angstrom, over those in a full sphere."""
ALPHABETS = {SECONDARY: "hec", THREEDI: threedi.STATES, BURIAL: "01234"}
"""The letters of each kind: helix, strand, coil; 3Di; from the surface to the middle."""
UNKNOWN = "-"


@dataclass(frozen=True)
class Lettered:
    """A chain, and a letter of each kind for each of its residues.

    Attributes:
        sequence: (L) one-letter codes.
        letters: (L) letters by the name of their kind; `UNKNOWN` where the structure tells none.
    """

    sequence: str
    letters: Mapping[str, str]

    @property
    def known(self) -> int:
        """Number of residues whose secondary structure is known."""
        return len(self.sequence) - self.letters[SECONDARY].count(UNKNOWN)


def lettered(protein: Protein) -> list[Lettered]:
    """Return the chains of a protein with their letters.

    Secondary structure and burial see all chains of the protein, 3Di letters each chain alone.
    Where a predicted structure has a pLDDT below 70, nothing is known.
    """
    coords = np.concatenate([chain.coords for chain in protein.chains])
    unsure = np.concatenate([chain.bfactor < threedi.SURE for chain in protein.chains])
    unsure = (unsure & protein.plddt) | ~np.isfinite(coords).all((1, 2))
    packed = density(protein)[:, CA_RADII.index(10.0)]
    both = {
        SECONDARY: _text(SECONDARY, states(protein), unsure),
        BURIAL: _text(BURIAL, np.digitize(packed, BURIED), unsure),
        THREEDI: "".join(threedi.structure_letters(protein)).replace(threedi.UNKNOWN, UNKNOWN),
    }
    found, start = [], 0
    for chain in protein.chains:
        stop = start + len(chain)
        own = {kind: both[kind][start:stop] for kind in ALPHABETS}
        found.append(Lettered(chain.sequence, own))
        start = stop
    return found


def _text(kind: str, places: NDArray[np.int64], unsure: NDArray[np.bool_]) -> str:
    letters = np.array(list(ALPHABETS[kind]))[places]
    return "".join(np.where(unsure | (places < 0), UNKNOWN, letters))
