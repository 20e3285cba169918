"""Secondary structure in three states, from the hydrogen bonds of the backbone.

Source: Kabsch and Sander, "Dictionary of protein secondary structure", Biopolymers 22, 2577 (1983).
Helices are those of three, four and five residues a turn (G, H and I), strands are bridges and
ladders (B and E), and all else is coil. Bends and turns, which are coil here, are not told apart.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from zoo.proteins.feature_sets import FEATURE_SETS, Columns, Feature, FeatureSet, numbers
from zoo.proteins.protein import Protein

Array = NDArray[np.float64]
HELIX, STRAND, COIL = range(3)
STATES = ("helix", "strand", "coil")
STRENGTH = 27.9
"""Charges of the bond times the unit of energy: 0.42 e times 0.20 e times 332, in kcal angstrom."""
WEAKEST = -0.5
"""Energy of the weakest hydrogen bond, in kcal/mol."""
REACH = 9.0
"""Distance in angstrom between the CA atoms of residues that may be bonded."""
NEAREST = 0.5
"""Distance in angstrom below which two atoms count as misplaced rather than bonded."""
TURNS = (4, 3, 5)
Mask = NDArray[np.bool_]


def states(protein: Protein) -> NDArray[np.int64]:
    """Return (residues,) 0 for helix, 1 for strand, 2 for coil; -1 where N, CA, C or O is unknown.

    Hydrogen bonds join residues of all chains. The hydrogen of a residue is placed opposite to the
    C=O of the residue before it, so the first one of an unbroken stretch, and proline, give none.
    """
    coords = np.concatenate([chain.coords for chain in protein.chains]).astype(np.float64)
    known: Mask = np.all(np.isfinite(coords), axis=(1, 2))
    rows = np.flatnonzero(known)
    found = np.full(len(known), -1)
    stretch = _stretches(protein, known)[rows]
    letters = np.array(list("".join(chain.sequence for chain in protein.chains)))[rows]
    bonds = _Bonds(coords[rows], stretch, letters == "P")
    state = np.where(_strands(bonds, stretch), STRAND, COIL)
    state[_helices(bonds, stretch)] = HELIX
    found[rows] = state
    return found


def _stretches(protein: Protein, known: Mask) -> NDArray[np.int64]:
    """Return (residues,) the number of the unbroken stretch of known residues that each is in."""
    parts, start = [], 0
    for chain in protein.chains:
        segment = chain.segments
        new = np.append(True, (np.diff(segment) != 0))
        new[1:] |= ~known[start : start + len(chain)][:-1]
        parts.append(new)
        start += len(chain)
    return np.cumsum(np.concatenate(parts))


class _Bonds:
    """The hydrogen bonds from the C=O of one residue to the N-H of another.

    Args:
        backbone: (residues, 4, 3) N CA C O of residues that have all four.
        stretch: (residues,) unbroken stretch of each residue.
        proline: (residues,) whether it has no hydrogen at N.
    """

    def __init__(self, backbone: Array, stretch: NDArray[np.int64], proline: Mask) -> None:
        self.size = len(backbone)
        donor, acceptor = self._found(backbone, stretch, proline)
        self.codes = np.sort(acceptor * self.size + donor)

    def _found(
        self, backbone: Array, stretch: NDArray[np.int64], proline: Mask
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        none = np.zeros(0, np.int64)
        if self.size < 2:
            return none, none
        n, ca, c, o = np.moveaxis(backbone, 1, 0)
        hydrogen, able = _hydrogens(n, c, o, stretch)
        pairs = cKDTree(ca).query_pairs(REACH, output_type="ndarray").astype(np.int64)
        donor, acceptor = np.concatenate([pairs, pairs[:, ::-1]]).T
        following = (donor == acceptor + 1) & (stretch[donor] == stretch[acceptor])
        use = able[donor] & ~proline[donor] & ~following
        donor, acceptor = donor[use], acceptor[use]
        near = {
            "ON": _apart(o[acceptor], n[donor]), "CH": _apart(c[acceptor], hydrogen[donor]),
            "OH": _apart(o[acceptor], hydrogen[donor]), "CN": _apart(c[acceptor], n[donor]),
        }  # fmt: skip
        energy = STRENGTH * (1 / near["ON"] + 1 / near["CH"] - 1 / near["OH"] - 1 / near["CN"])
        bonded = energy < WEAKEST
        return donor[bonded], acceptor[bonded]

    def between(self, acceptor: NDArray[np.int64], donor: NDArray[np.int64]) -> Mask:
        """Return whether the C=O of one is bonded to the N-H of the other, for each pair."""
        there = (acceptor >= 0) & (donor >= 0) & (acceptor < self.size) & (donor < self.size)
        return there & np.isin(acceptor * self.size + donor, self.codes)


def _hydrogens(n: Array, c: Array, o: Array, stretch: NDArray[np.int64]) -> tuple[Array, Mask]:
    """Return (residues, 3) positions of hydrogens at N, and (residues,) whether there is one."""
    able = np.append(False, stretch[1:] == stretch[:-1])
    carbonyl = np.vstack([np.zeros((1, 3)), (c - o)[:-1]])
    length = np.linalg.norm(carbonyl, axis=1, keepdims=True)
    return n + carbonyl / np.maximum(length, 1e-12), able & (length[:, 0] > 0)


def _apart(a: Array, b: Array) -> Array:
    return np.maximum(np.linalg.norm(a - b, axis=1), NEAREST)


def _helices(bonds: _Bonds, stretch: NDArray[np.int64]) -> Mask:
    """Return (residues,) whether a residue lies between two successive turns of one kind."""
    at = np.arange(bonds.size)
    found = np.zeros(bonds.size, bool)
    for turn in TURNS:
        ends = np.minimum(at + turn, bonds.size - 1)
        starts = bonds.between(at, at + turn) & (stretch[ends] == stretch)
        double = np.flatnonzero(starts[1:] & starts[:-1]) + 1
        for step in range(turn):
            found[np.minimum(double + step, bonds.size - 1)] = True
    return found


def _strands(bonds: _Bonds, stretch: NDArray[np.int64]) -> Mask:
    """Return (residues,) whether a residue is in a bridge with another, parallel or not."""
    found = np.zeros(bonds.size, bool)
    if bonds.size < 3:
        return found
    i, j = _partners(bonds)
    inner = np.zeros(bonds.size, bool)
    inner[1:-1] = (stretch[2:] == stretch[1:-1]) & (stretch[1:-1] == stretch[:-2])
    use = inner[i] & inner[j] & ((np.abs(i - j) >= 3) | (stretch[i] != stretch[j]))
    i, j = i[use], j[use]
    parallel = (bonds.between(i - 1, j) & bonds.between(j, i + 1)) | (
        bonds.between(j - 1, i) & bonds.between(i, j + 1)
    )
    opposite = (bonds.between(i, j) & bonds.between(j, i)) | (
        bonds.between(i - 1, j + 1) & bonds.between(j - 1, i + 1)
    )
    bridged = parallel | opposite
    found[i[bridged]] = found[j[bridged]] = True
    return found


def _partners(bonds: _Bonds) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the pairs that may be bridged: those beside the two ends of a hydrogen bond."""
    acceptor, donor = np.divmod(bonds.codes, bonds.size)
    near = [(acceptor + a, donor + d) for a, d in ((0, 0), (1, 0), (1, -1))]
    i, j = np.concatenate([np.stack(pair) for pair in near], axis=1)
    there = (i >= 0) & (j >= 0) & (i < bonds.size) & (j < bonds.size)
    return i[there], j[there]


def _columns(protein: Protein) -> Columns:
    return numbers((states(protein)[:, None] == np.arange(len(STATES))).astype(np.float64))


FEATURE_SETS.register("secondary_structure")(FeatureSet((
    Feature("one-hot of helix, strand, coil", len(STATES), "none", "(0, 0, 0)"),
), _columns))  # fmt: skip
