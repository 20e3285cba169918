"""How densely a protein is packed around each residue, and where in the protein the residue lies.

A count is divided by what a sphere of its radius holds inside a protein, so that it is about 1 deep
inside at every radius and falls towards the surface.

Source of the half spheres: Hamelryck, "An amino acid has two sides", Proteins 59, 38 (2005).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from zoo.proteins.feature_sets import FEATURE_SETS, Columns, Feature, FeatureSet, numbers
from zoo.proteins.features import side_chains
from zoo.proteins.protein import Protein

Array = NDArray[np.float64]
CA_RADII = (6.0, 8.0, 10.0, 12.0, 14.0, 18.0)
"""Radii in angstrom within which CA atoms are counted."""
HALF_RADII = (10.0, 13.0, 16.0)
"""Radii in angstrom of the half spheres on the side chain's side."""
VOLUME = 134.0
"""Volume of an average residue inside a protein in cubic angstrom (Tsai et al., J. Mol. Biol. 290,
253, 1999)."""
TYPICAL_RADIUS, TYPICAL_LENGTH = 10.0, 200.0
"""Radius of gyration in angstrom, and number of residues, that are 1 and 0 in `place`."""


@dataclass(frozen=True, eq=False)
class Surroundings:
    """The pairs of resolved residues of a protein whose CA atoms are at most 18 angstrom apart.

    Attributes:
        rows: (resolved,) row of each resolved residue in the protein's chains end to end.
        ca: (resolved, 3) CA positions in angstrom, relative to their mean.
        at: (pairs,) index of the residue around which the other one lies.
        other: (pairs,) index of the other residue.
        distance: (pairs,) distance of the CA atoms in angstrom.
        outward: (pairs,) whether the other CA lies on the side of the residue's side chain, which
            is the half space that the direction of an ideal CB points into; False where N or C is
            unknown.
        sided: (resolved,) whether that direction is known.
    """

    rows: NDArray[np.int64]
    ca: Array
    at: NDArray[np.int64]
    other: NDArray[np.int64]
    distance: Array
    outward: NDArray[np.bool_]
    sided: NDArray[np.bool_]

    @classmethod
    def of(cls, protein: Protein) -> Surroundings:
        """Return the pairs of a protein."""
        coords = np.concatenate([chain.coords for chain in protein.chains]).astype(np.float64)
        rows = np.flatnonzero(np.isfinite(coords[:, 1]).all(axis=1))
        atoms = coords[rows]
        atoms -= atoms[:, 1].mean(0) if len(atoms) else 0.0
        ca = np.ascontiguousarray(atoms[:, 1])
        direction = side_chains(torch.from_numpy(atoms)).numpy()
        one, two = _pairs(ca)
        at, other = np.concatenate([one, two]), np.concatenate([two, one])
        step = ca[other] - ca[at]
        outward = np.einsum("ij,ij->i", step, direction[at]) > 0
        sided: NDArray[np.bool_] = np.any(direction, axis=1)
        return cls(rows, ca, at, other, np.linalg.norm(step, axis=1), outward, sided)

    def count(self, near: NDArray[np.bool_]) -> Array:
        """Return (resolved,) how many of the chosen pairs each residue is the centre of."""
        return np.bincount(self.at[near], minlength=len(self.rows)).astype(np.float64)


def _pairs(ca: Array) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    if not len(ca):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    found = cKDTree(ca).query_pairs(max(CA_RADII), output_type="ndarray").astype(np.int64)
    return found[:, 0], found[:, 1]


def density(protein: Protein, around: Surroundings | None = None) -> Array:
    """Return (residues, 9) CA atoms within 6, 8, 10, 12, 14 and 18 angstrom, and in half spheres.

    The half spheres, of 10, 13 and 16 angstrom, are those on the side chain's side. All counts are
    relative to the number of residues that a sphere, or half sphere, of protein holds. They are NaN
    for residues without a CA, and the last three also for residues without N or C.
    """
    around = around or Surroundings.of(protein)
    found = np.full((len(protein), len(CA_RADII) + len(HALF_RADII)), np.nan)
    columns = [around.count(around.distance <= r) / _held(r) for r in CA_RADII]
    for radius in HALF_RADII:
        count = around.count((around.distance <= radius) & around.outward)
        columns.append(np.where(around.sided, 2 * count / _held(radius), np.nan))
    found[around.rows] = np.stack(columns, axis=1)
    return found


def place(protein: Protein, around: Surroundings | None = None) -> Array:
    """Return (residues, 5) where each residue lies in its protein; NaN for those without a CA.

    The columns are the distance to the mean CA over the radius of gyration; that radius in units of
    10 angstrom; that radius in angstrom over length^0.4, which is about 2 to 2.5 for a globular
    protein; the natural logarithm of length / 200; and the position in the chain, 0 at its first
    residue and 1 at its last. The length is the number of resolved residues of all chains.
    """
    around = around or Surroundings.of(protein)
    found, length = np.full((len(protein), 5), np.nan), len(around.rows)
    position = [np.linspace(0, 1, n) if n > 1 else np.zeros(n) for n in map(len, protein.chains)]
    if not length:
        return found
    distance = np.linalg.norm(around.ca, axis=1)
    radius = float(np.sqrt(np.mean(distance**2)))
    found[around.rows, 0] = distance / radius if radius > 0 else 0.0
    found[around.rows, 1:4] = (
        radius / TYPICAL_RADIUS, radius / length**0.4, np.log(length / TYPICAL_LENGTH)
    )  # fmt: skip
    found[around.rows, 4] = np.concatenate(position)[around.rows]
    return found


def _held(radius: float) -> float:
    """Return how many residues a sphere of protein holds."""
    return float(4 / 3 * np.pi * radius**3 / VOLUME)


def _columns(protein: Protein) -> Columns:
    around = Surroundings.of(protein)
    return numbers(density(protein, around), place(protein, around))


FEATURE_SETS.register("density")(FeatureSet((
    Feature("CA atoms within 6, 8, 10, 12, 14, 18 angstrom", len(CA_RADII),
            "of a full sphere", "0"),
    Feature("those on the side chain's side within 10, 13, 16 angstrom", len(HALF_RADII),
            "of a full half sphere", "0"),
    Feature("distance to the protein's centre", 1, "radius of gyration", "0"),
    Feature("radius of gyration", 1, "10 angstrom", "0"),
    Feature("radius of gyration over length^0.4", 1, "angstrom", "0"),
    Feature("logarithm of the number of resolved residues over 200", 1, "none", "0"),
    Feature("position in the chain, 0 to 1", 1, "none", "0"),
), _columns))  # fmt: skip
