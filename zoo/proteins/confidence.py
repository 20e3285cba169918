"""How sure a structure is of each residue: the rank of its B-factor or pLDDT in its protein."""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata

from zoo.proteins.feature_sets import FEATURE_SETS, Columns, Feature, FeatureSet, numbers
from zoo.proteins.protein import Protein


def _columns(protein: Protein) -> Columns:
    value = np.concatenate([chain.bfactor for chain in protein.chains]).astype(np.float64)
    known = np.flatnonzero(np.isfinite(value))
    rank = np.full(len(value), np.nan)
    middle = len(known) == 1
    rank[known] = 0.5 if middle else (rankdata(value[known]) - 1) / max(len(known) - 1, 1)
    return numbers(rank[:, None])


FEATURE_SETS.register("confidence")(FeatureSet((
    Feature("rank of the B-factor or pLDDT in its protein, 0 to 1", 1, "none", "0"),
), _columns))  # fmt: skip
