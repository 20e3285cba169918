"""What a trivial predictor is: fitted on training data only, it stands beside every model.

Each is a dataclass of a target: `BASELINES["mean"](target).fit(train).predict(test)`. A prediction
has the shape of the target: () or (outputs,) for a protein, (residues,) or (residues, outputs).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from zoo.metrics.rows import Array
from zoo.registry import Registry
from zoo.tasks.samples import Kind, Level, Sample, Target


@dataclass
class Baseline(ABC):
    """A predictor that has not looked at more than one thing."""

    target: Target
    kinds: ClassVar[tuple[Kind, ...]]
    levels: ClassVar[tuple[Level, ...]] = ("residue", "protein")

    @classmethod
    def serves(cls, target: Target) -> bool:
        """Return whether it can predict such a target."""
        return target.kind in cls.kinds and target.level in cls.levels

    def fit(self, samples: Iterable[Sample]) -> Self:
        """Look at the training samples once, and return itself.

        Raises:
            ValueError: at a sample of another split.
        """
        self._fit(_training(samples))
        return self

    def predict(self, samples: Iterable[Sample]) -> list[Array]:
        """Return a prediction for every sample."""
        return [self._shaped(self._predict(sample)) for sample in samples]

    @abstractmethod
    def _fit(self, samples: Iterable[Sample]) -> None: ...

    @abstractmethod
    def _predict(self, sample: Sample) -> Array:
        """Return (m, outputs), m the residues or 1."""

    def _shaped(self, values: Array) -> Array:
        values = values if self.target.outputs > 1 else values[:, 0]
        return values if self.target.level == "residue" else values[0]

    def _columns(self, sample: Sample) -> Array:
        """Return (m, outputs) targets, classes as 0 and 1 each, NaN where unknown."""
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
            raise ValueError(f"{sample.id} of split {sample.split!r} is no training data")
        yield sample


BASELINES: Registry[type[Baseline]] = Registry("baseline")


def baselines_for(target: Target) -> dict[str, type[Baseline]]:
    """Return the baselines that serve a target, by name."""
    return {name: BASELINES[name] for name in BASELINES if BASELINES[name].serves(target)}
