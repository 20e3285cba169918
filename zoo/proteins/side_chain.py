"""The shape of each side chain: its torsions (chi), and where the middle of its atoms lies.

The atoms of chi are those of IUPAC-IUB, Biochemistry 9, 3471 (1970), as in the tables of
AlphaFold 2 (Jumper et al., Nature 596, 583, 2021). The angle of a symmetric end (the last chi of
Asp, Glu, Phe and Tyr) is taken as the atoms are named.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from zoo.proteins.feature_sets import FEATURE_SETS, Columns, Feature, FeatureSet
from zoo.proteins.features import dihedral
from zoo.proteins.protein import Protein

Array = NDArray[np.float64]
MOST_CHI = 4
LONGEST = 5.0
"""Distance in angstrom from CA to the middle of a long side chain, which is 1 in `centroids`."""
HYDROGEN = 1
MAIN_CHAIN = ("N", "CA", "C", "O", "OXT")
#: Names of the side chain's atoms along which chi runs, from CB on; N and CA come first.
CHI_ATOMS = {
    "R": ("CB", "CG", "CD", "NE", "CZ"), "N": ("CB", "CG", "OD1"), "D": ("CB", "CG", "OD1"),
    "C": ("CB", "SG"), "Q": ("CB", "CG", "CD", "OE1"), "E": ("CB", "CG", "CD", "OE1"),
    "H": ("CB", "CG", "ND1"), "I": ("CB", "CG1", "CD1"), "L": ("CB", "CG", "CD1"),
    "K": ("CB", "CG", "CD", "CE", "NZ"), "M": ("CB", "CG", "SD", "CE"),
    "F": ("CB", "CG", "CD1"), "P": ("CB", "CG", "CD"), "S": ("CB", "OG"), "T": ("CB", "OG1"),
    "W": ("CB", "CG", "CD1"), "Y": ("CB", "CG", "CD1"), "V": ("CB", "CG1"),
}  # fmt: skip
#: The place of each atom along the chain of chi by letter and name ("MSD"); MSE is read as M.
SLOTS = {
    letter + name: at
    for letter, names in CHI_ATOMS.items()
    for at, name in enumerate(("N", "CA", *names))
} | {"MSE": 4}


def chi_angles(protein: Protein) -> Array:
    """Return (residues, 8) cosines, then sines of chi 1 to 4.

    A torsion is (0, 0) if the residue has none of that number, or one of its four atoms is unknown.
    """
    steps = torch.from_numpy(_chi_atoms(protein)).diff(dim=1)
    cosine, sine = dihedral(steps[:, :-2], steps[:, 1:-1], steps[:, 2:])
    found: Array = torch.nan_to_num(torch.cat([cosine, sine], dim=-1)).numpy()
    return found


def _chi_atoms(protein: Protein) -> Array:
    """Return (residues, 7, 3) atoms N, CA and those of `CHI_ATOMS`; NaN for those unknown."""
    letters = np.array(list("".join(chain.sequence for chain in protein.chains)))
    slots = np.full((len(letters), 3 + MOST_CHI, 3), np.nan)
    atoms = protein.atoms
    kinds, kind = np.unique(np.char.add(letters[atoms.residue], atoms.name), return_inverse=True)
    slot = np.array([SLOTS.get(name, -1) for name in kinds.tolist()], np.int64)[kind]
    there = slot >= 0
    slots[atoms.residue[there], slot[there]] = atoms.pos[there]
    return slots


def centroids(protein: Protein) -> tuple[Array, Array]:
    """Return the middle of each side chain's heavy atoms, as seen from its CA.

    Returns:
        (residues, 1) its distance from CA in units of 5 angstrom, and (residues, 3) the unit vector
        towards it. Both are zero for glycine and for a residue without known side chain atoms.
    """
    atoms, count = protein.atoms, len(protein)
    ca = np.concatenate([chain.coords[:, 1] for chain in protein.chains]).astype(np.float64)
    side = (atoms.element != HYDROGEN) & ~np.isin(atoms.name, MAIN_CHAIN)
    residue = atoms.residue[side]
    seen = np.bincount(residue, minlength=count)[:, None]
    total = np.zeros((count, 3))
    np.add.at(total, residue, atoms.pos[side].astype(np.float64) - ca[residue])
    step = np.nan_to_num(total / np.maximum(seen, 1))
    length = np.linalg.norm(step, axis=1, keepdims=True)
    return length / LONGEST, step / np.maximum(length, 1e-12)


def _columns(protein: Protein) -> Columns:
    length, direction = centroids(protein)
    return Columns(np.concatenate([chi_angles(protein), length], axis=1), direction[:, None])


FEATURE_SETS.register("side_chain")(FeatureSet((
    Feature("cosines, then sines of chi 1 to 4", 2 * MOST_CHI, "none", "(0, 0)"),
    Feature("distance from CA to the middle of the side chain", 1, "5 angstrom", "0"),
    Feature("unit vector from CA to that middle", 1, "none", "zero", vector=True),
), _columns))  # fmt: skip
