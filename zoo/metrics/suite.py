"""The metrics of each kind of target, and the report of their values with intervals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.metrics import binary, chains, classification, ranking, regression, survival
from zoo.metrics.bootstrap import Interval, interval
from zoo.metrics.columns import known_rows, rows_of, scannet_rows
from zoo.metrics.predictions import Predictions
from zoo.metrics.rows import Metric, Rows
from zoo.tasks import Kind

_CURVES = (binary.AVERAGE_PRECISION, binary.ROC_AUC, binary.MCC)
_CHAINS = (chains.CHAIN_ROC_AUC, chains.CHAIN_AVERAGE_PRECISION)
_ERRORS = (regression.RMSE, regression.MAE)
_CORRELATIONS = (regression.PEARSON, regression.SPEARMAN, regression.KENDALL)
_GROUPS = (
    ranking.GROUP_PEARSON, ranking.GROUP_SPEARMAN, ranking.GROUP_KENDALL, ranking.TOP1_LOSS,
)  # fmt: skip
#: All metrics of each kind of target; `metrics_for` leaves out those that the rows cannot give.
SUITES: Mapping[Kind, tuple[Metric, ...]] = {
    "regression": (*_ERRORS, *_CORRELATIONS, survival.CONCORDANCE, *_GROUPS),
    "binary": (binary.WEIGHTED_AUCPR, *_CURVES, *_CHAINS),
    "multiclass": (classification.ACCURACY, classification.MACRO_ACCURACY),
    "multilabel": (classification.FMAX, classification.MICRO_AVERAGE_PRECISION),
}
POOLED = "all"
ONE_FAMILY = (
    "There are no intervals: all samples are kin, or of one group, and so are drawn as one. If "
    "each is to be drawn by itself, give each row of the table its own group and prepare it again."
)
"""What is said of scores on several samples that are one unit."""
ONE_SAMPLE = "There are no intervals: they are drawn over proteins, and there is one."


@dataclass(frozen=True)
class Part:
    """The scores of one set of predictions on one subset."""

    model: str
    """"model", or the name of a baseline."""
    subset: str
    """Name of the subset; `POOLED` for all subsets together."""
    examples: int
    """Number of rows with a known target."""
    values: Mapping[str, Interval]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        values = {name: value.to_dict() for name, value in self.values.items()}
        return {**vars(self), "values": values}


@dataclass(frozen=True)
class Report:
    """The scores of a model and its baselines for one target on one split."""

    target: str
    split: str
    level: float
    parts: tuple[Part, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {**vars(self), "parts": [part.to_dict() for part in self.parts]}


def report(
    predictions: Predictions,
    baselines: Mapping[str, Predictions] | None = None,
    *,
    split: str = "test",
    n: int = 1000,
    seed: int = 0,
    level: float = 0.95,
    scannet_length: int | None = None,
) -> Report:
    """Return the metrics of a model and its baselines, pooled and for each subset.

    Args:
        predictions: Predictions of the model on all splits; the threshold of the MCC is chosen on
            the validation split.
        baselines: Predictions of each baseline, by its name.
        split: Split to report on.
        n: Number of resamples of the bootstrap.
        seed: Seed of the random numbers that draw the resamples.
        level: Probability of the intervals, such as 0.95.
        scannet_length: Number of residues at which ScanNet's own metric cuts a chain; None leaves
            out that metric.
    """
    parts = []
    for model, all_of in {"model": predictions, **(baselines or {})}.items():
        threshold = validation_threshold(all_of)
        chosen = all_of.take(all_of.split == split)
        for subset in _subsets(chosen):
            rows = chosen if subset == POOLED else chosen.take(_in_subset(chosen, subset))
            values = evaluate(
                rows, threshold=threshold, n=n, seed=seed, level=level,
                scannet_length=scannet_length,
            )  # fmt: skip
            parts.append(Part(model, subset, int(known_rows(rows).sum()), values))
    return Report(predictions.target.name, split, level, tuple(parts))


def _subsets(predictions: Predictions) -> list[str]:
    names = [name for label in dict.fromkeys(predictions.subset) for name in str(label).split(",")]
    distinct = list(dict.fromkeys(names))
    return [POOLED, *(distinct if len(distinct) > 1 else [])]


def _in_subset(predictions: Predictions, name: str) -> NDArray[np.bool_]:
    """Return (n,) whether each row is in a subset.

    A row may be in several: EC's "30,40" is in the subsets "30" and "40", its identity cut-offs.
    """
    labels = {label: name in str(label).split(",") for label in set(predictions.subset)}
    return np.array([labels[label] for label in predictions.subset], np.bool_)


def without_intervals(samples: int) -> str:
    """Return why scores on this number of samples, which are one unit, have no intervals."""
    return ONE_SAMPLE if samples == 1 else ONE_FAMILY


def evaluate(
    predictions: Predictions,
    *,
    threshold: float | None = None,
    n: int = 1000,
    seed: int = 0,
    level: float = 0.95,
    scannet_length: int | None = None,
) -> dict[str, Interval]:
    """Return every metric of the target's kind on these rows, with intervals.

    Args:
        predictions: Predictions on one split.
        threshold: Lowest score of a positive binary prediction; None leaves out the MCC.
        n: Number of resamples of the bootstrap, which draws groups, or samples without a group.
        seed: Seed of the random numbers that draw the resamples.
        level: Probability of the intervals, such as 0.95.
        scannet_length: Number of residues at which ScanNet's own metric cuts a chain; None leaves
            out that metric.

    Raises:
        ZooError: If a row with a known target has no prediction.
    """
    data = rows_of(predictions, threshold)
    found = {
        metric.name: interval(metric, data, data["cluster"], n, seed, level)
        for metric in metrics_for(predictions, data)
    }
    if scannet_length is not None:
        rows = scannet_rows(predictions, scannet_length)
        found["aucpr_scannet_protocol"] = interval(
            binary.WEIGHTED_AUCPR, rows, rows["cluster"], n, seed, level
        )
    return found


def metrics_for(predictions: Predictions, data: Rows) -> list[Metric]:
    """Return the metrics of the target's kind that can be computed from these rows."""
    return [
        metric for metric in SUITES[predictions.target.kind]
        if metric.needs in data and not (metric is survival.CONCORDANCE and _too_many(data))
    ]  # fmt: skip


def _too_many(data: Rows) -> bool:
    """Return whether to skip the concordance index, which would take too many pairs.

    It is only skipped if no value is a bound: then Kendall's tau measures the same.
    """
    return len(data["y_true"]) > survival.MAX_KEPT and not data["censored"].any()


def validation_threshold(predictions: Predictions) -> float | None:
    """Return the threshold with the highest MCC on the validation split; None if undefined."""
    if predictions.target.kind != "binary":
        return None
    data = rows_of(predictions.take(predictions.split == "validation"))
    found = binary.best_threshold(data["y_true"], data["y_pred"])
    return None if np.isnan(found) else found
