"""Yes or no, mostly a residue each: areas under curves and MCC.

Everywhere: y (n,) is 0, 1 or NaN (unlabelled: left out), score (n,) is higher for yes. What is
not defined, as an area where only one class occurs, is NaN.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from zoo.metrics.rows import Array, Bound, Metric, Rows, ends_with, known, tie_ends

Area = Callable[[Array, Array], float]


def weighted_aucpr(y: Array, score: Array, weight: Array) -> float:
    """Return the area under the precision-recall curve as ScanNet publishes it.

    Every residue weighs as much as its chain's `Sample weight`; scikit-learn's curve, then the
    trapezoid rule, which is not average precision (Tubiana et al. 2022).

    Args:
        y: (n,) labels.
        score: (n,) scores.
        weight: (n,) of the residue's chain.
    """
    from sklearn.metrics import auc, precision_recall_curve

    mask = known(y)
    if not (weight[mask] * y[mask]).sum() > 0:
        return float("nan")
    precision, recall, _ = precision_recall_curve(
        y[mask], score[mask], sample_weight=weight[mask]
    )  # fmt: skip
    return float(auc(recall, precision))


def average_precision(y: Array, score: Array) -> float:
    """Return scikit-learn's average precision: a sum of steps, not interpolated."""
    from sklearn.metrics import average_precision_score

    mask = known(y)
    return float(average_precision_score(y[mask], score[mask])) if y[mask].any() else float("nan")


def roc_auc(y: Array, score: Array) -> float:
    """Return the probability that a positive scores above a negative, ties one half."""
    from sklearn.metrics import roc_auc_score

    mask = known(y)
    return (
        float(roc_auc_score(y[mask], score[mask])) if len(np.unique(y[mask])) == 2 else float("nan")
    )


def mcc(y: Array, score: Array, threshold: float) -> float:
    """Return Matthews' correlation of y and "score is at least the threshold"; 0 if constant."""
    mask = known(y)
    data = {"y_true": y[mask], "positive": score[mask] >= threshold}
    return _bind_mcc(data)(np.ones(int(mask.sum())))


def best_threshold(y: Array, score: Array) -> float:
    """Return the score with the highest MCC, the highest of equals; for validation data.

    NaN where y has not both classes: then there is nothing to choose by.
    """
    mask = known(y)
    y, score = y[mask], score[mask]
    if len(np.unique(y)) < 2:
        return float("nan")
    order = np.argsort(-score, kind="stable")
    ends = tie_ends(score[order])
    true = np.cumsum(y[order])[ends]
    found = _mcc(true, ends + 1 - true, y.sum(), len(y) - y.sum())
    return float(score[order][ends[int(np.argmax(found))]])


def _mcc(true: Any, false: Any, positives: Any, negatives: Any) -> Array:
    """Return MCC from true and false positives, and the sizes of the classes."""
    said = true + false
    below = said * (positives + negatives - said) * positives * negatives
    above = np.asarray(true * negatives - false * positives, np.float64)
    root = np.sqrt(np.asarray(below, np.float64))
    return np.divide(above, root, where=root > 0, out=np.zeros_like(above))


def _bind_mcc(data: Rows) -> Bound:
    y, said = data["y_true"].astype(np.float64), data["positive"]

    def at(count: Array) -> float:
        if not count.any():
            return float("nan")
        yes = count @ y
        return float(_mcc(count @ (y * said), count @ ((1 - y) * said), yes, count.sum() - yes))

    return at


def _under_pr(true: Array, false: Array) -> float:
    if not len(true) or true[-1] <= 0:
        return float("nan")
    said = true + false
    # Before anything is predicted the curve is at recall 0, precision 1, as in scikit-learn.
    precision = np.divide(true, said, where=said > 0, out=np.ones_like(true))
    return float(np.trapezoid(np.append(1, precision), np.append(0, true / true[-1])))


def _average(true: Array, false: Array) -> float:
    if not len(true) or true[-1] <= 0:
        return float("nan")
    said = true + false
    precision = np.divide(true, said, where=said > 0, out=np.ones_like(true))
    return float(np.diff(true / true[-1], prepend=0) @ precision)


def _under_roc(true: Array, false: Array) -> float:
    if not len(true) or true[-1] <= 0 or false[-1] <= 0:
        return float("nan")
    return float(np.trapezoid(np.append(0, true / true[-1]), np.append(0, false / false[-1])))


def _bind_area(
    area: Area, weighted: bool = False, hits_only: bool = False
) -> Callable[[Rows], Bound]:
    """Return a `bind` that sorts by score once; a resample then costs two running sums.

    `hits_only` is for an area that changes only where a positive is found.
    """

    def bind(data: Rows) -> Bound:
        order = np.argsort(-data["y_pred"], kind="stable")
        ends = tie_ends(data["y_pred"][order])
        y = data["y_true"][order].astype(np.float64)
        ends = ends_with(y > 0, ends) if hits_only else ends
        weight = data["weight"][order] if weighted else np.ones(len(y))
        yes, no = y * weight, (1 - y) * weight

        def at(count: Array) -> float:
            count = count[order]
            return area(np.cumsum(yes * count)[ends], np.cumsum(no * count)[ends])

        return at

    return bind


def fast_roc_auc(y: Array, score: Array) -> float:
    """Return the same as `roc_auc`, without scikit-learn's checks: for thousands of chains."""
    mask = known(y)
    bound = _bind_area(_under_roc)({"y_true": y[mask], "y_pred": score[mask]})
    return bound(np.ones(int(mask.sum())))


bind_average_precision = _bind_area(_average, hits_only=True)
WEIGHTED_AUCPR = Metric("aucpr_weighted", _bind_area(_under_pr, weighted=True), needs="weight")
AVERAGE_PRECISION = Metric("average_precision", bind_average_precision)
ROC_AUC = Metric("roc_auc", _bind_area(_under_roc))
MCC = Metric("mcc", _bind_mcc, needs="positive")
