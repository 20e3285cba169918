"""The named sets of node features that a residue graph may have: `graph.features` of a config.

Each set is computed from a `Protein` for all of its residues. In a graph their numbers stand in the
order of `FEATURE_SETS`, in whatever order a config names them: those of a residue in `node_s`,
vectors in `node_v`. Ligand atoms have zeros.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from zoo.errors import unknown
from zoo.proteins.accessibility import relative_accessibility
from zoo.proteins.density import CA_RADII, HALF_RADII, Surroundings, density, place
from zoo.proteins.protein import Protein
from zoo.proteins.secondary_structure import STATES, states
from zoo.proteins.side_chain import MOST_CHI, centroids, chi_angles

Array = NDArray[np.float64]
BACKBONE = "backbone"
"""The set that `build_graph` itself computes, as in GVP; without others it is the default."""


@dataclass(frozen=True)
class Feature:
    """One feature of a residue.

    Attributes:
        name: What it is.
        width: Number of columns, or of vectors.
        unit: Unit of the numbers.
        missing: What stands in its place where an atom that it needs is unknown.
        vector: Whether it is a vector, which turns with the protein, rather than numbers.
    """

    name: str
    width: int
    unit: str
    missing: str
    vector: bool = False


@dataclass(frozen=True, eq=False)
class Columns:
    """The features of the residues of a protein, 0 where unknown.

    Attributes:
        scalars: (residues, columns) numbers.
        vectors: (residues, vectors, 3) vectors in the protein's own frame.
    """

    scalars: Array
    vectors: Array


@dataclass(frozen=True)
class FeatureSet:
    """A named set of features.

    Attributes:
        features: Its features, those with numbers in the order of their columns.
        compute: Returns the features of all residues of a protein; None for `BACKBONE`.
    """

    features: tuple[Feature, ...]
    compute: Callable[[Protein], Columns] | None = None

    @property
    def scalars(self) -> int:
        """Number of columns that it adds to `node_s`."""
        return sum(one.width for one in self.features if not one.vector)

    @property
    def vectors(self) -> int:
        """Number of vectors that it adds to `node_v`."""
        return sum(one.width for one in self.features if one.vector)


def _numbers(*parts: Array) -> Columns:
    scalars = np.nan_to_num(np.concatenate(parts, axis=1))
    return Columns(scalars, np.zeros((len(scalars), 0, 3)))


def _side_chain(protein: Protein) -> Columns:
    length, direction = centroids(protein)
    return Columns(np.concatenate([chi_angles(protein), length], axis=1), direction[:, None])


def _density(protein: Protein) -> Columns:
    around = Surroundings.of(protein)
    return _numbers(density(protein, around), place(protein, around))


def _surface(protein: Protein) -> Columns:
    exposed = relative_accessibility(protein)[:, None]
    return _numbers(exposed, np.isfinite(exposed).astype(np.float64))


def _secondary_structure(protein: Protein) -> Columns:
    return _numbers((states(protein)[:, None] == np.arange(len(STATES))).astype(np.float64))


def _confidence(protein: Protein) -> Columns:
    value = np.concatenate([chain.bfactor for chain in protein.chains]).astype(np.float64)
    known = np.flatnonzero(np.isfinite(value))
    rank = np.full(len(value), np.nan)
    middle = len(known) == 1
    rank[known] = 0.5 if middle else (rankdata(value[known]) - 1) / max(len(known) - 1, 1)
    return _numbers(rank[:, None])


_ZERO = "0"
FEATURE_SETS: dict[str, FeatureSet] = {
    BACKBONE: FeatureSet((
        Feature("cosines, then sines of phi, psi, omega", 6, "none", "(0, 0); (1, 0) at an end"),
        Feature("unit vectors to the next and the previous CA", 2, "none", "zero", vector=True),
        Feature("unit vector to an ideal CB", 1, "none", "zero", vector=True),
    )),
    "side_chain": FeatureSet((
        Feature("cosines, then sines of chi 1 to 4", 2 * MOST_CHI, "none", "(0, 0)"),
        Feature("distance from CA to the middle of the side chain", 1, "5 angstrom", _ZERO),
        Feature("unit vector from CA to that middle", 1, "none", "zero", vector=True),
    ), _side_chain),
    "density": FeatureSet((
        Feature("CA atoms within 6, 8, 10, 12, 14, 18 angstrom", len(CA_RADII),
                "of a full sphere", _ZERO),
        Feature("those on the side chain's side within 10, 13, 16 angstrom", len(HALF_RADII),
                "of a full half sphere", _ZERO),
        Feature("distance to the protein's centre", 1, "radius of gyration", _ZERO),
        Feature("radius of gyration", 1, "10 angstrom", _ZERO),
        Feature("radius of gyration over length ** 0.4", 1, "angstrom", _ZERO),
        Feature("logarithm of the number of resolved residues over 200", 1, "none", _ZERO),
        Feature("position in the chain, 0 to 1", 1, "none", _ZERO),
    ), _density),
    "surface": FeatureSet((
        Feature("relative solvent accessibility", 1, "of Gly-X-Gly", _ZERO),
        Feature("1 where that is known", 1, "none", _ZERO),
    ), _surface),
    "secondary_structure": FeatureSet((
        Feature("one-hot of helix, strand, coil", len(STATES), "none", "(0, 0, 0)"),
    ), _secondary_structure),
    "confidence": FeatureSet((
        Feature("rank of the B-factor or pLDDT in its protein, 0 to 1", 1, "none", _ZERO),
    ), _confidence),
}  # fmt: skip


def ordered(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names in the order of `FEATURE_SETS`, each once.

    Raises:
        ConfigError: If a name is unknown; names the nearest one.
    """
    for name in names:
        if name not in FEATURE_SETS:
            raise unknown("feature set", str(name), list(FEATURE_SETS))
    return tuple(name for name in FEATURE_SETS if name in names)


def widths(names: Sequence[str]) -> tuple[int, int]:
    """Return the number of columns in `node_s` and of vectors in `node_v` of some sets."""
    sets = [FEATURE_SETS[name] for name in names]
    return sum(one.scalars for one in sets), sum(one.vectors for one in sets)


def computed(protein: Protein, names: Sequence[str]) -> Columns:
    """Return the features of the named sets, without those of `BACKBONE`, side by side."""
    empty = Columns(np.zeros((len(protein), 0)), np.zeros((len(protein), 0, 3)))
    found = [empty]
    for name in ordered(names):
        compute = FEATURE_SETS[name].compute
        if compute is not None:
            found.append(compute(protein))
    return Columns(
        np.concatenate([one.scalars for one in found], axis=1),
        np.concatenate([one.vectors for one in found], axis=1),
    )
