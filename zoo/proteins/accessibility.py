"""Solvent accessibility: how much of a residue's surface water can touch.

The surface is that of Shrake and Rupley, J. Mol. Biol. 79, 351 (1973). Two things differ. The
points on an atom's sphere turn with the residue's own backbone, so that the numbers do not depend
on how the protein lies in space. And a point near the border of another sphere is partly covered,
so that they change smoothly as atoms move.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from zoo.proteins.feature_sets import FEATURE_SETS, Columns, Feature, FeatureSet, numbers
from zoo.proteins.protein import Protein

Array = NDArray[np.float64]
PROBE = 1.4
"""Radius of a water molecule in angstrom."""
POINTS = 60
"""Number of points on the sphere of an atom."""
BORDER = 0.2
"""Depth in angstrom over which the border of a sphere is smoothed."""
HYDROGEN = 1
#: Radii in angstrom by atomic number, hydrogens included in them: means over the atom types of
#: Tsai et al., J. Mol. Biol. 290, 253 (1999).
RADII = {6: 1.80, 7: 1.64, 8: 1.44, 16: 1.77}
OTHER_RADIUS = 1.80
#: Largest accessible surface of a residue X in Gly-X-Gly in square angstrom: the theoretical values
#: of Tien et al., PLoS ONE 8, e80635 (2013).
LARGEST = {
    "A": 129.0, "R": 274.0, "N": 195.0, "D": 193.0, "C": 167.0, "E": 223.0, "Q": 225.0, "G": 104.0,
    "H": 224.0, "I": 197.0, "L": 201.0, "K": 236.0, "M": 224.0, "F": 240.0, "P": 159.0, "S": 155.0,
    "T": 172.0, "W": 285.0, "Y": 263.0, "V": 174.0,
}  # fmt: skip
AVERAGE = 200.0
"""The largest surface that is taken for an unknown residue."""
CHUNK = 8192
"""Number of pairs of atoms that are looked at at a time, which stay in the processor's cache."""


def relative_accessibility(protein: Protein) -> Array:
    """Return (residues,) accessible surface over the largest that the residue can have.

    All heavy atoms of the chains cover one another; ligands and waters cover nothing. A residue
    whose side chain is missing has only the surface of the atoms that are there. It is NaN for a
    residue without N, CA or C, whose frame turns the points, and where nothing but CA is known.
    """
    surface = accessible_surface(protein)
    sequence = "".join(chain.sequence for chain in protein.chains)
    return surface / np.array([LARGEST.get(letter, AVERAGE) for letter in sequence])


def accessible_surface(protein: Protein) -> Array:
    """Return (residues,) the accessible surface in square angstrom; NaN without N, CA or C."""
    coords = np.concatenate([chain.coords for chain in protein.chains]).astype(np.float64)
    framed: NDArray[np.bool_] = np.all(np.isfinite(coords[:, :3]), axis=(1, 2))
    found = np.where(framed, 0.0, np.nan)
    heavy = protein.atoms.element != HYDROGEN
    residue = protein.atoms.residue[heavy]
    pos = protein.atoms.pos[heavy].astype(np.float64)
    if not framed.any() or not len(pos):
        return found
    pos -= pos.mean(0)
    radius = _radii(protein.atoms.element[heavy])
    covered = framed[residue]
    free = _free(pos, radius, _frames(coords[:, :3])[residue], covered)
    np.add.at(found, residue[covered], 4 * np.pi * radius[covered] ** 2 * free)
    return found


def _radii(element: NDArray[np.uint8]) -> Array:
    table = np.full(256, OTHER_RADIUS)
    table[list(RADII)] = list(RADII.values())
    return table[element] + PROBE


def sphere(count: int) -> Array:
    """Return (count, 3) points spread evenly over the unit sphere, along a spiral.

    The turn from one point to the next is the golden angle (Gonzalez, Math. Geosci. 42, 49, 2010).
    """
    at = np.arange(count) + 0.5
    height, turn = 1 - 2 * at / count, np.pi * (1 + 5**0.5) * at
    across = np.sqrt(1 - height**2)
    return np.stack([across * np.cos(turn), across * np.sin(turn), height], axis=1)


def _frames(backbone: Array) -> Array:
    """Return (residues, 3, 3) axes, as rows, of the plane through N, CA and C (residues, 3, 3)."""
    n, ca, c = backbone[:, 0], backbone[:, 1], backbone[:, 2]
    one = _unit(c - ca)
    three = _unit(np.cross(one, n - ca))
    return np.stack([one, np.cross(three, one), three], axis=1)


def _unit(x: Array) -> Array:
    length = np.linalg.norm(x, axis=-1, keepdims=True)
    return np.divide(x, length, where=length > 0, out=np.zeros_like(x))


def _free(pos: Array, radius: Array, frames: Array, wanted: NDArray[np.bool_]) -> Array:
    """Return (wanted atoms,) the mean share of each atom's points that no other atom covers.

    Args:
        pos: (atoms, 3) positions.
        radius: (atoms,) radii with the probe's.
        frames: (atoms, 3, 3) axes that the points of each atom turn with.
        wanted: (atoms,) whether an atom's own points are looked at.
    """
    at, other = _touching(pos, radius, wanted)
    number = np.cumsum(wanted) - 1
    free = np.ones((int(wanted.sum()), POINTS))
    for start, stop in _cuts(at):
        one, two = at[start:stop], other[start:stop]
        gap = _gaps(pos[one] - pos[two], radius[one], radius[two], frames[one])
        first = np.flatnonzero(np.diff(one, prepend=-1))
        least = np.minimum.reduceat(gap, first, axis=0)
        free[number[one[first]]] = np.clip(least / BORDER + 0.5, 0.0, 1.0)
    share: Array = free.mean(1)
    return share


def _touching(
    pos: Array, radius: Array, wanted: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the pairs of a wanted atom and one whose sphere meets its own, sorted by the first."""
    reach = 2 * radius.max() + BORDER
    found = cKDTree(pos).query_pairs(reach, output_type="ndarray").astype(np.int64)
    at, other = np.concatenate([found, found[:, ::-1]]).T
    meet = np.linalg.norm(pos[at] - pos[other], axis=1) < radius[at] + radius[other] + BORDER
    use = np.flatnonzero(wanted[at] & meet)
    order = use[np.argsort(at[use], kind="stable")]
    return at[order], other[order]


def _gaps(step: Array, own: Array, other: Array, frames: Array) -> Array:
    """Return (pairs, points) the distance in angstrom of an atom's points from another's sphere.

    Args:
        step: (pairs, 3) from the other atom to the atom.
        own: (pairs,) radius of the atom.
        other: (pairs,) radius of the other one; the gap is negative inside its sphere.
        frames: (pairs, 3, 3) axes of the atom's points.
    """
    seen = np.einsum("pij,pj->pi", frames, step) * (2 * own)[:, None]
    square = seen @ sphere(POINTS).T + ((step**2).sum(1) + own**2)[:, None]
    gap: Array = np.sqrt(np.maximum(square, 0.0)) - other[:, None]
    return gap


def _cuts(at: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Yield ranges of about `CHUNK` pairs; the pairs of an atom stay together."""
    marks = np.searchsorted(at, at[np.arange(CHUNK, len(at), CHUNK)])
    bounds = sorted({0, *marks.tolist(), len(at)})
    yield from pairwise(bounds)


def _columns(protein: Protein) -> Columns:
    exposed = relative_accessibility(protein)[:, None]
    return numbers(exposed, np.isfinite(exposed).astype(np.float64))


FEATURE_SETS.register("surface")(FeatureSet((
    Feature("relative solvent accessibility", 1, "of Gly-X-Gly", "0"),
    Feature("1 where that is known", 1, "none", "0"),
), _columns))  # fmt: skip
