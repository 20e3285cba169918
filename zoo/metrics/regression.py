"""Metrics of regression targets: errors and correlations over all examples.

Values that are only bounds (censored) are left out here; the concordance index uses them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from zoo.metrics.rows import Array, Bound, Metric, Rows, by_repeating, known, ratio, take

Score = Callable[[Array, Array], float]


def rmse(y_true: Array, y_pred: Array) -> float:
    """Return the root of the mean squared error of (n,) numbers; NaN targets are left out."""
    from sklearn.metrics import root_mean_squared_error

    mask = known(y_true)
    found = root_mean_squared_error(y_true[mask], y_pred[mask]) if mask.any() else np.nan
    return float(found)


def mae(y_true: Array, y_pred: Array) -> float:
    """Return the mean absolute error of (n,) numbers; NaN targets are left out."""
    from sklearn.metrics import mean_absolute_error

    mask = known(y_true)
    return float(mean_absolute_error(y_true[mask], y_pred[mask])) if mask.any() else float("nan")


def pearson(y_true: Array, y_pred: Array) -> float:
    """Return Pearson's r; NaN if either is constant or there are fewer than two examples."""
    from scipy.stats import pearsonr

    return _correlation(pearsonr, y_true, y_pred)


def spearman(y_true: Array, y_pred: Array) -> float:
    """Return Spearman's rho, with mean ranks for ties; NaN as in `pearson`."""
    from scipy.stats import spearmanr

    return _correlation(spearmanr, y_true, y_pred)


def kendall(y_true: Array, y_pred: Array) -> float:
    """Return Kendall's tau-b; NaN as in `pearson`."""
    from scipy.stats import kendalltau

    return _correlation(kendalltau, y_true, y_pred)


def _correlation(function: Callable[..., Any], y_true: Array, y_pred: Array) -> float:
    mask = known(y_true)
    y_true, y_pred = y_true[mask], y_pred[mask]
    if len(y_true) < 2 or np.ptp(y_true) == 0 or np.ptp(y_pred) == 0:
        return float("nan")
    return float(function(y_true, y_pred).statistic)


def exact(data: Rows) -> Rows:
    """Return the rows whose true value is measured and not a bound."""
    return take(data, data["censored"] == 0) if "censored" in data else data


def _bind_error(power: int) -> Callable[[Rows], Bound]:
    def bind(data: Rows) -> Bound:
        error = np.abs(data["y_true"] - data["y_pred"]) ** power
        exactly = data["censored"] == 0 if "censored" in data else np.ones(len(error))
        error = error * exactly
        return lambda count: ratio(count @ error, count @ exactly) ** (1 / power)

    return bind


def _repeating(score: Score) -> Callable[[Rows], Bound]:
    def on(data: Rows) -> float:
        rows = exact(data)
        return score(rows["y_true"], rows["y_pred"])

    return by_repeating(on)


RMSE = Metric("rmse", _bind_error(2), better="lower")
MAE = Metric("mae", _bind_error(1), better="lower")
PEARSON = Metric("pearson", _repeating(pearson))
SPEARMAN = Metric("spearman", _repeating(spearman))
KENDALL = Metric("kendall", _repeating(kendall))
