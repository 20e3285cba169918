"""Linear maps: ridge for numbers and labels, logistic regression for classes.

Columns are standardised first. A penalty is per row: the mean loss plus half the penalty times the
squared weights (without the half for ridge), so that it means the same however many rows there are.
Labels of which several may hold are fitted as numbers, because hundreds of logistic regressions
would take hours.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zoo.probing.parts import Array
from zoo.tasks import Target

PENALTIES = (10.0, 1.0, 0.1, 0.01, 0.001, 0.0001)
"""From strong to weak; validation samples choose one."""
STEPS = 300
"""Most steps of a logistic regression; one that is not at its end then is penalised a bit more."""
Values = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Map:
    """A fitted linear map.

    Attributes:
        target: What it predicts.
        classes: The classes that occur in training; () for numbers.
        weight: (columns, outputs), of the columns as they are.
        bias: (outputs,)
    """

    target: Target
    classes: tuple[int, ...]
    weight: Values
    bias: Values

    def predict(self, x: Array) -> Values:
        """Return (rows,) or (rows, outputs) numbers or probabilities."""
        z = x @ self.weight + self.bias
        if self.target.kind == "binary":
            z = 1.0 / (1.0 + np.exp(-z.clip(-500, 500)))
        elif self.target.kind == "multiclass":
            z = self._shares(z)
        return z if self.target.outputs > 1 else z[:, 0]

    def _shares(self, z: Values) -> Values:
        """Return (rows, outputs) probabilities; those of classes that training lacks are 0."""
        if z.shape[1] == 1:  # of two classes, one is fitted
            z = np.concatenate([np.zeros_like(z), z], axis=1)
        share = np.exp(z - z.max(axis=1, keepdims=True))
        found = np.zeros((len(z), self.target.outputs))
        found[:, list(self.classes)] = share / share.sum(axis=1, keepdims=True)
        return found


def fits(x: Array, y: Values, target: Target) -> Iterator[tuple[float, Map]]:
    """Yield the map of each penalty, from strong to weak.

    Args:
        x: (rows, columns)
        y: (rows,) numbers or classes, or (rows, outputs) where some may be NaN, which count as the
            mean of their column.
        target: What is predicted.
    """
    shift = x.mean(axis=0, dtype=np.float64)
    scale = x.std(axis=0, dtype=np.float64)
    scale[scale < 1e-9] = 1.0
    standard = ((x - shift) / scale).astype(np.float32)
    if target.kind in ("binary", "multiclass"):
        found = _logistic(standard, y.astype(np.int64))
        classes = tuple(np.unique(y.astype(np.int64)).tolist())
    else:
        found, classes = _ridge(standard, y.reshape(len(y), -1)), ()
    for penalty, weight, bias in found:
        own = weight / scale[:, None]
        yield penalty, Map(target, classes, own, bias - shift @ own)


def _logistic(x: Array, y: NDArray[np.int64]) -> Iterator[tuple[float, Values, Values]]:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(max_iter=STEPS, warm_start=True)
    for penalty in PENALTIES:
        model.set_params(C=1.0 / (penalty * len(x)))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # see STEPS
            model.fit(x, y)
        yield penalty, model.coef_.T.astype(np.float64), model.intercept_.astype(np.float64)


def _ridge(x: Array, y: Values) -> Iterator[tuple[float, Values, Values]]:
    from sklearn.linear_model import Ridge

    mean = np.nanmean(y, axis=0)
    y = np.where(np.isnan(y), mean, y)
    for penalty in PENALTIES:
        model = Ridge(penalty * len(x)).fit(x.astype(np.float64), y - mean)
        yield penalty, model.coef_.reshape(y.shape[1], -1).T, model.intercept_ + mean
