"""The percentile bootstrap over groups of rows, which are proteins or clusters, never residues."""

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
    """The value of a metric with its interval.

    Attributes:
        value: Value on the original data.
        low: Lower end of the interval; NaN with fewer than two groups.
        high: Upper end of the interval; NaN with fewer than two groups.
        n_groups: Number of groups that were resampled.
        degenerate: Number of resamples that are left out because the metric is not defined, such
            as those with only one class.
        excluded: Number of groups or chains that a metric averaged over them leaves out because it
            is not defined there.
    """

    value: float
    low: float
    high: float
    n_groups: int
    degenerate: int = 0
    excluded: int = 0

    def to_dict(self) -> dict[str, float | int | None]:
        """Return plain values for JSON, with None for a value that is not defined."""
        fields = dataclasses.asdict(self)
        return {name: None if value != value else value for name, value in fields.items()}


@dataclass(frozen=True)
class Difference(Interval):
    """A paired difference with its interval, and the two-sided p-value for no difference.

    Attributes:
        p: The p-value by itself.
        p_holm: The p-value after Holm's correction for the differences that stand beside it.
        resamples: Number of resamples, which bounds p from below by 2 / (resamples + 1).
    """

    p: float = float("nan")
    p_holm: float = float("nan")
    resamples: int = 0


def interval(
    metric: Score, data: Rows, groups: NDArray[Any], n: int = 1000, seed: int = 0,
    level: float = 0.95,
) -> Interval:  # fmt: skip
    """Return a metric with its percentile bootstrap interval.

    Args:
        metric: A `Metric`, or any function of rows.
        data: Columns of R rows.
        groups: (R,) group of each row; groups are drawn with replacement.
        n: Number of resamples.
        seed: Seed of the random numbers that draw the resamples; they do not depend on the order of
            the rows.
        level: Probability of the interval.
    """
    value = metric(data)
    low, high, lost = percentiles(resampled(metric, data, groups, n, seed), level)
    excluded = metric.excluded(data) if isinstance(metric, Metric) else 0
    return Interval(value, low, high, len(np.unique(groups)), lost, excluded)


def paired(
    metric: Score, data_a: Rows, data_b: Rows, groups: NDArray[Any], n: int = 1000,
    seed: int = 0, level: float = 0.95,
) -> Difference:  # fmt: skip
    """Return metric(b) - metric(a) with its interval, from the same resamples of both.

    Args:
        metric: A `Metric`, or any function of rows.
        data_a: Columns of R rows.
        data_b: Columns of the same R examples in the same order.
        groups: (R,) group of each row; groups are drawn with replacement.
        n: Number of resamples.
        seed: Seed of the random numbers that draw the resamples.
        level: Probability of the interval.
    """
    value = metric(data_b) - metric(data_a)
    draws_a = resampled(metric, data_a, groups, n, seed)
    draws_b = resampled(metric, data_b, groups, n, seed)
    return difference(value, draws_a, draws_b, len(np.unique(groups)), level)


def difference(
    value: float, draws_a: Array, draws_b: Array, n_groups: int, level: float = 0.95
) -> Difference:
    """Return the paired difference b - a with its interval, from values on the same resamples.

    Args:
        value: Difference on the original data.
        draws_a: (n,) values of a on the resamples.
        draws_b: (n,) values of b on the same resamples.
        n_groups: Number of groups that were resampled.
        level: Probability of the interval.
    """
    draws = draws_b - draws_a
    low, high, lost = percentiles(draws, level)
    p = _p_value(draws[~np.isnan(draws)])
    return Difference(value, low, high, n_groups, lost, 0, p, p, len(draws))


def resampled(
    metric: Score, data: Rows, groups: NDArray[Any], n: int = 1000, seed: int = 0
) -> Array:
    """Return (n,) the metric on each resample; NaN where it is not defined."""
    bind = metric.bind if isinstance(metric, Metric) else by_repeating(metric)
    at = bind(data)
    return np.array([at(count) for count in counts(groups, n, seed)], np.float64)


def counts(groups: NDArray[Any], n: int, seed: int) -> Iterator[Array]:
    """Yield for each of n resamples (R,) how often each row is drawn; nothing for one group."""
    names, index = np.unique(groups, return_inverse=True)
    rng = np.random.default_rng(seed)
    for _ in range(n if len(names) > 1 else 0):
        drawn = np.bincount(rng.integers(len(names), size=len(names)), minlength=len(names))
        yield drawn.astype(np.float64)[index]


def percentiles(draws: Array, level: float) -> tuple[float, float, int]:
    """Return both ends of the interval, and the number of draws without a value."""
    kept = draws[~np.isnan(draws)]
    if not len(kept):
        return float("nan"), float("nan"), len(draws)
    low, high = np.quantile(kept, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high), len(draws) - len(kept)


def _p_value(draws: Array) -> float:
    """Return twice the smaller tail beyond zero; never 0, which n resamples could not show."""
    if not len(draws):
        return float("nan")
    tail = min((draws <= 0).sum(), (draws >= 0).sum())
    return min(1.0, 2 * float(tail + 1) / (len(draws) + 1))
