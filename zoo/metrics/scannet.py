"""The metric of ScanNet's evaluation script, with the peculiarities of its published numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.metrics.binary import weighted_aucpr
from zoo.metrics.rows import Array

#: Number of residues at which the script cuts a chain.
PPBS_LENGTH = 1024
BCE_LENGTH = 2120
LENGTHS = {"ppbs": PPBS_LENGTH, "bce": BCE_LENGTH}
"""Lengths by task; the script was not used for other tasks."""


def scannet_protocol(
    y: Array, score: Array, weight: Array, chain: NDArray[Any], length: int = PPBS_LENGTH
) -> float:
    """Return the weighted AUCPR of ScanNet's script.

    It differs from `weighted_aucpr` in three ways. Residues after the first `length` of a chain are
    not scored, residues of the structure without a label are scored as negatives, and predictions
    that are NaN are replaced by the median prediction. Chains that could not be predicted were
    absent from its input.

    Args:
        y: (n,) labels in chain order, NaN for unlabelled residues of the structure.
        score: (n,) scores.
        weight: (n,) weight of each residue's chain.
        chain: (n,) name or number of each residue's chain.
        length: Number of residues of a chain that are scored.
    """
    keep = position_in_chain(chain) < length
    score = np.where(np.isnan(score), np.nanmedian(score) if len(score) else 0.0, score)
    return weighted_aucpr(np.nan_to_num(y[keep]), score[keep], weight[keep])


def position_in_chain(chain: NDArray[Any]) -> NDArray[np.int64]:
    """Return (n,) the number of earlier rows of the same chain."""
    order = np.argsort(chain, kind="stable")
    _, start, size = np.unique(chain[order], return_index=True, return_counts=True)
    place = np.empty(len(chain), np.int64)
    place[order] = np.arange(len(chain)) - np.repeat(start, size)
    return place
