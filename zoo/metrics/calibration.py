"""Calibration of probabilities: temperature scaling, and the expected calibration error.

Shapes: n examples, C classes or labels. Rows with a NaN are left out; in multilabel data, each
(example, label) pair is a row of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from zoo.metrics.rows import Array, known
from zoo.tasks import Target

RANGE = (0.05, 20.0)
"""Range of temperatures; without it, data that a model separates without error would yield 0."""


def fit_temperature(target: Target, logits: Array, y_true: Array) -> float:
    """Return the temperature that makes validation data most likely (Guo et al. 2017).

    Dividing logits by it changes neither their order nor the predicted class, only the confidence;
    arXiv:1706.04599.

    Args:
        target: Target that is predicted.
        logits: (n, outputs) logits of the validation data.
        y_true: (n,) true values, or (n, C) for a multilabel target.

    Returns:
        A number above 0; 1.0 for a regression target, and if fewer than two classes occur.
    """
    if target.kind == "regression":
        return 1.0
    logits, y = _rows(target, logits, y_true)
    return _fitted(lambda t: negative_log_likelihood(logits / t, y)) if _varies(y) else 1.0


def fit_shared_temperature(target: Target, logits: Sequence[Array], y_true: Array) -> float:
    """Return the temperature for all members of an ensemble that makes validation data most likely.

    The mean of calibrated members is less sure than it should be (Rahaman and Thiery,
    arXiv:2007.08792), so the likelihood here is that of the mean of their probabilities.

    Args:
        target: Target that is predicted.
        logits: (n, outputs) logits of each member for the same validation data.
        y_true: (n,) true values, or (n, C) for a multilabel target.

    Returns:
        A number above 0; 1.0 for a regression target, and if fewer than two classes occur.
    """
    if target.kind == "regression":
        return 1.0
    rows = [_rows(target, one, y_true) for one in logits]
    y, stacked = rows[0][1], np.stack([one for one, _ in rows])
    return _fitted(lambda t: _mean_likelihood(stacked / t, y)) if _varies(y) else 1.0


def _varies(y: NDArray[np.int64]) -> bool:
    return len(np.unique(y)) > 1


def _fitted(cost: Callable[[float], float]) -> float:
    """Return the temperature with the smallest cost; it is never worse than no scaling."""
    from scipy.optimize import minimize_scalar

    def at(log_temperature: float) -> float:
        return cost(math.exp(log_temperature))

    low, high = (math.log(end) for end in RANGE)
    found = float(minimize_scalar(at, bounds=(low, high), method="bounded").x)
    return math.exp(min(0.0, found, key=at))


def _mean_likelihood(logits: Array, y: NDArray[np.int64]) -> float:
    """Return the mean over examples of -log of the members' mean p(y).

    Args:
        logits: (members, n, C) logits of the classes, or (members, n) logits of the positive class.
        y: (n,) index of the true class; 0 or 1 for (members, n) logits.
    """
    if logits.ndim == 2:
        each = -np.logaddexp(0.0, np.where(y == 1, -logits, logits))
    else:
        each = logits[:, np.arange(len(y)), y] - np.logaddexp.reduce(logits, axis=2)
    return float(np.mean(math.log(len(logits)) - np.logaddexp.reduce(each, axis=0)))


def negative_log_likelihood(logits: Array, y: NDArray[np.int64]) -> float:
    """Return the mean over examples of -log p(y).

    Args:
        logits: (n, C) logits of the classes, or (n,) logits of the positive class.
        y: (n,) index of the true class; 0 or 1 for (n,) logits.
    """
    if logits.ndim == 1:
        return float(np.mean(np.logaddexp(0.0, np.where(y == 1, -logits, logits))))
    total = np.logaddexp.reduce(logits, axis=1)
    return float(np.mean(total - logits[np.arange(len(y)), y]))


def calibration_error(target: Target, probabilities: Array, y_true: Array, bins: int = 15) -> float:
    """Return the expected calibration error: the mean gap between confidence and frequency.

    Rows are sorted by confidence into bins of equal size, and rows of equal confidence share a bin.
    The confidence of a row is the probability of the positive class, or that of the most likely
    class.

    Args:
        target: Target that is predicted.
        probabilities: (n,) probabilities of the positive class, or (n, C) of the classes or labels.
        y_true: (n,) true values, or (n, C) for a multilabel target.
        bins: Number of bins; if there are fewer rows, each has a bin of its own.

    Returns:
        A number from 0 to 1; NaN for a regression target, and without rows.
    """
    if target.kind == "regression":
        return float("nan")
    said, came, count = reliability(target, probabilities, y_true, bins)
    return float(count @ np.abs(said - came) / count.sum()) if len(count) else float("nan")


def reliability(
    target: Target, probabilities: Array, y_true: Array, bins: int = 15
) -> tuple[Array, Array, NDArray[np.int64]]:
    """Return the mean confidence, the frequency and the number of rows of each bin with rows.

    The frequency is the share of rows that are positive, or whose most likely class is right. See
    `calibration_error` for how bins are made.

    Args:
        target: Target that is predicted; not a regression.
        probabilities: (n,) probabilities of the positive class, or (n, C) of the classes or labels.
        y_true: (n,) true values, or (n, C) for a multilabel target.
        bins: Number of bins.
    """
    confidence, right = _rows(target, probabilities, y_true)
    if confidence.ndim == 2:
        right = (confidence.argmax(axis=1) == right).astype(np.int64)
        confidence = confidence.max(axis=1)
    _, place, count = np.unique(confidence, return_inverse=True, return_counts=True)
    first = np.cumsum(count) - count
    bin_of = (first * bins // max(len(right), 1))[place]
    size = np.bincount(bin_of)
    there = size > 0
    sums = (np.bincount(bin_of, values)[there] for values in (confidence, right))
    said, came = (each / size[there] for each in sums)
    return said, came, size[there]


def _rows(target: Target, scores: Array, y_true: Array) -> tuple[Array, NDArray[np.int64]]:
    """Return scores (n,) or (n, C) and classes (n,) of the rows without NaN."""
    if target.kind != "multiclass":
        scores, y_true = scores.reshape(-1), y_true.reshape(-1)
    mask = known(scores, y_true)
    return scores[mask].astype(np.float64), y_true[mask].astype(np.int64)
