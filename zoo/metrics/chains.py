"""Metrics of residues within chains, averaged over chains with equal weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.metrics.binary import bind_average_precision, fast_roc_auc
from zoo.metrics.rows import Array, Bound, Metric, Rows, ratio


def per_chain(
    metric: Callable[[Array, Array], float], y: Array, score: Array, chain: NDArray[Any]
) -> Array:
    """Return (chains,) the metric within each chain, in the order of their sorted names.

    It is NaN for chains where it is not defined, which a mean over chains leaves out.

    Args:
        metric: Function of labels and scores.
        y: (n,) labels.
        score: (n,) scores.
        chain: (n,) name or number of each residue's chain.
    """
    order = np.argsort(chain, kind="stable")
    starts = np.unique(chain[order], return_index=True)[1][1:]
    parts = [np.split(values[order], starts) for values in (y, score)] if len(y) else [[], []]
    return np.array([metric(*pair) for pair in zip(*parts, strict=True)], np.float64)


def fast_average_precision(y: Array, score: Array) -> float:
    """Return average precision; NaN without a positive."""
    return bind_average_precision({"y_true": y, "y_pred": score})(np.ones(len(y)))


def _bind_chains(metric: Callable[[Array, Array], float]) -> Callable[[Rows], Bound]:
    """Return the `bind` of a mean over chains; a chain counts as often as its residues do."""

    def bind(data: Rows) -> Bound:
        values = per_chain(metric, data["y_true"], data["y_pred"], data["id"])
        first = np.unique(data["id"], return_index=True)[1]
        defined = ~np.isnan(values)
        values, first = values[defined], first[defined]
        return lambda count: ratio(count[first] @ values, count[first].sum())

    return bind


def _one_class(data: Rows) -> int:
    values = per_chain(fast_roc_auc, data["y_true"], data["y_pred"], data["id"])
    return int(np.isnan(values).sum())


def _no_positive(data: Rows) -> int:
    chains = np.unique(data["id"])
    return len(chains) - len(np.unique(data["id"][data["y_true"] > 0]))


CHAIN_ROC_AUC = Metric("chain_roc_auc", _bind_chains(fast_roc_auc), excluded=_one_class, needs="id")
CHAIN_AVERAGE_PRECISION = Metric(
    "chain_average_precision", _bind_chains(fast_average_precision), excluded=_no_positive,
    needs="id",
)  # fmt: skip
