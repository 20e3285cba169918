"""The curves whose areas are metrics of binary targets, as points."""

from __future__ import annotations

import numpy as np

from zoo.metrics.rows import Array, Rows, tie_ends


def roc(data: Rows) -> tuple[Array, Array]:
    """Return the rates of false and of true positives at each threshold, from (0, 0) to (1, 1).

    The area under the straight lines between the points is `ROC_AUC`.

    Args:
        data: Columns `y_true`, 0 or 1, and `y_pred`, higher for positives, with both classes.
    """
    true, false = _counts(data)
    return np.append(0, false / false[-1]), np.append(0, true / true[-1])


def precision_recall(data: Rows) -> tuple[Array, Array]:
    """Return recall and precision at each threshold, from the highest score to the lowest.

    The area under steps, on which the precision of a point holds from the recall of the point
    before it, is `AVERAGE_PRECISION`.

    Args:
        data: Columns `y_true`, 0 or 1, and `y_pred`, higher for positives, with a positive row.
    """
    true, false = _counts(data)
    precision = true / (true + false)
    return np.append(0, true / true[-1]), np.append(precision[0], precision)


def _counts(data: Rows) -> tuple[Array, Array]:
    """Return how many positives and negatives have at least each distinct score, highest first."""
    order = np.argsort(-data["y_pred"], kind="stable")
    ends = tie_ends(data["y_pred"][order])
    y = data["y_true"][order].astype(np.float64)
    return np.cumsum(y)[ends], np.cumsum(1 - y)[ends]
