"""One score per protein, and its dependence on length and on identity to the training data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from zoo.data.similarity import main_chains, near_duplicates
from zoo.metrics.bootstrap import Interval, interval
from zoo.metrics.chains import fast_average_precision, per_chain
from zoo.metrics.predictions import Predictions
from zoo.metrics.rows import Array, Rows
from zoo.models.runs import Run

LEAST_IDENTITY = 0.3
"""Sequence identity below which the built-in search does not find relatives reliably."""
LENGTHS = (0, 100, 200, 400, 10**9)
IDENTITIES = (0.0, LEAST_IDENTITY, 0.5, 0.9, 1.01)
Sequences = Mapping[str, Sequence[str]]


class Scores(NamedTuple):
    """One score for each protein.

    Attributes:
        name: name of the metric.
        higher: whether higher is better.
        values: scores by sample id, best first.
        cluster: unit that a bootstrap draws, by sample id.
    """

    name: str
    higher: bool
    values: dict[str, float]
    cluster: dict[str, str]


class Bin(NamedTuple):
    """A group of similar proteins: its size, and the mean score with its 95 % interval."""

    name: str
    proteins: int
    mean: Interval


def score_each(one: Predictions) -> Scores:
    """Return the score of every protein that has one.

    The score is the average precision within a protein for binary targets of residues, the
    probability of the true class for other classes (for labels, the mean over labels), and the
    absolute error for regression.
    """
    if one.target.kind == "binary" and one.target.level == "residue":
        known = ~np.isnan(one.y_true)
        y, chain = one.y_true[known], one.id[known]
        values = per_chain(fast_average_precision, y, one.y_pred[known], chain)
        return _ordered(one, "average precision", True, np.unique(chain), values)
    each = _of_rows(one)
    higher = one.target.kind != "regression"
    names, place = np.unique(one.id, return_inverse=True)
    there = ~np.isnan(each)
    total = np.bincount(place[there], each[there], len(names))
    count = np.bincount(place[there], minlength=len(names))
    values = np.divide(total, count, out=np.full(len(names), np.nan), where=count > 0)
    what = "probability of the truth" if higher else "absolute error"
    return _ordered(one, what, higher, names, values)


def _of_rows(one: Predictions) -> Array:
    """Return the error, or the probability of the true class, of each row; NaN if unknown."""
    y, p = one.y_true, one.y_pred
    if one.target.kind == "regression":
        return np.abs(y - p)
    if one.target.kind == "multiclass":
        known = ~np.isnan(y)
        of_true = p[np.arange(len(y)), np.where(known, y, 0).astype(int)]
        return np.where(known, of_true, np.nan)
    of_true = np.where(np.isnan(y), np.nan, np.where(y > 0, p, 1.0 - p))
    if of_true.ndim == 1:
        return of_true
    known = ~np.isnan(of_true)
    return np.nansum(of_true, axis=1) / np.where(known.any(1), known.sum(1), np.nan)


def _ordered(one: Predictions, name: str, higher: bool, ids: Array, values: Array) -> Scores:
    there = np.flatnonzero(~np.isnan(values))
    order = there[np.argsort(-values[there] if higher else values[there], kind="stable")]
    cluster = dict(zip(one.id.tolist(), one.cluster.tolist(), strict=True))
    return Scores(name, higher, {str(ids[at]): float(values[at]) for at in order}, cluster)


def nearest_identity(run: Run, sequences: Sequences, ids: Sequence[str]) -> dict[str, float]:
    """Return the identity of each protein to the most similar one that its model was trained on.

    Identity is the number of identical residues over the length of the shorter sequence. It is 0
    if the search finds no sequence of at least `LEAST_IDENTITY`, although one may exist. Proteins
    that no member holds out are left out.
    """
    found: dict[str, float] = {}
    for member in {member.fold: member for member in run.members}.values():
        splits = member.splits()
        held = sorted(set(splits.get("test", ())) & set(ids) & set(sequences))
        train = [key for key in splits.get("train", ()) if key in sequences]
        ours, owner = _chains(sequences, held)
        theirs, _ = _chains(sequences, train)
        found |= dict.fromkeys(held, 0.0)
        for _, at, same in near_duplicates(theirs, ours, LEAST_IDENTITY):
            found[owner[at]] = max(found[owner[at]], same)
    return found


def _chains(sequences: Sequences, keys: Sequence[str]) -> tuple[list[str], list[str]]:
    pairs = [(chain, key) for key in keys for chain in main_chains(sequences[key])]
    return [chain for chain, _ in pairs], [key for _, key in pairs]


def by_length(scores: Scores, sequences: Sequences) -> list[Bin]:
    """Return the scores in groups by number of residues."""
    lengths = {key: float(sum(map(len, sequences[key]))) for key in scores.values}
    names = ["below 100", "100 to 199", "200 to 399", "400 and more"]
    return _binned(scores, lengths, LENGTHS, names)


def by_identity(scores: Scores, identity: Mapping[str, float]) -> list[Bin]:
    """Return the scores in groups by identity to the most similar training sequence."""
    names = ["none found at 30 %", "30 to 49 %", "50 to 89 %", "90 % and more"]
    return _binned(scores, identity, IDENTITIES, names)


def _binned(
    scores: Scores, where: Mapping[str, float], edges: Sequence[float], names: Sequence[str]
) -> list[Bin]:
    found = []
    for name, low, high in zip(names, edges, edges[1:], strict=False):
        keys = [key for key in scores.values if key in where and low <= where[key] < high]
        if keys:
            rows = {"y_true": np.array([scores.values[key] for key in keys])}
            clusters = np.array([scores.cluster[key] for key in keys])
            found.append(Bin(name, len(keys), interval(_mean, rows, clusters)))
    return found


def _mean(rows: Rows) -> float:
    return float(rows["y_true"].mean())


def chosen(scores: Scores, asked: Sequence[str]) -> list[str]:
    """Return the proteins to draw: the requested ones, or two each of best, middle and worst."""
    if asked:
        return list(asked)
    keys = list(scores.values)
    middle = len(keys) // 2
    return list(dict.fromkeys([*keys[:2], *keys[middle : middle + 2], *keys[-2:]]))
