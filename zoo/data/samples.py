"""The records of a data set: samples with targets, and a count of what became of their labels.

Nothing here imports torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from zoo.proteins.protein import Protein

SPLITS = ("train", "validation", "test")


class DroppedSample(Exception):  # noqa: N818  an outcome, not a mistake
    """Raised for a sample that cannot be used; the report of the data set lists the reason."""


@dataclass(frozen=True)
class ChainMatch:
    """How the labels of one chain were matched to the residues of its structure."""

    chain: str
    labelled: int = 0
    """Residues for which the data set has a label."""
    matched: int = 0
    """Labelled residues that have coordinates in the structure."""
    missing: int = 0
    """Labelled residues without coordinates: they are not nodes and not scored."""
    unlabelled: int = 0
    """Resolved residues without a label: they are ignored, not counted as negative."""
    mutated: int = 0
    """Matched residues whose letter in the data set differs from that in the structure."""
    modified: int = 0
    """Modified residues, which are read as their parents (MSE as M)."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Sample:
    """One example of a data set.

    Attributes:
        id: Name that is unique within the data set.
        protein: Chains and ligands of the example.
        targets: float32 values by the name of the target: () or (outputs,) for a protein,
            (residues,) or (residues, outputs) for the residues of all chains end to end; NaN
            where unknown.
        split: One of `SPLITS`, or "" if the data set has none.
        subset: Named part of the split ("homology"), or "".
        group: Name shared by samples that metrics and bootstraps keep together (a CASP target, a
            cluster), or "".
        weight: Weight of the sample in metrics that are published with weights.
        censored: -1 if the true value is known only to be below the target, 1 if it is known only
            to be above, 0 if the target is exact.
        matches: Outcome of matching labels to residues, for each chain.
    """

    id: str
    protein: Protein
    targets: Mapping[str, NDArray[np.float32]]
    split: str = ""
    subset: str = ""
    group: str = ""
    weight: float = 1.0
    censored: int = 0
    matches: tuple[ChainMatch, ...] = field(default=())
