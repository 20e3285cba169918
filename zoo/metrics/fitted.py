"""What baselines that are fitted by scikit-learn share: rows to fit on, and outputs by class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.metrics.rows import Array
from zoo.tasks import Target

MOST_ROWS = 300_000
"""Number of rows that a baseline is fitted on at most; of more, so many are drawn."""
Inputs = NDArray[np.float32]


@dataclass(frozen=True)
class Fitted:
    """Fitted models, whose mean is the prediction.

    Attributes:
        models: Models of scikit-learn; () if there was nothing to fit, as with a single class.
        classes: The classes that occur in training; () for numbers.
        constant: What is predicted without models.
    """

    models: tuple[Any, ...]
    classes: tuple[int, ...]
    constant: float

    def predict(self, x: Inputs, target: Target) -> Array:
        """Return (rows, outputs) numbers, or the probability of each class."""
        if target.kind == "regression":
            return self._numbers(x)[:, None]
        found = np.zeros((len(x), max(target.outputs, 2)))
        found[:, list(self.classes)] = self._probabilities(x)
        return found[:, 1:] if target.kind == "binary" else found

    def _numbers(self, x: Inputs) -> Array:
        values = [model.predict(x) for model in self.models]
        found: Array = np.mean(values, axis=0) if values else np.full(len(x), self.constant)
        return found

    def _probabilities(self, x: Inputs) -> Array:
        values = [model.predict_proba(x) for model in self.models]
        found: Array = np.mean(values, axis=0) if values else np.ones((len(x), len(self.classes)))
        return found


def fit(models: Sequence[Any], x: Inputs, y: Array, numbers: bool) -> Fitted:
    """Return the models fitted to (rows, columns) inputs and (rows,) numbers or classes."""
    if numbers:
        fitted = tuple(model.fit(x, y) for model in models) if len(y) > 1 else ()
        return Fitted(fitted, (), float(y.mean()) if len(y) else 0.0)
    labels = y.astype(np.int64)
    classes = tuple(np.unique(labels).tolist())
    fitted = tuple(model.fit(x, labels) for model in models) if len(classes) > 1 else ()
    return Fitted(fitted, classes, 0.0)


def known_rows(x: Inputs, y: Array) -> tuple[Inputs, Array]:
    """Return the rows whose target is known."""
    known = ~np.isnan(y)
    return x[known], y[known]


def drawn(parts: Sequence[tuple[Inputs, Array]]) -> tuple[Inputs, Array]:
    """Return the rows of all parts, or `MOST_ROWS` of them drawn with a fixed seed."""
    total = sum(len(y) for _, y in parts)
    if not total:
        return np.zeros((0, 0), np.float32), np.zeros(0)
    x, y = (np.concatenate(column) for column in zip(*parts, strict=True))
    if total <= MOST_ROWS:
        return x, y
    chosen = np.sort(np.random.default_rng(0).choice(total, MOST_ROWS, replace=False))
    return x[chosen], y[chosen]
