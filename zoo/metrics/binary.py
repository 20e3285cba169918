"""Metrics of binary targets: areas under curves and MCC.

In all functions y (n,) is 0 or 1, or NaN for unlabelled rows, which are left out. score (n,) is
higher for positives. A metric that is not defined, such as an area with only one class, is NaN.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from zoo.metrics.rows import Array, Bound, Metric, Rows, bends, ends_with, known, tie_ends

Area = Callable[[Array, Array], float]


def weighted_aucpr(y: Array, score: Array, weight: Array) -> float:
    """Return the area under the precision-recall curve as ScanNet publishes it.

    Every residue has the `Sample weight` of its chain. The curve is scikit-learn's, and the area is
    by the trapezoid rule, so it is not average precision (Tubiana et al. 2022).

    Args:
        y: (n,) labels.
        score: (n,) scores.
        weight: (n,) weight of each residue's chain.
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
    """Return scikit-learn's average precision, a sum of steps without interpolation."""
    from sklearn.metrics import average_precision_score

    mask = known(y)
    return float(average_precision_score(y[mask], score[mask])) if y[mask].any() else float("nan")


def roc_auc(y: Array, score: Array) -> float:
    """Return the probability that a positive scores above a negative; ties count one half."""
    from sklearn.metrics import roc_auc_score

    mask = known(y)
    return (
        float(roc_auc_score(y[mask], score[mask])) if len(np.unique(y[mask])) == 2 else float("nan")
    )


def mcc(y: Array, score: Array, threshold: float) -> float:
    """Return Matthews' correlation of y and score >= threshold; 0 if either is constant."""
    mask = known(y)
    data = {"y_true": y[mask], "positive": score[mask] >= threshold}
    return _bind_mcc(data)(np.ones(int(mask.sum())))


def best_threshold(y: Array, score: Array) -> float:
    """Return the threshold with the highest MCC, to be chosen on validation data.

    Of several such thresholds, the highest is returned. NaN if y does not have both classes.
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
    # The curve starts at recall 0 and precision 1, before any positive prediction, as in
    # scikit-learn.
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
    """Return a `bind` that sorts by score once, and finds where the curve can bend.

    A resample then costs one pass over the rows, and little at the positives.

    Args:
        area: Area from running sums of true and false positives.
        weighted: Whether rows have weights.
        hits_only: Whether the area needs no more than the ends of runs with a positive.
    """

    def bind(data: Rows) -> Bound:
        order = np.argsort(-data["y_pred"], kind="stable")
        hit = data["y_true"][order] > 0
        ends = tie_ends(data["y_pred"][order])
        ends = ends_with(hit, ends) if hits_only else bends(hit, ends)
        starts = np.append(0, ends[:-1] + 1)[: len(ends)]
        order = order[: ends[-1] + 1] if len(ends) else order[:0]
        weight = data["weight"][order] if weighted else None
        yes = np.flatnonzero(hit[: len(order)])
        run = np.searchsorted(ends, yes)

        def at(count: Array) -> float:
            count = count[order] if weight is None else count[order] * weight
            true: Array = np.cumsum(np.bincount(run, count[yes], len(ends)))
            return area(true, np.cumsum(np.add.reduceat(count, starts)) - true)

        return at

    return bind


def fast_roc_auc(y: Array, score: Array) -> float:
    """Return the value of `roc_auc` without scikit-learn's checks, fast enough for many chains."""
    mask = known(y)
    bound = _bind_area(_under_roc)({"y_true": y[mask], "y_pred": score[mask]})
    return bound(np.ones(int(mask.sum())))


bind_average_precision = _bind_area(_average, hits_only=True)
WEIGHTED_AUCPR = Metric("aucpr_weighted", _bind_area(_under_pr, weighted=True), needs="weight")
AVERAGE_PRECISION = Metric("average_precision", bind_average_precision)
ROC_AUC = Metric("roc_auc", _bind_area(_under_roc))
MCC = Metric("mcc", _bind_mcc, needs="positive")
