"""The concordance index and a model for values of which some are only known to be bounds.

In `censored`, 0 marks a measured value, -1 a true value below the number, and +1 one above it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.metrics.rows import Array, Bound, Metric, Rows, known, ratio

#: Largest number of rows for which the order of all pairs is kept from one resample to the next.
MAX_KEPT = 4096
_BLOCK = 512


def concordance_index(y_true: Array, y_pred: Array, censored: NDArray[Any]) -> float:
    """Return the share of pairs that are predicted in the right order.

    Only pairs whose order is known count: every possible value of one lies below every possible
    value of the other. For example, ">5" is above an exact 5 and above "<5". Equal predictions
    count one half, and pairs of equal measured values do not count. If all bounds are lower bounds,
    this is lifelines' `concordance_index`; if all are upper bounds, it is the same with all signs
    reversed. NaN if no order is known.

    Args:
        y_true: (n,) measured values or bounds; rows with NaN are left out.
        y_pred: (n,) predictions.
        censored: (n,) 0 for a measured value, -1 for an upper bound, +1 for a lower bound.
    """
    mask = known(y_true)
    data = {"y_true": y_true[mask], "y_pred": y_pred[mask], "censored": censored[mask]}
    return _bind(data)(np.ones(int(mask.sum())))


def _bind(data: Rows) -> Bound:
    rows = len(data["y_true"])
    kept = list(_blocks(data)) if rows <= MAX_KEPT else None

    def at(count: Array) -> float:
        right = pairs = 0.0
        for block, ordered, points in _blocks(data) if kept is None else kept:
            pairs += float(count[block] @ (ordered @ count))
            right += float(count[block] @ (points @ count))
        return ratio(right, pairs)

    return at


def _blocks(data: Rows) -> Iterator[tuple[slice, NDArray[np.float32], NDArray[np.float32]]]:
    """Yield a block of rows, (rows, n) whether each is known to be lower, and (rows, n) points."""
    y, censored, score = data["y_true"], data["censored"], data["y_pred"]
    upper = np.where(censored > 0, np.inf, y)
    lower = np.where(censored < 0, -np.inf, y)
    for start in range(0, len(y), _BLOCK):
        rows = slice(start, start + _BLOCK)
        bound = (censored[rows, None] != 0) | (censored[None] != 0)
        least = np.where(bound, upper[rows, None] <= lower[None], upper[rows, None] < lower[None])
        above = score[None] - score[rows, None]
        points = np.where(above > 0, 1.0, np.where(above == 0, 0.5, 0.0))
        yield rows, least.astype(np.float32), (least * points).astype(np.float32)


def weibull_aft(
    features_train: Array,
    y_train: Array,
    censored_train: NDArray[Any],
    features_test: Array,
    penalizer: float = 0.01,
) -> Array:
    """Return predicted medians of lifelines' Weibull model of accelerated failure times.

    A Weibull model takes positive times and is linear in their logarithm. So a value y becomes the
    time exp((y - mean) / deviation), with mean and standard deviation of the training values, and
    a predicted median is converted back by its logarithm. A bound becomes an interval: (time,
    infinity) for +1, (0, time) for -1. Features are standardised on the training data, and those
    that are constant there are left out.

    Args:
        features_train: (n, F) features of the training samples.
        y_train: (n,) values or bounds, on a scale on which differences make sense, such as pK.
        censored_train: (n,) 0 for a measured value, -1 for an upper bound, +1 for a lower bound.
        features_test: (m, F) features of the samples to predict.
        penalizer: Weight of the penalty on squared coefficients.

    Returns:
        (m,) predictions on the scale of `y_train`.
    """
    import pandas as pd
    from lifelines import WeibullAFTFitter

    mask = known(y_train, features_train)
    train, test = _standardised(features_train[mask], features_test)
    y, bound = y_train[mask], censored_train[mask]
    mean, deviation = y.mean(), y.std() or 1.0
    time = np.exp((y - mean) / deviation)
    names = [f"f{column}" for column in range(train.shape[1])]
    table = pd.DataFrame(train, columns=names).assign(
        low=np.where(bound < 0, 0.0, time), high=np.where(bound > 0, np.inf, time)
    )
    fitter = WeibullAFTFitter(penalizer=penalizer)
    fitter.fit_interval_censoring(table, "low", "high")
    medians = fitter.predict_median(pd.DataFrame(test, columns=names))
    return np.asarray(mean + deviation * np.log(np.asarray(medians, np.float64)))


def _standardised(train: Array, test: Array) -> tuple[Array, Array]:
    mean, deviation = train.mean(axis=0), train.std(axis=0)
    # Rounding gives a constant column a deviation of about 1e-16 of its size.
    varies = deviation > 1e-9 * np.maximum(np.abs(mean), 1e-9)
    scale = deviation[varies]
    return (train - mean)[:, varies] / scale, (test - mean)[:, varies] / scale


CONCORDANCE = Metric("concordance_index", _bind, needs="censored")
