"""Linear maps of letters: of those around a residue, and of the shares that a protein has."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from zoo.data.samples import Sample
from zoo.metrics.baseline import BASELINES, Baseline
from zoo.metrics.fitted import Fitted, Inputs, drawn, fit, known_rows
from zoo.metrics.rows import Array
from zoo.proteins.features import LETTERS
from zoo.proteins.protein import Protein
from zoo.tasks import Kind, Target

AROUND = 7
"""Number of residues on each side of the one that is predicted."""
PENALTY, RIDGE, STEPS = 0.1, 10.0, 300
"""Inverse penalty of the logistic regression, penalty of the ridge, and most steps of the fit."""


@dataclass
class _Linear(Baseline):
    """Logistic regression, or ridge, on numbers; the settings are fixed, whatever the data."""

    kinds: ClassVar[tuple[Kind, ...]] = ("binary", "multiclass", "regression")
    found: Fitted | None = None

    @classmethod
    def serves(cls, target: Target) -> bool:
        """Return whether it can predict a target: numbers with one output, or classes."""
        return super().serves(target) and (target.kind == "multiclass" or target.outputs == 1)

    @staticmethod
    @abstractmethod
    def _inputs(protein: Protein) -> Inputs: ...

    def _fit(self, samples: Iterable[Sample]) -> None:
        from sklearn.linear_model import LogisticRegression, Ridge
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        x, y = drawn([known_rows(self._inputs(s.protein), self._known(s)) for s in samples])
        numbers = self.target.kind == "regression"
        last = Ridge(RIDGE) if numbers else LogisticRegression(C=PENALTY, max_iter=STEPS)
        self.found = fit([make_pipeline(StandardScaler(), last)], x, y, numbers)

    def _known(self, sample: Sample) -> Array:
        return np.asarray(sample.targets[self.target.name], np.float64).reshape(-1)

    def _predict(self, sample: Sample) -> Array:
        assert self.found is not None
        return self.found.predict(self._inputs(sample.protein), self.target)


@BASELINES.register("window")
class Window(_Linear):
    """Logistic regression, or ridge, on the one-hot letters of the 15 residues around each.

    The settings are fixed, whatever the data. Of more than 300,000 training residues, so many are
    drawn at random.
    """

    levels = ("residue",)

    @staticmethod
    def _inputs(protein: Protein) -> Inputs:
        return one_hot_window(protein)


@BASELINES.register("composition")
class Composition(_Linear):
    """Logistic regression, or ridge, on the share of each of the twenty letters.

    The settings are fixed, whatever the data.
    """

    levels = ("protein",)

    @staticmethod
    def _inputs(protein: Protein) -> Inputs:
        return one_hot(protein).mean(axis=0, keepdims=True)


def one_hot(protein: Protein) -> NDArray[np.float32]:
    """Return (residues, 20) the letter of each residue; zeros for another than the twenty."""
    sequence = np.array(list("".join(chain.sequence for chain in protein.chains)))
    return (sequence[:, None] == np.array(list(LETTERS))).astype(np.float32)


def one_hot_window(protein: Protein) -> NDArray[np.float32]:
    """Return (residues, 300) the letters of 15 residues, zeros beyond the ends of the chain."""
    letters, parts, start = one_hot(protein), [], 0
    for chain in protein.chains:
        own = np.pad(letters[start : start + len(chain)], ((AROUND, AROUND), (0, 0)))
        shifted = [own[at : at + len(chain)] for at in range(2 * AROUND + 1)]
        parts.append(np.concatenate(shifted, axis=1))
        start += len(chain)
    return np.concatenate(parts)
