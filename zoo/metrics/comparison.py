"""Compares runs on the same examples, aligned row by row and scored on the same resamples."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ConfigError, ZooError
from zoo.metrics.bootstrap import Difference, Interval, difference, percentiles, resampled
from zoo.metrics.columns import known_rows, rows_of
from zoo.metrics.multiple import enough, holm
from zoo.metrics.predictions import Predictions
from zoo.metrics.rows import Metric, Rows
from zoo.metrics.suite import metrics_for, validation_threshold

Runs = Mapping[str, Mapping[str, Predictions]]


@dataclass(frozen=True)
class Entry:
    """The score of one run, and its difference to the first run, which itself has none."""

    run: str
    value: Interval
    difference: Difference | None


@dataclass(frozen=True)
class Comparison:
    """The scores of all runs for one target."""

    target: str
    split: str
    examples: int
    clusters: int
    metrics: tuple[tuple[str, str, tuple[Entry, ...]], ...]
    """Name of each metric, whether higher or lower is better, and an entry for each run."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        metrics = {
            name: {"better": better, "runs": [_plain(entry) for entry in entries]}
            for name, better, entries in self.metrics
        }
        return {**vars(self), "metrics": metrics}

    @property
    def differences(self) -> list[dict[str, Any]]:
        """Every difference, as plain values."""
        entries = [entry for *_, entries in self.metrics for entry in entries]
        return [entry.difference.to_dict() for entry in entries if entry.difference]


def _plain(entry: Entry) -> dict[str, Any]:
    moved = entry.difference.to_dict() if entry.difference else None
    return {"run": entry.run, **entry.value.to_dict(), "difference": moved}


def align(runs: Runs, split: str, intersect: bool) -> list[dict[str, Predictions]]:
    """Return for each target the predictions of all runs, with the rows of one split aligned.

    Equal rows are the same example in all runs. Rows of other splits are kept, because thresholds
    are chosen on validation.

    Args:
        runs: Predictions of each target, by run.
        split: Split to align.
        intersect: Whether to use only the examples that all runs have; otherwise runs with
            different examples are an error.

    Raises:
        ConfigError: If the runs share no target, or have no such split.
        ZooError: If the examples or their true values differ.
    """
    first, *others = runs.values()
    targets = [name for name in first if all(name in other for other in others)]
    if not targets:
        raise ConfigError("The runs have no target in common.")
    return [
        _aligned({run: found[name] for run, found in runs.items()}, split, intersect)
        for name in targets
    ]


def _aligned(
    runs: Mapping[str, Predictions], split: str, intersect: bool
) -> dict[str, Predictions]:
    keys = {run: _keys(run, one, split) for run, one in runs.items()}
    first, common = next(iter(keys)), set.intersection(*(set(found) for found in keys.values()))
    if not intersect:
        for run, found in keys.items():
            _same_examples(first, run, set(keys[first]), set(found))
    if not common:
        raise ZooError(f"The runs have no example of split {split!r} in common.")
    order = [key for key in keys[first] if key in common]
    chosen = {
        run: one.take(np.array([keys[run][key] for key in order])) for run, one in runs.items()
    }
    for run in chosen:
        _same_truth(first, run, chosen[first], chosen[run])
    return {run: _joined(chosen[run], one, split) for run, one in runs.items()}


def _keys(run: str, predictions: Predictions, split: str) -> dict[tuple[str, int], int]:
    """Return the row of each example of the split."""
    rows = np.flatnonzero(predictions.split == split)
    if not len(rows):
        valid = ", ".join(repr(str(name)) for name in np.unique(predictions.split))
        raise ConfigError(f"{run} has no predictions of split {split!r}; it has {valid}.")
    names, places = predictions.id[rows].tolist(), predictions.residue[rows].tolist()
    found = dict(zip(zip(names, places, strict=True), rows.tolist(), strict=True))
    if len(found) < len(rows):
        raise ZooError(f"{run} has {len(rows) - len(found)} examples of {split!r} twice.")
    return found


def _same_examples(first: str, run: str, ours: set[Any], theirs: set[Any]) -> None:
    if ours == theirs:
        return
    some = ", ".join(_named(key) for key in sorted(ours ^ theirs)[:3])
    raise ZooError(
        f"The examples differ: {len(ours - theirs)} only in {first}, {len(theirs - ours)} only in "
        f"{run}, such as {some}. Compare on those in common with --intersect."
    )


def _same_truth(first: str, run: str, ours: Predictions, theirs: Predictions) -> None:
    """Raise an error if two runs have different true values, because scores would not compare."""
    if (ours.target.kind, ours.y_true.shape) != (theirs.target.kind, theirs.y_true.shape):
        raise ZooError(f"{ours.target.name!r} is a different target in {first} and {run}.")
    close = np.isclose(ours.y_true, theirs.y_true, rtol=1e-6, atol=1e-6, equal_nan=True)
    differs = ~close.reshape(len(ours), -1).all(axis=1) | (ours.censored != theirs.censored)
    if differs.any():
        rows = np.flatnonzero(differs)[:3]
        some = ", ".join(_named((str(ours.id[row]), int(ours.residue[row]))) for row in rows)
        raise ZooError(
            f"{int(differs.sum())} true values differ between {first} and {run}, such as of {some}."
        )


def _named(key: tuple[str, int]) -> str:
    return key[0] if key[1] < 0 else f"{key[0]} residue {key[1]}"


def _joined(chosen: Predictions, one: Predictions, split: str) -> Predictions:
    """Return the chosen rows, followed by those of the other splits."""
    rest = one.take(one.split != split)
    columns = {
        name: np.concatenate([values, getattr(rest, name)])
        for name, values in vars(chosen).items()
        if name != "target"
    }
    return Predictions(one.target, **columns)


@dataclass(frozen=True)
class _Scored:
    """One target of aligned runs, ready to be resampled: a table of columns for each run."""

    target: str
    split: str
    examples: int
    runs: list[str]
    data: list[Rows]
    metrics: list[Metric]


def compare_targets(
    targets: Sequence[Mapping[str, Predictions]],
    split: str,
    wanted: Sequence[str] | None = None,
    n: int | None = None,
    seed: int = 0,
    done: Callable[[int], object] = lambda count: None,
) -> list[Comparison]:
    """Return the scores of aligned runs for each target, and their differences to the first run.

    The p-values are corrected for all of these differences together.

    Args:
        targets: Aligned predictions by run, for each target.
        split: Split to compare on.
        wanted: Names of the metrics; None takes all of each target's kind.
        n: Number of resamples; None takes as many as the number of differences needs.
        seed: Seed of the random numbers that draw the resamples, which are the same for all runs.
        done: Called with the number of targets that are done.
    """
    ready = [_ready(runs, split, wanted) for runs in targets]
    count = sum(len(one.metrics) * (len(one.runs) - 1) for one in ready)
    found = []
    for one in ready:
        found.append(_compared(one, n or enough(count), seed))
        done(len(found))
    return _corrected(found)


def compare_target(
    runs: Mapping[str, Predictions],
    split: str,
    wanted: Sequence[str] | None = None,
    n: int | None = None,
    seed: int = 0,
) -> Comparison:
    """Return what `compare_targets` does for one target."""
    return compare_targets([runs], split, wanted, n, seed)[0]


def _ready(runs: Mapping[str, Predictions], split: str, wanted: Sequence[str] | None) -> _Scored:
    thresholds = [validation_threshold(one) for one in runs.values()]
    # If a run lacks a threshold of its own, MCC is left out: it would compare thresholds.
    thresholds = thresholds if None not in thresholds else [None] * len(thresholds)
    chosen = [one.take(one.split == split) for one in runs.values()]
    # All runs use the groups and weights of the first, so that the resamples are the same, and the
    # fewest clusters: files of older versions do not name kin.
    rows = [rows_of(one, at) for one, at in zip(chosen, thresholds, strict=True)]
    shared = {name: rows[0][name] for name in ("weight", "group", "id") if name in rows[0]}
    shared["cluster"] = min((one["cluster"] for one in rows), key=lambda x: len(np.unique(x)))
    data: list[Rows] = [{**one, **shared} for one in rows]
    metrics = [
        metric for metric in metrics_for(chosen[0], data[0])
        if wanted is None or metric.name in wanted
    ]  # fmt: skip
    examples = int(known_rows(chosen[0]).sum())
    return _Scored(chosen[0].target.name, split, examples, list(runs), data, metrics)


def _compared(one: _Scored, n: int, seed: int) -> Comparison:
    metrics = tuple(
        (metric.name, metric.better, _entries(metric, one.runs, one.data, n, seed))
        for metric in one.metrics
    )
    clusters = len(np.unique(one.data[0]["cluster"]))
    return Comparison(one.target, one.split, one.examples, clusters, metrics)


def _corrected(found: list[Comparison]) -> list[Comparison]:
    """Return the comparisons with Holm's correction for the differences of all of them."""
    every = [
        entry for one in found for *_, entries in one.metrics for entry in entries
        if entry.difference
    ]  # fmt: skip
    corrected = iter(holm([entry.difference.p for entry in every if entry.difference]))

    def told(entry: Entry) -> Entry:
        if entry.difference is None:
            return entry
        p = next(corrected)
        moved = dataclasses.replace(entry.difference, p_holm=float("nan") if p is None else p)
        return dataclasses.replace(entry, difference=moved)

    return [
        dataclasses.replace(one, metrics=tuple(
            (name, better, tuple(map(told, entries))) for name, better, entries in one.metrics
        )) for one in found
    ]  # fmt: skip


def _entries(metric: Any, runs: list[str], data: list[Any], n: int, seed: int) -> tuple[Entry, ...]:
    groups: NDArray[Any] = data[0]["cluster"]
    size = len(np.unique(groups))
    values = [metric(rows) for rows in data]
    draws = [resampled(metric, rows, groups, n, seed) for rows in data]
    entries: list[Entry] = []
    for run, rows, value, drawn in zip(runs, data, values, draws, strict=True):
        low, high, lost = percentiles(drawn, 0.95)
        score = Interval(value, low, high, size, lost, metric.excluded(rows))
        moved = None
        if entries:
            moved = difference(value - values[0], draws[0], drawn, size)
        entries.append(Entry(run, score, moved))
    return tuple(entries)
