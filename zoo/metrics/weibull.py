"""The survival baseline: lifelines' Weibull model on the sizes of protein and ligand."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from zoo.data.samples import Sample
from zoo.metrics.baseline import BASELINES, Baseline
from zoo.metrics.baselines import heavy_atoms
from zoo.metrics.rows import Array
from zoo.metrics.survival import weibull_aft
from zoo.proteins.protein import Protein
from zoo.tasks import Target


@BASELINES.register("weibull_aft")
@dataclass
class WeibullAFT(Baseline):
    """Accelerated failure times on chain length and ligand size; bounds are used as bounds."""

    kinds = ("regression",)
    levels = ("protein",)
    features: Array = field(default_factory=lambda: np.zeros((0, 0)))
    values: Array = field(default_factory=lambda: np.zeros(0))
    censored: Array = field(default_factory=lambda: np.zeros(0))

    @classmethod
    def serves(cls, target: Target) -> bool:
        """Return whether it can predict a target: a regression of proteins with one output."""
        return super().serves(target) and target.outputs == 1

    @property
    def possible(self) -> bool:
        """Whether a training value is a bound; without one this is no model of survival."""
        return bool(self.censored.any())

    def _fit(self, samples: Iterable[Sample]) -> None:
        rows = [(pooled(s.protein), self._columns(s)[0, 0], s.censored) for s in samples]
        self.features = np.array([row[0] for row in rows])
        self.values = np.array([row[1] for row in rows])
        self.censored = np.array([row[2] for row in rows])

    def predict(self, samples: Iterable[Sample]) -> list[Array]:
        """Return the predicted median for each sample."""
        features = np.array([pooled(sample.protein) for sample in samples])
        found = weibull_aft(self.features, self.values, self.censored, features)
        return [np.asarray(value) for value in found]

    def _predict(self, sample: Sample) -> Array:
        return self.predict([sample])[0].reshape(1, 1)


def pooled(protein: Protein) -> Array:
    """Return (2,) the logarithms of the number of residues and of the ligand atoms plus one.

    The amino acid composition is left out, because affinity benchmarks have few different proteins.
    """
    return np.array([np.log(len(protein)), np.log1p(heavy_atoms(protein))])
