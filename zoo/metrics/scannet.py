"""ScanNet's evaluation script, with the peculiarities that its published numbers have."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.metrics.binary import weighted_aucpr
from zoo.metrics.rows import Array

#: Residues of a chain that the script looks at.
PPBS_LENGTH = 1024
BCE_LENGTH = 2120
LENGTHS = {"ppbs": PPBS_LENGTH, "bce": BCE_LENGTH}
"""By task; others were never scored by that script."""


def scannet_protocol(
    y: Array, score: Array, weight: Array, chain: NDArray[Any], length: int = PPBS_LENGTH
) -> float:
    """Return the weighted AUCPR of ScanNet's script; `weighted_aucpr` is the clean one.

    It differs in three ways: chains are cut and what is cut is not scored; residues of the
    structure without a label are scored as negatives; predictions that are no numbers become the
    median prediction. Chains that failed were absent from its input.

    Args:
        y: (n,) labels in chain order, NaN for unlabelled residues of the structure.
        score: (n,) scores.
        weight: (n,) of the residue's chain.
        chain: (n,) name or number of the chain.
        length: residues of a chain that are kept.
    """
    keep = position_in_chain(chain) < length
    score = np.where(np.isnan(score), np.nanmedian(score) if len(score) else 0.0, score)
    return weighted_aucpr(np.nan_to_num(y[keep]), score[keep], weight[keep])


def position_in_chain(chain: NDArray[Any]) -> NDArray[np.int64]:
    """Return (n,) how many rows of the same chain come before."""
    order = np.argsort(chain, kind="stable")
    _, start, size = np.unique(chain[order], return_index=True, return_counts=True)
    place = np.empty(len(chain), np.int64)
    place[order] = np.arange(len(chain)) - np.repeat(start, size)
    return place
