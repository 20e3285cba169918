"""The base class of baselines: trivial predictors, whose scores are reported beside the model's.

They are fitted on training data only: `BASELINES["mean"](target).fit(train).predict(test)`. A
prediction is () or (outputs,) for a protein, and (residues,) or (residues, outputs) for residues.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from zoo.data.samples import Sample
from zoo.metrics.rows import Array
from zoo.settings.registry import Registry
from zoo.tasks import Kind, Level, Target


@dataclass
class Baseline(ABC):
    """A trivial predictor, which uses only one or two simple features."""

    target: Target
    kinds: ClassVar[tuple[Kind, ...]]
    levels: ClassVar[tuple[Level, ...]] = ("residue", "protein")

    @classmethod
    def serves(cls, target: Target) -> bool:
        """Return whether it can predict a target of this kind and level."""
        return target.kind in cls.kinds and target.level in cls.levels

    def fit(self, samples: Iterable[Sample]) -> Self:
        """Fit the baseline in one pass over the training samples, and return it.

        Raises:
            ValueError: If a sample is from another split.
        """
        self._fit(_training(samples))
        return self

    @property
    def possible(self) -> bool:
        """Whether the training data hold what it is fitted to; a fitted baseline knows."""
        return True

    def predict(self, samples: Iterable[Sample]) -> list[Array]:
        """Return the prediction for each sample."""
        return [self._shaped(self._predict(sample)) for sample in samples]

    @abstractmethod
    def _fit(self, samples: Iterable[Sample]) -> None: ...

    @abstractmethod
    def _predict(self, sample: Sample) -> Array:
        """Return (m, outputs) predictions; m is the number of residues, or 1 for a protein."""

    def _shaped(self, values: Array) -> Array:
        values = values if self.target.outputs > 1 else values[:, 0]
        return values if self.target.level == "residue" else values[0]

    def _columns(self, sample: Sample) -> Array:
        """Return (m, outputs) targets, NaN where unknown; a class is a row of zeros with a 1."""
        y = np.asarray(sample.targets[self.target.name], np.float64)
        y = y if self.target.level == "residue" else y[None]
        if self.target.kind != "multiclass":
            return y.reshape(len(y), self.target.outputs)
        one_hot = np.where(np.isnan(y)[:, None], np.nan, y[:, None] == np.arange(self._outputs))
        return np.asarray(one_hot, np.float64)

    @property
    def _outputs(self) -> int:
        return self.target.outputs

    def _rows(self, sample: Sample) -> int:
        return len(sample.protein) if self.target.level == "residue" else 1


def _training(samples: Iterable[Sample]) -> Iterable[Sample]:
    for sample in samples:
        if sample.split not in ("", "train"):
            raise ValueError(f"{sample.id} of split {sample.split!r} is not a training sample")
        yield sample


BASELINES: Registry[type[Baseline]] = Registry("baseline")


def baselines_for(target: Target) -> dict[str, type[Baseline]]:
    """Return the baselines that can predict a target, by name."""
    return {name: BASELINES[name] for name in BASELINES if BASELINES[name].serves(target)}
