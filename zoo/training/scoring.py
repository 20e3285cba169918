"""The validation score, which early stopping, the best checkpoint and a search maximise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from zoo.metrics import binary, classification
from zoo.metrics.rows import Metric, Rows, by_repeating
from zoo.models.outputs import activate, columns
from zoo.tasks import Kind, Target

Array = NDArray[np.float64]


def _explained(rows: Rows) -> float:
    """Return R squared, which a wrong scale or mean lowers too, unlike a correlation."""
    from sklearn.metrics import r2_score

    return float(r2_score(rows["y_true"], rows["y_pred"])) if len(rows["y_true"]) > 1 else 0.0


SCORES: Mapping[Kind, Metric] = {
    "binary": binary.AVERAGE_PRECISION,
    "multiclass": classification.ACCURACY,
    "multilabel": classification.MICRO_AVERAGE_PRECISION,
    "regression": Metric("r2", by_repeating(_explained)),
}
"""Score of each kind of target; higher is better for all of them."""


def score_name(targets: Sequence[Target]) -> str:
    """Return the name of the score."""
    names = list(dict.fromkeys(SCORES[target.kind].name.replace("_", " ") for target in targets))
    return names[0] if len(names) == 1 else f"mean of {', '.join(names)}"


def score_of(
    targets: Sequence[Target],
    logits: Mapping[str, Array],
    known: Mapping[str, Mapping[str, Array]],
) -> float:
    """Return the mean score over targets; a score that these data do not define counts as 0.

    Args:
        targets: targets in the order of the head's columns.
        logits: predictions (rows, columns) of each sample.
        known: true values (rows,) or (rows, outputs) of each sample and target, NaN if unknown.
    """
    keys = sorted(logits)  # so that the order of batches does not change the sum
    if not keys:
        return 0.0
    stacked = np.concatenate([logits[key] for key in keys])
    found = []
    for target in targets:
        truth = np.concatenate([known[key][target.name] for key in keys])
        pred = activate(target, stacked[:, columns(targets)[target.name]])
        found.append(_score(target, truth, pred))
    return float(np.mean(found))


def _score(target: Target, truth: Array, pred: Array) -> float:
    rows = ~np.isnan(truth.reshape(len(truth), -1)).all(axis=1)
    if not rows.any():
        return 0.0
    value = SCORES[target.kind]({"y_true": truth[rows], "y_pred": pred[rows]})
    return float(np.nan_to_num(value))
