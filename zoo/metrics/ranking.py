"""Metrics of ranking within groups, such as the decoys of one target, averaged over groups."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.metrics.regression import Score, exact, kendall, pearson, spearman
from zoo.metrics.rows import Array, Bound, Metric, Rows, known, ratio


@dataclass(frozen=True)
class GroupMean:
    """A mean over groups, with the number of groups in it and of those without a value."""

    value: float
    groups: int
    excluded: int


def group_mean(score: Score, y_true: Array, y_pred: Array, group: NDArray[Any]) -> GroupMean:
    """Return the mean over groups of a score within each group.

    A correlation is not defined in a group with one member, or where target or prediction is
    constant. Such groups would make the mean NaN, so they are left out and counted.

    Args:
        score: Function of (m,) true and (m,) predicted values.
        y_true: (n,) true values; rows with NaN are left out.
        y_pred: (n,) predictions.
        group: (n,) name or number of each row's group.
    """
    values = _values(score, y_true, y_pred, group)
    defined = values[~np.isnan(values)]
    return GroupMean(ratio(defined.sum(), len(defined)), len(defined), len(values) - len(defined))


def top1_loss(y_true: Array, y_pred: Array) -> float:
    """Return the best true value in a group minus the true value of the highest prediction.

    If several share the highest prediction, the mean of their true values counts. NaN for a group
    with one member, which leaves no choice.
    """
    mask = known(y_true)
    y_true, y_pred = y_true[mask], y_pred[mask]
    if len(y_true) < 2:
        return float("nan")
    return float(y_true.max() - y_true[y_pred == y_pred.max()].mean())


def _values(score: Score, y_true: Array, y_pred: Array, group: NDArray[Any]) -> Array:
    """Return (groups,) the score within each group, in the order of their sorted names."""
    order = np.argsort(group, kind="stable")
    starts = np.unique(group[order], return_index=True)[1]
    parts = np.split(order, starts[1:]) if len(order) else []
    return np.array([score(y_true[rows], y_pred[rows]) for rows in parts], np.float64)


def _bind(score: Score) -> Callable[[Rows], Bound]:
    """Return the `bind` of the mean over groups, each of which counts as often as it is drawn."""

    def bind(data: Rows) -> Bound:
        rows = _numbered(data)
        values = _values(score, rows["y_true"], rows["y_pred"], rows["group"])
        first = rows["row"][np.unique(rows["group"], return_index=True)[1]]
        defined = ~np.isnan(values)
        values, first = values[defined], first[defined]
        return lambda count: ratio(count[first] @ values, count[first].sum())

    return bind


def _numbered(data: Rows) -> Rows:
    return exact({**data, "row": np.arange(len(data["y_true"]))})


def _excluded(score: Score) -> Callable[[Rows], int]:
    def count(data: Rows) -> int:
        rows = exact(data)
        return group_mean(score, rows["y_true"], rows["y_pred"], rows["group"]).excluded

    return count


GROUP_PEARSON = Metric("group_pearson", _bind(pearson), excluded=_excluded(pearson), needs="group")
GROUP_SPEARMAN = Metric(
    "group_spearman", _bind(spearman), excluded=_excluded(spearman), needs="group"
)
GROUP_KENDALL = Metric("group_kendall", _bind(kendall), excluded=_excluded(kendall), needs="group")
TOP1_LOSS = Metric(
    "top1_loss", _bind(top1_loss), better="lower", excluded=_excluded(top1_loss), needs="group"
)
