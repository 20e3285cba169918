"""Compares the scores of a model with those of baselines, by paired differences to the best."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from zoo.metrics.binary import AVERAGE_PRECISION, WEIGHTED_AUCPR
from zoo.metrics.bootstrap import Interval
from zoo.metrics.calibration import calibration_error
from zoo.metrics.chains import CHAIN_AVERAGE_PRECISION
from zoo.metrics.comparison import compare_target
from zoo.metrics.multiple import FEWEST, enough
from zoo.metrics.predictions import Predictions
from zoo.metrics.suite import POOLED, SUITES, Report, report, validation_threshold
from zoo.tasks import HEADLINE, Kind

MODEL = "model"
WITHIN: Mapping[str, str] = {AVERAGE_PRECISION.name: CHAIN_AVERAGE_PRECISION.name}
"""The mean over chains of a headline: a pooled score of residues also rewards knowing which chains
have many positives, as the length of a chain tells."""


def headlines(kind: Kind, values: Collection[str]) -> list[str]:
    """Return the names of the headline metrics among `values`: pooled, then the mean of chains."""
    pooled = HEADLINE[kind]
    return [name for name in (pooled, WITHIN.get(pooled, "")) if name in values]


def verdict(
    predictions: Predictions,
    raw: Predictions,
    baselines: Mapping[str, Predictions],
    *,
    split: str,
    n: int | None,
    seed: int,
    targets: int = 1,
    beside: int = 0,
    scannet_length: int | None = None,
) -> dict[str, Any]:
    """Return the report of one target as plain values, with calibration and paired differences.

    The p-values are not corrected here: `multiple.correct` does it for all targets together.

    Args:
        predictions: Predictions of the model on the split and on validation.
        raw: The same predictions before temperature scaling.
        baselines: Predictions of each baseline for the same rows in the same order, by name.
        split: Split to score.
        n: Number of resamples; None takes as many as the number of differences needs.
        seed: Seed of the random numbers that draw the resamples.
        targets: Number of targets whose differences are read next to each other.
        beside: Number of other runs of which the headline metric is read next to this one's.
        scannet_length: Number of residues at which ScanNet's own metric cuts a chain; None leaves
            out that metric.
    """
    there = {name: one for name, one in baselines.items() if (one.split == split).any()}
    scored = report(
        predictions, there, split=split, n=n or FEWEST, seed=seed, scannet_length=scannet_length
    )
    best = _best(predictions, there, scored)
    first = {metric: best[metric] for metric in headlines(predictions.target.kind, best)}
    parts = len(_subsets(scored))
    own = len(best) + parts * len(first)
    most = n or enough(targets * (own + beside * (1 + parts)))
    return {
        **scored.to_dict(),
        "kind": predictions.target.kind,
        "threshold": validation_threshold(predictions),
        "calibration_error": _calibration(predictions, raw, split),
        "differences": _differences(predictions, there, best, split, most, seed),
        "others": _others(predictions, there, first, split, n or FEWEST, seed),
        "subsets": _by_subset(predictions, there, first, scored, most, seed),
    }


def _calibration(one: Predictions, raw: Predictions, split: str) -> dict[str, float] | None:
    """Return the calibration error before and after temperature scaling; None if undefined."""
    rows = one.split == split
    before, after = (
        calibration_error(one.target, each.y_pred[rows], each.y_true[rows]) for each in (raw, one)
    )
    return None if np.isnan(after) else {"before": before, "after": after}


def _differences(
    one: Predictions, baselines: Mapping[str, Predictions], best: Mapping[str, str], split: str,
    n: int, seed: int,
) -> dict[str, Any]:  # fmt: skip
    """Return for each metric its best baseline, and the model's difference to that baseline."""
    found = {}
    for name in dict.fromkeys(best.values()):
        wanted = [metric for metric, chosen in best.items() if chosen == name]
        compared = compare_target({name: baselines[name], MODEL: one}, split, wanted, n, seed)
        for metric, better, (_, model) in compared.metrics:
            assert model.difference is not None  # only the first run has none
            found[metric] = {"baseline": name, "better": better, **model.difference.to_dict()}
    return found


def _others(
    one: Predictions, baselines: Mapping[str, Predictions], best: Mapping[str, str], split: str,
    n: int, seed: int,
) -> dict[str, Any]:  # fmt: skip
    """Return for each headline metric the model's difference to the baselines that are not best.

    They have intervals and no p-values, because nothing is claimed of them.
    """
    if not best or len(baselines) < 2:
        return {}
    compared = compare_target({MODEL: one, **baselines}, split, list(best), n, seed)
    return {
        metric: {
            entry.run: _turned(entry.difference).to_dict()
            for entry in entries
            if entry.difference and entry.run != best[metric] and not np.isnan(entry.value.value)
        }
        for metric, _, entries in compared.metrics
    }


def _turned(moved: Interval) -> Interval:
    """Return the difference of a to b from that of b to a."""
    return Interval(
        -moved.value, -moved.high, -moved.low, moved.n_groups, moved.degenerate, moved.excluded
    )


def _by_subset(
    one: Predictions, baselines: Mapping[str, Predictions], chosen: Mapping[str, str],
    scored: Report, n: int, seed: int,
) -> dict[str, Any]:  # fmt: skip
    """Return for each subset the model's difference in the headline metrics to the best baseline.

    The baseline that is best on all subsets together is used for each of them.
    """
    if not chosen:
        return {}
    found = {}
    for name in _subsets(scored):
        rows = np.array([name in str(text).split(",") for text in one.subset])
        parts = {key: baseline.take(rows) for key, baseline in baselines.items()}
        found[name] = _differences(one.take(rows), parts, chosen, scored.split, n, seed)
    return found


def _subsets(scored: Report) -> list[str]:
    """Return the names of the subsets, if there are several."""
    return [part.subset for part in scored.parts if part.model == MODEL][1:]


def _best(one: Predictions, baselines: Mapping[str, Predictions], scored: Report) -> dict[str, str]:
    """Return the best baseline by each metric, among those for which it is defined."""
    sign = {x.name: 1.0 if x.better == "higher" else -1.0 for x in SUITES[one.target.kind]}
    pooled = [part for part in scored.parts if part.subset == POOLED and part.model in baselines]
    found: dict[str, str] = {}
    for metric in sign:
        values = {
            part.model: sign[metric] * part.values[metric].value
            for part in pooled
            if metric in part.values and not np.isnan(part.values[metric].value)
            and (metric != WEIGHTED_AUCPR.name or _ranks(baselines[part.model], scored.split))
        }  # fmt: skip
        if values:
            found[metric] = max(values, key=lambda name: values[name])
    return found


def _ranks(baseline: Predictions, split: str) -> bool:
    """Return whether a baseline gives any two residues of a chain different scores.

    For a constant score, ScanNet's curve is a straight line from precision 1, with the area (1 +
    share of positives) / 2, which is more than many a model that ranks well reaches. In data with
    folds, such a baseline has several values, but only one in each chain.
    """
    one = baseline.take(baseline.split == split)
    return bool(((np.diff(one.y_pred) != 0) & (one.id[1:] == one.id[:-1])).any())
