"""Converts predictions to the columns that metrics read."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ZooError
from zoo.metrics.predictions import Predictions
from zoo.metrics.rows import Rows, known, take
from zoo.metrics.scannet import position_in_chain


def known_rows(predictions: Predictions) -> NDArray[np.bool_]:
    """Return (n,) whether each row has a known target; a multilabel row needs one known label."""
    if predictions.y_true.ndim == 1:
        return known(predictions.y_true)
    return np.asarray(np.isfinite(predictions.y_true).any(axis=1), np.bool_)


def rows_of(predictions: Predictions, threshold: float | None = None) -> Rows:
    """Return the columns that metrics read, for the rows with a known target.

    Args:
        predictions: Predictions of one target.
        threshold: Lowest score of a positive prediction; None leaves out the column `positive`.

    Raises:
        ZooError: If a prediction is NaN.
    """
    known_only = predictions.take(known_rows(predictions))
    lost = ~known(known_only.y_pred)
    if lost.any():
        names = ", ".join(dict.fromkeys(known_only.id[lost].tolist()))
        raise ZooError(
            f"{int(lost.sum())} of {len(lost)} predictions of {predictions.target.name!r} are not "
            f"numbers: those for {names[:200]}."
        )
    data = _columns(known_only)
    if predictions.target.kind in ("regression", "binary"):
        data = _one_column(data)
    if threshold is not None:
        data = {**data, "positive": data["y_pred"] >= threshold}
    return data


def _columns(predictions: Predictions) -> Rows:
    data: dict[str, NDArray[Any]] = {
        name: getattr(predictions, name) for name in ("y_true", "y_pred", "weight", "censored")
    }
    data["cluster"] = _numbers(predictions.cluster)
    if predictions.target.level == "residue":
        data["id"] = _numbers(predictions.id)
    elif predictions.target.kind == "binary":
        del data["weight"]  # weighted metrics are published only for residues
    if predictions.target.level == "protein" and (predictions.group != "").any():
        alone = np.where(predictions.group == "", predictions.id, predictions.group)
        data["group"] = _numbers(alone)
    return data


def _numbers(names: NDArray[Any]) -> NDArray[np.int64]:
    """Return names as numbers in sorted order, so that later steps need not sort strings again."""
    import pandas as pd

    return np.asarray(pd.factorize(names.astype(object), sort=True)[0], np.int64)


def _one_column(data: Rows) -> Rows:
    """Return the known values of a target with several columns as rows with one column."""
    outputs = data["y_true"].shape[1] if data["y_true"].ndim > 1 else 1
    long = {
        name: values.reshape(-1) if values.ndim > 1 else np.repeat(values, outputs)
        for name, values in data.items()
    }
    return take(long, known(long["y_true"]))


def scannet_rows(predictions: Predictions, length: int) -> Rows:
    """Return the rows as ScanNet's script scores them, see `scannet_protocol`."""
    cut = predictions.take(position_in_chain(predictions.id) < length)
    score = np.where(np.isnan(cut.y_pred), np.nanmedian(predictions.y_pred), cut.y_pred)
    y_true = np.nan_to_num(cut.y_true)
    return {
        "y_true": y_true, "y_pred": score, "weight": cut.weight, "cluster": _numbers(cut.cluster)
    }  # fmt: skip
