"""Which samples are trained on, which choose the best epoch, and which are left for the end."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from zoo.metrics.floor import Round
from zoo.tasks.data_report import hash_of as hash_of_ids
from zoo.tasks.samples import DataError

SHARE = 0.1
"""Of the training groups, held out where the data name no validation samples."""


def with_validation(plan: Round, index: Mapping[str, Mapping[str, Any]], seed: int) -> Round:
    """Return the round with validation samples; drawn from the training samples if it has none.

    What belongs together (a group, else equal sequences) stays together.
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
    """Return at most `count` samples of each split, drawn by the seed, in their order."""
    if count is None:
        return plan
    return Round(*(_draw(keys, count, seed) for keys in plan))


def _draw(keys: Sequence[str], count: int, seed: int) -> list[str]:
    kept = np.random.default_rng(seed).permutation(len(keys))[:count]
    return [keys[at] for at in sorted(kept)]


def hash_of(plan: Round) -> str:
    """Return a hash of the keys of every split."""
    return hash_of_ids(f"{name} {key}" for name, keys in plan._asdict().items() for key in keys)


@dataclasses.dataclass(frozen=True)
class Plan:
    """A round and where it stands in the data.

    Attributes:
        keys: of the samples.
        fold: which round of a cross-validation; None for a plain split.
        drawn: whether validation samples had to be drawn from the training samples.
    """

    keys: Round
    fold: int | None
    drawn: bool
