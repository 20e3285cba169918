"""What a metric is: a number of rows of arrays, in which every row counts so many times.

A resample of a bootstrap is a count for every row. So what does not change from one resample to
the next (an order by score, a value for every group) is computed once, when a metric is bound.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
#: Columns of equal length: y_true, y_pred, and as needed weight, id, group, censored, positive.
Rows = Mapping[str, NDArray[Any]]
#: From how often each row counts to the metric; NaN where it is not defined.
Bound = Callable[[Array], float]


def _none(_: Rows) -> int:
    return 0


@dataclass(frozen=True)
class Metric:
    """A score by name; calling it gives its value on rows that count once each.

    Attributes:
        name: column in reports.
        bind: prepares rows, and returns the function of their counts.
        better: which direction is good.
        excluded: how many groups or chains a mean over them leaves out.
        needs: a column that the rows must have.
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
    """Return the `bind` of a plain function: rows are repeated as often as they count."""

    def bind(data: Rows) -> Bound:
        rows = np.arange(len(data["y_true"]))

        def at(count: Array) -> float:
            return function(take(data, np.repeat(rows, count.astype(np.int64))))

        return at

    return bind


def take(data: Rows, rows: NDArray[Any]) -> Rows:
    """Return the named rows (indices or a mask) of every column."""
    return {name: column[rows] for name, column in data.items()}


def ratio(part: Any, whole: Any) -> float:
    """Return part / whole, NaN where there is no whole."""
    return float(part) / float(whole) if whole > 0 else float("nan")


def tie_ends(ordered: NDArray[Any]) -> NDArray[np.int64]:
    """Return the last index of every run of equal values in an ordered array."""
    if not len(ordered):
        return np.zeros(0, np.int64)
    return np.append(np.flatnonzero(ordered[1:] != ordered[:-1]), len(ordered) - 1)


def ends_with(hit: NDArray[np.bool_], ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return those ends of runs whose run has a hit."""
    hits = np.cumsum(hit)[ends]
    return ends[np.diff(hits, prepend=0) > 0]


def known(*columns: NDArray[Any]) -> NDArray[np.bool_]:
    """Return for every row whether all columns have a number."""
    mask = np.ones(len(columns[0]), np.bool_)
    for column in columns:
        missing = np.isnan(np.asarray(column, np.float64))
        mask &= ~missing.any(axis=tuple(range(1, missing.ndim)))
    return mask
