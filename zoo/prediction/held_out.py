"""Samples of a prepared data set, predicted by those models of a run that did not train on them."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ConfigError
from zoo.inputs import WINDOW, batches
from zoo.metrics.floor import Round
from zoo.metrics.predictions import Predictions, from_samples
from zoo.prediction.ensemble import load_ensemble
from zoo.prediction.inference import Hidden, predict_logits
from zoo.prediction.outputs import activate, columns
from zoo.proteins.protein import Protein, no_atoms
from zoo.runs import SPLITS, Member, Run
from zoo.tasks.samples import DataError, Sample, Target
from zoo.tasks.store import Store

Array = NDArray[np.float64]
Labels = Mapping[str, str]
"""The split that each key counts as, in the order of the predictions."""


def labelled(plan: Sequence[Round], split: str) -> list[Labels]:
    """Return what each round predicts: the split that was asked for, and validation.

    Over folds that is what the round holds out, as test: its validation samples are other rounds'
    test or training samples.

    Raises:
        ConfigError: if there is nothing to predict; lists the splits with their sizes.
    """
    if len(plan) > 1:
        found: list[Labels] = [dict.fromkeys(fold.test, "test") for fold in plan]
        sizes, note = {"test": sum(map(len, found))}, " (every fold, held out once)"
    else:
        (only,), note = plan, ""
        sizes = {name: len(keys) for name, keys in only._asdict().items() if keys}
        found = [dict.fromkeys(only._asdict().get(split, ()), split)
                 | dict.fromkeys(only.validation, "validation")]  # fmt: skip
    if split not in sizes:
        there = ", ".join(f"{name} with {size:,}" for name, size in sizes.items())
        raise ConfigError(
            f"There is nothing to predict in split {split!r}. The data have {there} samples{note}."
        )
    return found


class Averages:
    """Predictions of samples, each the mean over the models that predict it.

    Args:
        targets: in the order of the head's columns.
        labels: of each round.
    """

    def __init__(self, targets: Sequence[Target], labels: Sequence[Labels]) -> None:
        self.random_plm = False
        self._targets, self._columns = targets, columns(targets)
        self._split = {key: split for one in labels for key, split in one.items()}
        self._samples: dict[str, Sample] = {}
        self._members: Counter[str] = Counter()
        self._sums: dict[tuple[str, bool], dict[str, Any]] = {
            (target.name, calibrated): {} for target in targets for calibrated in (False, True)
        }

    def add(
        self, key: str, sample: Sample, logits: Array, temperatures: Mapping[str, float]
    ) -> None:
        """Count one model's prediction in.

        Args:
            key: of the sample.
            sample: its coordinates are not kept.
            logits: (outputs,) or (residues, outputs), of all targets.
            temperatures: of the model, by target; 1 where there is none.
        """
        if key not in self._samples:
            nothing = Protein(sample.protein.name, (), no_atoms())
            self._samples[key] = dataclasses.replace(
                sample, protein=nothing, matches=(), split=self._split[key]
            )
        self._members[key] += 1
        for target in self._targets:
            own = logits[..., self._columns[target.name]]
            for calibrated in (False, True):
                temperature = temperatures.get(target.name, 1.0) if calibrated else 1.0
                sums = self._sums[target.name, calibrated]
                sums[key] = sums.get(key, 0.0) + activate(target, own, temperature)

    def keys(self, split: str) -> list[str]:
        """Return the keys of a split that have a prediction."""
        return [key for key, name in self._split.items() if name == split and key in self._samples]

    def predictions(self, target: Target, *, calibrated: bool = True) -> Predictions:
        """Return the predictions of all splits, in the order of the labels."""
        sums = self._sums[target.name, calibrated]
        there = [key for key in self._split if key in sums]
        means = [sums[key] / self._members[key] for key in there]
        return from_samples(target, [self._samples[key] for key in there], means)


def predict(
    run: Run, store: Store, labels: Sequence[Labels], *, device: str, tokens: int,
    hidden: Hidden | None = None, advance: Callable[[int], None] = lambda done: None,
) -> Averages:  # fmt: skip
    """Return the predictions of every member for the samples that it was not trained on.

    Args:
        run: whose members predict.
        store: prepared data.
        labels: of each round, see `labelled`.
        device: to run on.
        tokens: a batch, padding included.
        hidden: stored states of the language model; without it it runs.
        advance: told how many predictions are made.

    Raises:
        DataError: if a member was trained on what it is to predict as held out.
    """
    for member in run.members:
        _check_unseen(member, labels[member.fold or 0])
    ensemble = load_ensemble(run.folder, device)
    averages, done = Averages(run.targets, labels), 0
    averages.random_plm = ensemble.random_plm
    for fold, mine in enumerate(labels):
        own = [at for at, member in enumerate(ensemble.members) if (member.fold or 0) == fold]
        for batch in _batches(store, list(mine) if own else [], tokens):
            proteins = [sample.protein for _, sample in batch]
            for at in own:
                logits = predict_logits(ensemble.models[at], proteins, device, hidden)
                for (key, sample), one in zip(batch, logits, strict=True):
                    averages.add(key, sample, one, ensemble.temperatures[at])
                done += len(batch)
                advance(done)
    return averages


def _check_unseen(member: Member, labels: Labels) -> None:
    """Refuse a score of what a model has seen as if it had not."""
    trained = set((member.splits() or {}).get("train", ()))
    seen = [key for key, split in labels.items() if split != "train" and key in trained]
    if seen:
        raise DataError(
            f"{member.name} was trained on {len(seen)} samples that the data hold out, such as "
            f"{seen[0]!r}: {member.folder / SPLITS} is of another split. Train anew on these data."
        )


def _batches(store: Store, keys: list[str], tokens: int) -> Iterator[list[tuple[str, Sample]]]:
    """Yield samples by key, longest first; those of a window are in memory at a time."""
    index = store.index()
    keys = sorted(keys, key=lambda key: -sum(map(len, index[key]["sequences"])))
    for start in range(0, len(keys), WINDOW):
        window = [(key, store[key]) for key in keys[start : start + WINDOW]]
        rest = iter(window)
        for batch in batches([sample.protein for _, sample in window], tokens):
            yield list(islice(rest, len(batch)))
