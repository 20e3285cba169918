"""The curves whose areas are metrics of binary targets, as points."""

from __future__ import annotations

from sklearn.metrics import precision_recall_curve, roc_curve

from zoo.metrics.rows import Array, Rows


def roc(data: Rows) -> tuple[Array, Array]:
    """Return the rates of false and of true positives at each threshold, from (0, 0) to (1, 1).

    The area under the straight lines between the points is `ROC_AUC`.

    Args:
        data: Columns `y_true`, 0 or 1, and `y_pred`, higher for positives, with both classes.
    """
    false, true, _ = roc_curve(data["y_true"], data["y_pred"])
    return false, true


def precision_recall(data: Rows) -> tuple[Array, Array]:
    """Return recall and precision at each threshold, from the highest score to the lowest.

    The area under steps, on which the precision of a point holds from the recall of the point
    before it, is `AVERAGE_PRECISION`.

    Args:
        data: Columns `y_true`, 0 or 1, and `y_pred`, higher for positives, with a positive row.
    """
    precision, recall, _ = precision_recall_curve(data["y_true"], data["y_pred"])
    return recall[::-1], precision[::-1]
