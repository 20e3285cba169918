"""Rounds of training: which samples train a model, which choose its best epoch, which test it.

Data with splits have one round. Data with folds have one round for each fold: each fold is tested
once, by the model that was trained without it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from zoo.data.report import hash_of as hash_of_ids
from zoo.errors import DataError

FOLD = re.compile(r"fold(\d+)")
"""Name of the subset of a sample in data with folds instead of splits: "fold3"."""
FEWEST = 3
"""Smallest number of folds: one each to train, validate and test."""
SHARE = 0.1
"""Share of the training groups that is held out for validation if the data have no such split."""


class Round(NamedTuple):
    """Keys of the samples of each split."""

    train: list[str]
    validation: list[str]
    test: list[str]


class Fold(NamedTuple):
    """The names of the folds that train, validate and test in one round of cross-validation."""

    train: tuple[str, ...]
    validation: str
    test: str


@dataclass(frozen=True)
class Plan:
    """One round of training, and where it came from.

    Attributes:
        keys: Keys of the samples of each split.
        fold: Number of the round in a cross-validation, from 0; None for data with splits.
        drawn: Whether the validation samples were drawn from the training samples.
    """

    keys: Round
    fold: int | None
    drawn: bool


def rounds(index: Mapping[str, Mapping[str, Any]]) -> list[Round]:
    """Return the rounds of training: one for data with splits, one for each fold otherwise.

    Raises:
        DataError: If the data have neither splits nor at least three folds.
    """
    kept = {key: fact for key, fact in index.items() if "dropped" not in fact}

    def of(field: str, *names: str) -> list[str]:
        return [key for key, fact in kept.items() if fact[field] in names]

    if of("split", "train") and of("split", "test"):
        return [Round(of("split", "train"), of("split", "validation"), of("split", "test"))]
    present = {fact["subset"] for fact in kept.values() if FOLD.fullmatch(fact["subset"])}
    if len(present) < FEWEST:
        raise _no_rounds()
    return [
        Round(of("subset", *fold.train), of("subset", fold.validation), of("subset", fold.test))
        for fold in folds(present)
    ]


def check_parts(parts: Iterable[str]) -> None:
    """Check by the names of the parts that data can be trained on, without reading their index.

    Args:
        parts: Names of the parts in a manifest: "train", "test/homology", "fold3".

    Raises:
        DataError: If the data have neither splits nor at least three folds.
    """
    names = list(parts)
    splits = {name.partition("/")[0] for name in names}
    if not {"train", "test"} <= splits and sum(map(bool, map(FOLD.fullmatch, names))) < FEWEST:
        raise _no_rounds()


def _no_rounds() -> DataError:
    return DataError(
        "The data have no train and test split, nor folds. For a table of your own, `python -m "
        "zoo.split labels.csv` writes labels_split.csv, which has a split column; prepare that "
        "file: `python -m zoo.prepare table --data labels_split.csv --out DIR`."
    )


def folds(present: Collection[str]) -> list[Fold]:
    """Return one round for each fold: it tests, the next fold validates, and the others train.

    With five folds, fold 2 is tested by a model that was trained on folds 1, 4 and 5, and whose
    best epoch was chosen on fold 3.

    Raises:
        ValueError: If there are fewer than three folds: one each to train, validate and test.
    """
    names = sorted(present, key=lambda name: int(name.removeprefix("fold")))
    if len(names) < 3:
        raise ValueError(f"three folds are needed at least, there are {len(names)}: {names}")
    found = []
    for at, test in enumerate(names):
        validation = names[(at + 1) % len(names)]
        train = tuple(name for name in names if name not in (test, validation))
        found.append(Fold(train, validation, test))
    return found


def with_validation(plan: Round, index: Mapping[str, Mapping[str, Any]], seed: int) -> Round:
    """Return the round with validation samples, drawn from the training samples if it has none.

    Samples of one group, or without groups those of equal sequences, stay in one split.
    """
    if plan.validation:
        return plan
    owner = {key: index[key]["group"] or str(index[key]["sequences"]) for key in plan.train}
    names = sorted(set(owner.values()))
    if len(names) < 2:
        raise DataError("There is no validation split, and too little training data to make one.")
    count = max(1, round(SHARE * len(names)))
    chosen = set(np.random.default_rng(seed).permutation(names)[:count].tolist())
    held = [key for key in plan.train if owner[key] in chosen]
    return plan._replace(train=[k for k in plan.train if owner[k] not in chosen], validation=held)


def limited(plan: Round, count: int | None, seed: int) -> Round:
    """Return at most `count` samples of each split, drawn at random and kept in their order."""
    if count is None:
        return plan
    return Round(*(_draw(keys, count, seed) for keys in plan))


def _draw(keys: Sequence[str], count: int, seed: int) -> list[str]:
    kept = np.random.default_rng(seed).permutation(len(keys))[:count]
    return [keys[at] for at in sorted(kept)]


def hash_of(plan: Round) -> str:
    """Return a hash of the keys of every split."""
    return hash_of_ids(f"{name} {key}" for name, keys in plan._asdict().items() for key in keys)
