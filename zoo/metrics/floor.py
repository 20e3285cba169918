"""Predicts a prepared data set with all baselines, which every model should beat."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from functools import partial

import numpy as np

import zoo.metrics.baselines
import zoo.metrics.shape
import zoo.metrics.weibull
import zoo.metrics.window  # noqa: F401
from zoo.data.kin import kin_of
from zoo.data.rounds import Round, rounds
from zoo.data.samples import Sample
from zoo.data.store import Store
from zoo.metrics.baseline import Baseline, baselines_for
from zoo.metrics.predictions import Predictions, from_samples
from zoo.metrics.trees import BoostedTrees, row_name
from zoo.proteins.feature_sets import ordered
from zoo.tasks import Target

_kept: dict[tuple[Hashable, Target], dict[str, Predictions]] = {}


def predict_all(store: Store, target: Target) -> dict[str, Predictions]:
    """Return the predictions of each baseline for a target, by name, fitted on training data only.

    Baselines that the training data do not allow are left out: `ligand_size` without ligands,
    `weibull_aft` without bounds. In data with folds, each sample is predicted in the round that
    tests it, and counts as test. The predictions for the data that were asked for last stay in
    memory, because fitting may take a minute, and all cells of a table are scored on the same data.
    """
    key = (store.stamp, target)
    if key not in _kept:
        found = _predict_all(store, target)
        for other in [one for one in _kept if one[0] != store.stamp]:
            del _kept[other]
        _kept[key] = found
    return dict(_kept[key])


def predict_trees(store: Store, target: Target, features: Iterable[str]) -> dict[str, Predictions]:
    """Return the predictions of boosted trees on some feature sets, by the name of their row.

    Returns:
        Nothing for a target that trees do not predict, as one of hundreds of classes.

    Raises:
        ConfigError: If a feature set is unknown; names the nearest one.
    """
    names = ordered(features)
    if not BoostedTrees.serves(target):
        return {}
    return _all_of(store, target, {row_name(names): partial(BoostedTrees, features=names)})


def _predict_all(store: Store, target: Target) -> dict[str, Predictions]:
    return _all_of(store, target, baselines_for(target))


def _all_of(
    store: Store, target: Target, made: Mapping[str, Callable[[Target], Baseline]]
) -> dict[str, Predictions]:
    index = store.index()
    plan = rounds(index)
    kin = kin_of(index, dict.fromkeys(key for one in plan for key in (*one.validation, *one.test)))
    found = {name: _predict(store, target, make, plan) for name, make in made.items()}
    return {name: one.with_kin(kin) for name, one in found.items() if one is not None}


def _predict(
    store: Store, target: Target, make: Callable[[Target], Baseline], plan: list[Round]
) -> Predictions | None:
    parts = []
    for fold in plan:
        fitted = make(target).fit(_samples(store, fold.train))
        if not fitted.possible:
            return None
        parts.append(_part(store, target, fitted, fold.test, "test"))
        if len(plan) == 1 and fold.validation:
            parts.append(_part(store, target, fitted, fold.validation, "validation"))
    columns = [name for name in vars(parts[0]) if name != "target"]
    joined = {name: np.concatenate([getattr(part, name) for part in parts]) for name in columns}
    return Predictions(target, **joined)


def _part(
    store: Store, target: Target, fitted: Baseline, keys: Iterable[str], split: str
) -> Predictions:
    samples = list(_samples(store, keys))
    predictions = from_samples(target, samples, fitted.predict(samples))
    return dataclasses.replace(predictions, split=np.full(len(predictions), split))


def _samples(store: Store, keys: Iterable[str]) -> Iterator[Sample]:
    return (store[key] for key in keys)
