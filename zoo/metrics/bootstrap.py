"""Percentile bootstrap over groups of rows: proteins or clusters, never residues."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.metrics.rows import Array, Metric, Rows, by_repeating

Score = Metric | Callable[[Rows], float]


@dataclass(frozen=True)
class Interval:
    """A value with its interval.

    Attributes:
        value: on the data as they are.
        low: lower end; NaN with fewer than two groups.
        high: upper end.
        n_groups: how many groups were resampled.
        degenerate: resamples without a value (as those with one class), left out.
        excluded: groups or chains without a value of their own, where the metric is a mean.
    """

    value: float
    low: float
    high: float
    n_groups: int
    degenerate: int = 0
    excluded: int = 0

    def to_dict(self) -> dict[str, float | int | None]:
        """Return plain values for JSON, None for what is not defined."""
        fields = dataclasses.asdict(self)
        return {name: None if value != value else value for name, value in fields.items()}


@dataclass(frozen=True)
class Difference(Interval):
    """A paired difference with its interval and the two-sided p-value of no difference."""

    p: float = float("nan")


def interval(
    metric: Score, data: Rows, groups: NDArray[Any], n: int = 1000, seed: int = 0,
    level: float = 0.95,
) -> Interval:  # fmt: skip
    """Return a metric with its percentile bootstrap interval.

    Args:
        metric: a `Metric`, or any function of rows.
        data: columns of R rows.
        groups: (R,) what each row belongs to; groups are drawn, with replacement.
        n: resamples.
        seed: equal seeds draw equal resamples, whatever the order of the rows.
        level: probability of the interval.
    """
    value = metric(data)
    low, high, lost = percentiles(resampled(metric, data, groups, n, seed), level)
    excluded = metric.excluded(data) if isinstance(metric, Metric) else 0
    return Interval(value, low, high, len(np.unique(groups)), lost, excluded)


def paired(
    metric: Score, data_a: Rows, data_b: Rows, groups: NDArray[Any], n: int = 1000,
    seed: int = 0, level: float = 0.95,
) -> Difference:  # fmt: skip
    """Return metric(b) - metric(a), both on the same resamples.

    Args:
        metric: a `Metric`, or any function of rows.
        data_a: columns of R rows.
        data_b: columns of the same R examples in the same order.
        groups: (R,) what each row belongs to.
        n: resamples.
        seed: of the resamples.
        level: probability of the interval.
    """
    value = metric(data_b) - metric(data_a)
    draws_a = resampled(metric, data_a, groups, n, seed)
    draws_b = resampled(metric, data_b, groups, n, seed)
    return difference(value, draws_a, draws_b, len(np.unique(groups)), level)


def difference(
    value: float, draws_a: Array, draws_b: Array, n_groups: int, level: float = 0.95
) -> Difference:
    """Return a paired difference b - a from the values on the same resamples."""
    draws = draws_b - draws_a
    low, high, lost = percentiles(draws, level)
    return Difference(value, low, high, n_groups, lost, 0, _p_value(draws[~np.isnan(draws)]))


def resampled(
    metric: Score, data: Rows, groups: NDArray[Any], n: int = 1000, seed: int = 0
) -> Array:
    """Return (n,) the metric on each resample, NaN where it is not defined."""
    bind = metric.bind if isinstance(metric, Metric) else by_repeating(metric)
    at = bind(data)
    return np.array([at(count) for count in counts(groups, n, seed)], np.float64)


def counts(groups: NDArray[Any], n: int, seed: int) -> Iterator[Array]:
    """Yield n times (R,) how often each row is drawn; none if there is nothing to resample."""
    names, index = np.unique(groups, return_inverse=True)
    rng = np.random.default_rng(seed)
    for _ in range(n if len(names) > 1 else 0):
        drawn = np.bincount(rng.integers(len(names), size=len(names)), minlength=len(names))
        yield drawn.astype(np.float64)[index]


def percentiles(draws: Array, level: float) -> tuple[float, float, int]:
    """Return the ends of the interval, and how many draws have no value."""
    kept = draws[~np.isnan(draws)]
    if not len(kept):
        return float("nan"), float("nan"), len(draws)
    low, high = np.quantile(kept, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high), len(draws) - len(kept)


def _p_value(draws: Array) -> float:
    """Return twice the smaller tail beyond zero; never 0, as n resamples cannot show that."""
    if not len(draws):
        return float("nan")
    tail = min((draws <= 0).sum(), (draws >= 0).sum())
    return min(1.0, 2 * float(tail + 1) / (len(draws) + 1))
