"""The strongest simple baseline: boosted trees on packing, letters and means over neighbours."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.data.samples import Sample
from zoo.metrics.baseline import BASELINES, Baseline
from zoo.metrics.baselines import heavy_atoms
from zoo.metrics.fitted import Fitted, Inputs, drawn, fit, known_rows
from zoo.metrics.rows import Array
from zoo.metrics.window import one_hot
from zoo.proteins.build_graph import GraphSpec, build_graph
from zoo.proteins.density import Surroundings, density, place
from zoo.proteins.feature_sets import ordered, widths
from zoo.proteins.protein import Protein
from zoo.tasks import Target

SETTINGS: dict[str, Any] = {
    "max_iter": 180, "learning_rate": 0.06, "max_leaf_nodes": 24, "min_samples_leaf": 60,
    "l2_regularization": 5.0, "max_features": 0.3, "early_stopping": False,
}  # fmt: skip
"""Settings of scikit-learn's HistGradientBoosting, fixed before any data were looked at."""
SEEDS = (0, 1)
MEANS = (8.0, 14.0)
"""Radii in angstrom over which neighbours are averaged; of the larger one, also one side alone."""
MOST_CLASSES = 20
"""Number of classes up to which there are trees for each class in reasonable time."""


@BASELINES.register("boosted_trees")
@dataclass
class BoostedTrees(Baseline):
    """Boosted trees on the feature set density and letters, and their means over neighbours.

    Neighbours are the residues within 8 angstrom, within 14, and those of the latter on the side
    chain's side. For proteins, all of these are averaged over the residues, and the number of
    residues and of ligand atoms is added. The settings are fixed, whatever the data; the
    predictions of two seeds are averaged. Of more than 300,000 training rows, so many are drawn at
    random. There are none for more than 20 classes.

    Attributes:
        features: Names of the feature sets in place of density, () for density. Vectors are left
            out: they turn with the protein.
    """

    kinds = ("binary", "regression", "multiclass")
    features: tuple[str, ...] = ()
    found: Fitted | None = None
    columns: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))

    @classmethod
    def serves(cls, target: Target) -> bool:
        """Return whether it can predict a target: one number, or one of few classes."""
        few = MOST_CLASSES if target.kind == "multiclass" else 1
        return super().serves(target) and target.outputs <= few

    def _fit(self, samples: Iterable[Sample]) -> None:
        from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

        numbers = self.target.kind == "regression"
        cls = HistGradientBoostingRegressor if numbers else HistGradientBoostingClassifier
        x, y = drawn([known_rows(self._inputs(s.protein), self._known(s)) for s in samples])
        # scikit-learn refuses a column without a value, as packing is for sequences alone.
        self.columns = np.flatnonzero(np.isfinite(x).any(axis=0))
        x = x[:, self.columns]
        self.found = fit([cls(**SETTINGS, random_state=seed) for seed in SEEDS], x, y, numbers)

    def _known(self, sample: Sample) -> Array:
        return np.asarray(sample.targets[self.target.name], np.float64).reshape(-1)

    def _inputs(self, protein: Protein) -> Inputs:
        of = residue_inputs if self.target.level == "residue" else mean_inputs
        return of(protein, self.features)

    def _predict(self, sample: Sample) -> Array:
        assert self.found is not None
        return self.found.predict(self._inputs(sample.protein)[:, self.columns], self.target)


def row_name(features: Iterable[str]) -> str:
    """Return the name of the trees on some feature sets, as a folder can have it."""
    return f"trees_on_{'+'.join(ordered(features))}"


def residue_inputs(protein: Protein, features: tuple[str, ...] = ()) -> Inputs:
    """Return (residues, 4 x columns) features and letter (20), and three means of these.

    The means are over neighbours within 8 and 14 angstrom, and over those of the latter on the side
    chain's side, each without the residue itself. Without names the features are density's (14).
    What is unknown is NaN.
    """
    around = Surroundings.of(protein)
    known = _of_sets(protein, features) if features else _packing(protein, around)
    own = np.concatenate([known, one_hot(protein)], axis=1)
    near = [around.distance <= radius for radius in MEANS]
    means = [_mean(own, around, pairs) for pairs in (*near, near[-1] & around.outward)]
    return np.concatenate([own, *means], axis=1).astype(np.float32)


def _packing(protein: Protein, around: Surroundings) -> Array:
    return np.concatenate([density(protein, around), place(protein, around)], axis=1)


def _of_sets(protein: Protein, features: tuple[str, ...]) -> Array:
    """Return (residues, columns) the scalars that a graph's nodes have; NaN without a node."""
    found = np.full((len(protein), widths(features)[0]), np.nan)
    if protein.has_structure:
        nodes = build_graph(protein, GraphSpec(features=features)).nodes
        found[nodes["residue"].numpy()] = nodes["node_s"].numpy()
    return found


def _mean(own: Array, around: Surroundings, pairs: Any) -> Array:
    """Return (residues, columns) the mean over each residue's neighbours in the chosen pairs."""
    from scipy.sparse import csr_matrix

    size = len(around.rows)
    at, other = around.at[pairs], around.other[pairs]
    near = csr_matrix((np.ones(len(at)), (at, other)), (size, size))
    inside = own[around.rows]
    there = np.isfinite(inside)
    total, seen = near @ np.where(there, inside, 0.0), near @ there.astype(np.float64)
    found = np.full(own.shape, np.nan)
    found[around.rows] = np.divide(
        total, seen, where=seen > 0, out=np.full_like(total, np.nan)
    )  # fmt: skip
    return found


def mean_inputs(protein: Protein, features: tuple[str, ...] = ()) -> Inputs:
    """Return (1, columns + 2) the mean of `residue_inputs`, and the logarithms of two sizes.

    The sizes are the number of residues, and of the ligands' heavy atoms plus one.
    """
    rows = residue_inputs(protein, features)
    there = np.isfinite(rows)
    total, seen = np.where(there, rows, 0.0).sum(0), there.sum(0)
    mean = np.divide(total, seen, where=seen > 0, out=np.full(rows.shape[1], np.nan))
    sizes = [np.log(len(protein)), np.log1p(heavy_atoms(protein))]
    return np.append(mean, sizes)[None].astype(np.float32)
