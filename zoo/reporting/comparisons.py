"""The sections of a run's page that show the model beside its baselines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from zoo.metrics import curves
from zoo.metrics.binary import AVERAGE_PRECISION, ROC_AUC
from zoo.metrics.columns import known_rows, rows_of
from zoo.metrics.predictions import Predictions
from zoo.metrics.regression import RMSE
from zoo.metrics.rows import Array, Rows
from zoo.metrics.suite import POOLED
from zoo.metrics.verdict import MODEL, headlines
from zoo.reporting import drawing
from zoo.reporting.page import picture, png_of, table
from zoo.reporting.score_tables import cell, part
from zoo.reporting.style import HALF, THIRD

MOST = 5000
"""Number of points that a plot shows at most; of more, so many are drawn."""
LOST = (
    " Curves and points of baselines are missing, because an older version wrote these scores: "
    "zoo.evaluate writes them too."
)
Values = Mapping[str, Any]


def differences_to(found: Values, metric: str) -> dict[str, Values]:
    """Return the difference of the model to each baseline in one metric, the best baseline first.

    Scores that an older version wrote have only that to the best one.
    """
    best = found["differences"].get(metric)
    if best is None:
        return {}
    each = {best["baseline"]: best, **found.get("others", {}).get(metric, {})}
    each = {name: moved for name, moved in each.items() if moved["value"] is not None}
    sign = 1.0 if best["better"] == "higher" else -1.0
    return dict(sorted(each.items(), key=lambda one: sign * one[1]["value"]))


def every_baseline(name: str, found: Values) -> str:
    """Return a table and a plot of the headline metrics of the model and of each baseline."""
    own = part(found, MODEL, POOLED)["values"]
    moved = {metric: differences_to(found, metric) for metric in headlines(found["kind"], own)}
    moved = {metric: each for metric, each in moved.items() if each}
    if not moved:
        return ""
    pooled = {one["model"]: one["values"] for one in found["parts"] if one["subset"] == POOLED}
    first = next(iter(moved.values()))
    order = [MODEL, *first, *(one for one in pooled if one != MODEL and one not in first)]
    rows = [
        (one, *(text for metric, each in moved.items()
                for text in (cell(pooled[one].get(metric)), _change(each.get(one), one))))
        for one in order
    ]  # fmt: skip
    names = [title for metric in moved for title in (metric, "model - baseline")]
    drawn = [png_of(_forest(metric, found, each)) for metric, each in moved.items()]
    return picture(
        f"{name}: each baseline", "Differences have 95 % intervals, from the same resamples of "
        "both, and are not corrected for their number. A hollow circle has an interval with zero.",
        *drawn,
    ) + table(("", *names), rows)  # fmt: skip


def _change(moved: Values | None, name: str) -> str:
    return "" if name == MODEL else cell(moved, "+")


def _forest(metric: str, found: Values, each: Mapping[str, Values]) -> Any:
    higher = found["differences"][metric]["better"] == "higher"
    rows = {name: (_number(moved["value"]), _number(moved["low"]), _number(moved["high"]))
            for name, moved in each.items()}  # fmt: skip
    return drawing.forest(metric, rows, higher)


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


def best_of(found: Values) -> list[str]:
    """Return the baselines that are best by some metric, those of the headline metrics first."""
    moved = found["differences"]
    first = headlines(found["kind"], moved)
    return list(dict.fromkeys(moved[metric]["baseline"] for metric in [*first, *moved]))


def pictured(
    name: str, found: Values, held: Predictions, baselines: Mapping[str, Predictions]
) -> str:
    """Return the plots of all predictions of one target: "" for a target of several classes.

    Args:
        name: Name of the target.
        found: Its part of metrics.json.
        held: Predictions of the model on the split that was scored.
        baselines: Predictions of baselines for the same rows, by name; they may be missing.
    """
    lost = LOST if set(best_of(found)) - set(baselines) else ""
    everyone = {MODEL: held, **baselines}
    if found["kind"] == "binary":
        return _areas(name, found, everyone, lost)
    return _scatter(name, found, everyone, lost) if found["kind"] == "regression" else ""


def _areas(name: str, found: Values, everyone: Mapping[str, Predictions], lost: str) -> str:
    """Return ROC and precision-recall curves; "" if only one class occurs."""
    own = part(found, MODEL, POOLED)["values"]
    if own[ROC_AUC.name]["value"] is None:
        return ""
    rows = {one: rows_of(predictions) for one, predictions in everyone.items()}
    lines = curves_of(found, rows)
    positives = float(rows[MODEL]["y_true"].mean())
    return picture(
        f"{name}: ROC and precision-recall curves", "The areas under the curves are the ROC-AUC "
        "and the average precision, with 95 % intervals in brackets." + lost,
        png_of(drawing.roc(lines[ROC_AUC.name])),
        png_of(drawing.precision_recall(lines[AVERAGE_PRECISION.name], positives)),
    )  # fmt: skip


def curves_of(found: Values, rows: Mapping[str, Rows]) -> dict[str, dict[str, drawing.Line]]:
    """Return the curve of the model and of the best baseline, by what the legend says of them.

    Args:
        found: Part of a target in metrics.json.
        rows: Columns of the predictions of the model, and of those baselines that there are.

    Returns:
        By metric, which is the area under the curve.
    """
    return {
        metric.name: {_named(found, one, metric.name): points(rows[one])
                      for one in _model_and_best(found, metric.name) if one in rows}
        for metric, points in ((ROC_AUC, curves.roc), (AVERAGE_PRECISION, curves.precision_recall))
    }  # fmt: skip


def _model_and_best(found: Values, metric: str) -> list[str]:
    moved = found["differences"].get(metric)
    return [MODEL, moved["baseline"]] if moved else [MODEL]


def _named(found: Values, one: str, metric: str) -> str:
    return f"{one} {cell(part(found, one, POOLED)['values'].get(metric))}"


def _scatter(name: str, found: Values, everyone: Mapping[str, Predictions], lost: str) -> str:
    """Return predicted against true values of the model and of at most two baselines."""
    shown = {one: everyone[one] for one in [MODEL, *_with_a_scale(found)[:2]] if one in everyone}
    points = {one: _points(predictions) for one, predictions in shown.items()}
    ends = _ends(points)
    width = THIRD if len(points) > 2 else HALF
    drawn = [
        png_of(drawing.against_truth(one, f"{RMSE.name} {_score(found, one)}", (true, said),
                                     beyond, ends, width))
        for one, (true, said, beyond) in points.items()
    ]  # fmt: skip
    all_of = int(known_rows(everyone[MODEL]).sum())
    some = f" {MOST:,} of {all_of:,} points are drawn." if all_of > MOST else ""
    return picture(f"{name}: predicted against true", "On the dashed line they are equal. The best "
                   "baselines are beside the model." + some + lost, *drawn)  # fmt: skip


def _score(found: Values, one: str) -> str:
    return cell(part(found, one, POOLED)["values"].get(RMSE.name))


def _with_a_scale(found: Values) -> list[str]:
    """Return the best baselines by error, but for those whose error is above that of the mean.

    A score that only ranks, as burial does, has no scale to draw.
    """
    error = {one["model"]: one["values"][RMSE.name]["value"] for one in found["parts"]
             if one["subset"] == POOLED and RMSE.name in one["values"]}  # fmt: skip
    most = error.get("mean", float("inf"))
    kept = [one for one in best_of(found) if error.get(one, float("inf")) <= most]
    return sorted(kept, key=lambda one: float(error[one]))


def _points(one: Predictions) -> tuple[Array, Array, Array]:
    """Return true and predicted values, and which true values are bounds; at most `MOST`."""
    rows = rows_of(one)
    n = len(rows["y_true"])
    kept = np.arange(n)
    if n > MOST:
        kept = np.sort(np.random.default_rng(0).choice(n, MOST, replace=False))
    beyond = rows["censored"][kept] if "censored" in rows else np.zeros(len(kept))
    return rows["y_true"][kept], rows["y_pred"][kept], beyond


def _ends(points: Mapping[str, tuple[Array, Array, Array]]) -> tuple[float, float]:
    values = np.concatenate([each for true, said, _ in points.values() for each in (true, said)])
    room = 0.04 * float(np.ptp(values)) or 0.5
    return float(values.min()) - room, float(values.max()) + room
