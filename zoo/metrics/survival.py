"""Values of which only a bound may be known: a concordance index and a baseline.

Censored: 0 measured, -1 the true value is below the number, +1 above it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.metrics.rows import Array, Bound, Metric, Rows, known, ratio

#: Up to so many rows the order of all pairs is kept from one resample to the next.
MAX_KEPT = 4096
_BLOCK = 512


def concordance_index(y_true: Array, y_pred: Array, censored: NDArray[Any]) -> float:
    """Return the share of pairs in the right order, of those whose order is known.

    A pair's order is known if all that the lower value may be lies below all that the higher may
    be; ">5" is above an exact 5 and above "<5". Equal predictions count one half, pairs of equal
    measured values do not count. With bounds on one side this is lifelines' `concordance_index`
    (for lower bounds; for upper bounds with all signs turned). NaN if no order is known.

    Args:
        y_true: (n,) measured values or bounds, NaN where unknown: left out.
        y_pred: (n,).
        censored: (n,).
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
    """Yield rows, (rows, n) whether they are known to be lower, and the points for that."""
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
    a predicted median turns back by its logarithm. A bound becomes an interval: (time, infinity)
    for +1, (0, time) for -1. Features are standardised on the training data, and those that are
    constant there are left out.

    Args:
        features_train: (n, F).
        y_train: (n,) values or bounds, on a scale on which differences make sense, as pK.
        censored_train: (n,).
        features_test: (m, F).
        penalizer: weight of the squared coefficients.

    Returns:
        (m,) on the scale of `y_train`.
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
    # Of a constant column rounding leaves a deviation of about 1e-16 of its size.
    varies = deviation > 1e-9 * np.maximum(np.abs(mean), 1e-9)
    scale = deviation[varies]
    return (train - mean)[:, varies] / scale, (test - mean)[:, varies] / scale


CONCORDANCE = Metric("concordance_index", _bind, needs="censored")
