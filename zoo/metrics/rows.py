"""The `Metric` record: a metric is computed from rows, each of which has a count.

A resample of a bootstrap is a count for each row. Everything that does not change between resamples
(the order by score, the value of each group) is computed once, when a metric is bound to rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
#: Columns of equal length: y_true, y_pred, and if needed weight, id, group, censored, positive.
Rows = Mapping[str, NDArray[Any]]
#: A function from the count of each row to the metric; NaN where it is not defined.
Bound = Callable[[Array], float]


def _none(_: Rows) -> int:
    return 0


@dataclass(frozen=True)
class Metric:
    """A named metric; calling it returns its value on rows that count once each.

    Attributes:
        name: Name of the metric in reports.
        bind: Prepares rows, and returns the function from their counts to the metric.
        better: Whether higher or lower values are better.
        excluded: Returns how many groups or chains a metric averaged over them leaves out.
        needs: Column that the rows must have.
    """

    name: str
    bind: Callable[[Rows], Bound]
    better: Literal["higher", "lower"] = "higher"
    excluded: Callable[[Rows], int] = _none
    needs: str = "y_true"

    def __call__(self, data: Rows) -> float:
        """Return the value on rows that count once each."""
        return self.bind(data)(np.ones(len(data["y_true"])))


def by_repeating(function: Callable[[Rows], float]) -> Callable[[Rows], Bound]:
    """Return the `bind` of a plain function of rows; each row is repeated as often as it counts."""

    def bind(data: Rows) -> Bound:
        rows = np.arange(len(data["y_true"]))

        def at(count: Array) -> float:
            return function(take(data, np.repeat(rows, count.astype(np.int64))))

        return at

    return bind


def take(data: Rows, rows: NDArray[Any]) -> Rows:
    """Return the given rows of every column; `rows` may be indices or a mask."""
    return {name: column[rows] for name, column in data.items()}


def ratio(part: Any, whole: Any) -> float:
    """Return part / whole, or NaN if the whole is 0."""
    return float(part) / float(whole) if whole > 0 else float("nan")


def tie_ends(ordered: NDArray[Any]) -> NDArray[np.int64]:
    """Return the last index of each run of equal values in an ordered array."""
    if not len(ordered):
        return np.zeros(0, np.int64)
    return np.append(np.flatnonzero(ordered[1:] != ordered[:-1]), len(ordered) - 1)


def ends_with(hit: NDArray[np.bool_], ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the ends of those runs that have a hit."""
    hits = np.cumsum(hit)[ends]
    return ends[np.diff(hits, prepend=0) > 0]


def bends(hit: NDArray[np.bool_], ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the ends where a curve can bend: of runs with a hit, before them, and the last."""
    here = np.diff(np.cumsum(hit)[ends], prepend=0) > 0
    return ends[here | np.append(here[1:], True)[: len(here)]]


def known(*columns: NDArray[Any]) -> NDArray[np.bool_]:
    """Return (n,) whether a row has a number, not NaN, in all columns."""
    mask = np.ones(len(columns[0]), np.bool_)
    for column in columns:
        missing = np.isnan(np.asarray(column, np.float64))
        mask &= ~missing.any(axis=tuple(range(1, missing.ndim)))
    return mask
