"""What no model should score below: every trivial baseline on a prepared data set."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

import zoo.metrics.baselines  # noqa: F401
import zoo.metrics.weibull  # noqa: F401
from zoo.metrics.baseline import Baseline, baselines_for
from zoo.metrics.predictions import Predictions, from_samples
from zoo.tasks.bce import FOLDS, folds
from zoo.tasks.samples import DataError, Sample, Target
from zoo.tasks.store import Store


class Round(NamedTuple):
    """Keys of the samples to fit on and of those to predict; one for a plain split."""

    train: list[str]
    validation: list[str]
    test: list[str]


def rounds(index: Mapping[str, Mapping[str, Any]]) -> list[Round]:
    """Return how to fit and predict: once for given splits, once a fold for folds.

    Raises:
        DataError: if there are neither splits nor folds.
    """
    kept = {key: fact for key, fact in index.items() if "dropped" not in fact}

    def of(field: str, *names: str) -> list[str]:
        return [key for key, fact in kept.items() if fact[field] in names]

    if of("split", "train") and of("split", "test"):
        return [Round(of("split", "train"), of("split", "validation"), of("split", "test"))]
    present = {fact["subset"] for fact in kept.values()} & set(FOLDS)
    if len(present) < 3:
        raise DataError(
            "The data have no train and test split, nor folds. Give labels.csv a split column: "
            "`python -m zoo.split` writes one."
        )
    return [
        Round(of("subset", *fold.train), of("subset", fold.validation), of("subset", fold.test))
        for fold in folds(present)
    ]


def predict_all(store: Store, target: Target) -> dict[str, Predictions]:
    """Return the predictions of every baseline that serves a target, fitted on training data only.

    Over folds each sample is predicted by the round that holds it out, and counts as test.
    """
    plan = rounds(store.index())
    return {name: _predict(store, target, cls, plan) for name, cls in baselines_for(target).items()}


def _predict(store: Store, target: Target, cls: type[Baseline], plan: list[Round]) -> Predictions:
    parts = []
    for fold in plan:
        fitted = cls(target).fit(_samples(store, fold.train))
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
