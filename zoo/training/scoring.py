"""The validation score, which early stopping, the best checkpoint and a search maximise."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.metrics import binary, classification
from zoo.metrics.rows import Metric, Rows, by_repeating
from zoo.models.outputs import activate, columns
from zoo.tasks import Kind, Target

Array = NDArray[np.float64]
LEAST = 1e-12
"""Probability below which a logarithm is cut."""
UNLABELLED = "has no known label"


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


def score_name(targets: Sequence[Target], without: Iterable[str] = ()) -> str:
    """Return the name of the score.

    Args:
        targets: What is predicted.
        without: Targets whose score the data do not define, see `undefined`.
    """
    scored = [target for target in targets if target.name not in without]
    names = list(dict.fromkeys(SCORES[target.kind].name.replace("_", " ") for target in scored))
    if not names:
        return "minus the loss"
    return names[0] if len(names) == 1 else f"mean of {', '.join(names)}"


def score_of(
    targets: Sequence[Target],
    logits: Mapping[str, Array],
    known: Mapping[str, Mapping[str, Array]],
) -> float:
    """Return the mean score over the targets that have one here.

    If no target has one, minus the mean loss over those with labels; 0 without any label.

    Args:
        targets: targets in the order of the head's columns.
        logits: predictions (rows, columns) of each sample.
        known: true values (rows,) or (rows, outputs) of each sample and target, NaN if unknown.
    """
    keys = sorted(logits)  # so that the order of batches does not change the sum
    if not keys:
        return 0.0
    stacked = np.concatenate([logits[key] for key in keys])
    scores, losses = [], []
    for target in targets:
        truth = np.concatenate([known[key][target.name] for key in keys])
        pred = activate(target, stacked[:, columns(targets)[target.name]])
        rows = ~np.isnan(truth.reshape(len(truth), -1)).all(axis=1)
        truth, pred = truth[rows], pred[rows]
        if len(truth) and _defined(target, truth):
            scores.append(np.nan_to_num(SCORES[target.kind]({"y_true": truth, "y_pred": pred})))
        elif len(truth):
            losses.append(-_loss(target, truth, pred))
    return float(np.mean(scores or losses or [0.0]))


def _defined(target: Target, truth: Array) -> bool:
    """Return whether predictions of these true values can be ranked or explained at all."""
    known = truth[~np.isnan(truth)]
    if target.kind in ("binary", "regression"):
        return len(np.unique(known)) > 1
    return target.kind == "multiclass" or bool(known.any())


def _loss(target: Target, truth: Array, pred: Array) -> float:
    """Return the mean squared error, or the cross-entropy in nats, over the known values."""
    if target.kind == "regression":
        return float(np.nanmean((truth - pred) ** 2))
    if target.kind == "multiclass":
        chosen = pred[np.arange(len(truth)), truth.astype(int)]
        return float(-np.log(chosen.clip(LEAST)).mean())
    likelihood = np.where(truth > 0.5, pred, 1.0 - pred)
    return float(-np.nanmean(np.where(np.isnan(truth), np.nan, np.log(likelihood.clip(LEAST)))))


def undefined(
    targets: Sequence[Target], index: Mapping[str, Mapping[str, Any]], keys: Sequence[str]
) -> dict[str, str]:
    """Return the targets whose score these samples do not define, each with the reason.

    Args:
        targets: What is predicted.
        index: Facts of the samples, as the store of prepared data has them.
        keys: Keys of the samples.
    """
    found = {}
    for target in targets:
        facts = [index[key]["targets"].get(target.name, {}) for key in keys]
        reason = _reason(target, facts)
        if reason:
            found[target.name] = reason
    return found


def _reason(target: Target, facts: Sequence[Mapping[str, Any]]) -> str | None:
    if target.kind == "multilabel" and target.level == "protein":
        return None if any(fact.get("positive") for fact in facts) else "has no positive label"
    if target.level == "protein":
        values = [fact["value"] for fact in facts if fact.get("value") is not None]
        count, low, high = len(values), min(values, default=0), max(values, default=0)
    else:
        count = sum(fact.get("count", 0) for fact in facts)
        total, squares = (sum(fact.get(name, 0.0) for fact in facts) for name in ("sum", "squares"))
        spread = max(squares * count - total**2, 0.0) ** 0.5
        low, high = (total / max(count, 1),) * 2 if spread <= 1e-6 * (abs(total) + 1) else (0, 1)
    if not count:
        return UNLABELLED
    if target.kind in ("binary", "regression") and low == high:
        return f"has only the value {low:g}"
    return None
