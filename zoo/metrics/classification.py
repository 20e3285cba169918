"""Metrics of multiclass targets (accuracy) and multilabel targets (Fmax, average precision).

Shapes: n examples, C classes or labels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zoo.metrics.binary import average_precision, bind_average_precision
from zoo.metrics.rows import Array, Bound, Metric, Rows, ends_with, known, ratio, tie_ends


def accuracy(y_true: Array, y_pred: Array) -> float:
    """Return the share of examples whose highest score is that of their class.

    Args:
        y_true: (n,) index of the class; rows with NaN are left out.
        y_pred: (n, C) scores; of equal highest scores, the first counts.
    """
    from sklearn.metrics import accuracy_score

    mask = known(y_true)
    if not mask.any():
        return float("nan")
    return float(accuracy_score(y_true[mask].astype(int), y_pred[mask].argmax(axis=1)))


def macro_accuracy(y_true: Array, y_pred: Array) -> float:
    """Return the accuracy within each class, averaged over the classes that occur.

    Args:
        y_true: (n,) index of the class; rows with NaN are left out.
        y_pred: (n, C) scores.
    """
    mask = known(y_true)
    rows = {"y_true": y_true[mask], "y_pred": y_pred[mask]}
    return _bind_macro(rows)(np.ones(int(mask.sum())))


def fmax(y_true: Array, y_pred: Array) -> float:
    """Return the protein-centric maximum F1 over all thresholds (CAFA, DeepFRI, GearNet).

    At a threshold, all labels with an equal or higher score are predicted. Precision is averaged
    over the proteins with at least one predicted label, recall over the proteins with at least
    one true label. The thresholds are the scores that occur, so labels of equal scores are
    predicted together.

    Args:
        y_true: (n, C) 0 or 1; entries with NaN count neither as predicted nor as missed.
        y_pred: (n, C) scores.
    """
    return _bind_fmax({"y_true": y_true, "y_pred": y_pred})(np.ones(len(y_true)))


def micro_average_precision(y_true: Array, y_pred: Array) -> float:
    """Return the average precision over all (protein, label) pairs, torchdrug's `auprc@micro`.

    Args:
        y_true: (n, C) 0 or 1; entries with NaN are left out.
        y_pred: (n, C) scores.
    """
    return average_precision(y_true.reshape(-1), y_pred.reshape(-1))


def _bind_accuracy(data: Rows) -> Bound:
    hit = data["y_pred"].argmax(axis=1) == data["y_true"]
    return lambda count: ratio(count @ hit, count.sum())


def _bind_macro(data: Rows) -> Bound:
    classes, index = np.unique(data["y_true"], return_inverse=True)
    hit = data["y_pred"].argmax(axis=1) == data["y_true"]

    def at(count: Array) -> float:
        size = np.bincount(index, count, len(classes))
        right = np.bincount(index, count * hit, len(classes))
        seen = size > 0
        return ratio((right[seen] / size[seen]).sum(), seen.sum())

    return at


def _bind_fmax(data: Rows) -> Bound:
    """Sort all labels by score, and return the function that computes Fmax from counts of rows.

    As the threshold falls, each label changes the precision and recall of its protein.
    """
    missing = np.isnan(data["y_true"])
    score = np.where(missing, -np.inf, data["y_pred"])
    label = np.where(missing, 0.0, data["y_true"])
    total = label.sum(axis=1)
    steps, score = _steps(label, score, total)
    order = np.argsort(-score, axis=None, kind="stable")
    order = order[score.reshape(-1)[order] > -np.inf]
    owner = order // max(score.shape[1], 1)
    steps = steps.reshape(3, -1)[:, order]
    # Without a new hit, recall stays and precision cannot rise, so F1 has no maximum there.
    ends = ends_with(steps[1] > 0, tie_ends(score.reshape(-1)[order]))
    starts = np.append(0, ends[:-1] + 1) if len(ends) else ends
    used = int(ends[-1]) + 1 if len(ends) else 0
    steps, owner = np.ascontiguousarray(steps[:, :used]), owner[:used]

    def at(count: Array) -> float:
        sums = np.add.reduceat(steps * count[owner], starts, axis=1)
        precision, recall, predicted = np.cumsum(sums, axis=1)
        precision = np.divide(precision, predicted, where=predicted > 0, out=0 * precision)
        return _best_f1(precision, recall, float(count @ (total > 0)))

    return at


def _steps(label: Array, score: Array, total: Array) -> tuple[Array, Array]:
    """Return (3, n, C) changes by each label in order of score, and (n, C) ordered scores.

    The three changes are those of the protein's precision, of its recall, and of whether it has a
    predicted label.
    """
    order = np.argsort(-score, axis=1, kind="stable")
    score = np.take_along_axis(score, order, axis=1)
    hits = np.cumsum(np.take_along_axis(label, order, axis=1), axis=1)
    rank = np.arange(1, score.shape[1] + 1)
    values = [hits / rank, hits / np.maximum(total, 1)[:, None], np.ones_like(hits)]
    return np.stack([np.diff(value, axis=1, prepend=0) for value in values]), score


def _best_f1(precision: NDArray[np.float64], recall: NDArray[np.float64], labelled: float) -> float:
    if labelled == 0 or not len(precision):
        return float("nan")
    recall = recall / labelled
    both = precision + recall
    f1 = np.divide(2 * precision * recall, both, where=both > 0, out=np.zeros_like(both))
    return float(f1.max())


def _bind_micro(data: Rows) -> Bound:
    """Bind average precision over pairs; each pair counts as often as its protein."""
    mask = ~np.isnan(data["y_true"])
    owner = np.nonzero(mask)[0]
    pairs = {"y_true": data["y_true"][mask], "y_pred": data["y_pred"][mask]}
    at = bind_average_precision(pairs)
    return lambda count: at(count[owner])


ACCURACY = Metric("accuracy", _bind_accuracy)
MACRO_ACCURACY = Metric("macro_accuracy", _bind_macro)
FMAX = Metric("fmax", _bind_fmax)
MICRO_AVERAGE_PRECISION = Metric("micro_average_precision", _bind_micro)
