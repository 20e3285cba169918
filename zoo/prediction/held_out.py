"""Predict the samples of prepared data with the models of a run that were not trained on them."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.data.rounds import Round
from zoo.data.samples import Sample
from zoo.data.store import Store
from zoo.errors import ConfigError, DataError
from zoo.metrics.predictions import Predictions, from_samples
from zoo.models.inference import Hidden, Shared, predict_logits
from zoo.models.outputs import activate, columns
from zoo.models.runs import SPLITS, Run
from zoo.prediction.ensemble import Ensemble, load_ensemble
from zoo.prediction.inputs import WINDOW, batches
from zoo.proteins.protein import Protein, no_atoms
from zoo.settings.config import Scope
from zoo.system.counting import counted
from zoo.tasks import Target

Array = NDArray[np.float64]
Labels = Mapping[str, str]
"""Split of each sample by its key, in the order of the predictions."""


def labelled(plan: Sequence[Round], split: str) -> list[Labels]:
    """Return the samples that each round predicts: the requested split, and validation.

    For data with folds, a round predicts only its held-out fold, as test, because its validation
    samples are test or training samples of other rounds.

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
        there = ", ".join(f"{name} with {counted(size, 'sample')}" for name, size in sizes.items())
        raise ConfigError(
            f"There is nothing to predict in split {split!r}. The data have {there}{note}."
        )
    return found


class Averages:
    """The mean prediction of each sample over the models that predict it.

    Args:
        targets: targets in the order of the head's columns.
        labels: split of each sample by its key, for each round.
        ensemble: models that predict.

    Attributes:
        ensemble: models that predict.
        complexes: number of samples of several chains that were predicted.
    """

    def __init__(
        self, targets: Sequence[Target], labels: Sequence[Labels], ensemble: Ensemble
    ) -> None:
        self.ensemble, self.complexes = ensemble, 0
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
        """Add the prediction of one model for one sample.

        Args:
            key: key of the sample.
            sample: sample, whose coordinates are not kept.
            logits: predictions (outputs,) or (residues, outputs) of all targets.
            temperatures: temperatures of the model by target; 1 for targets without one.
        """
        if key not in self._samples:
            self.complexes += len(sample.protein.chains) > 1
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
    states: str | None = None, scope: Scope | None = None, hidden: Hidden | None = None,
    advance: Callable[[int], None] = lambda done: None,
) -> Averages:  # fmt: skip
    """Return the predictions of every member for the samples that it was not trained on.

    Args:
        run: run whose members predict.
        store: prepared data.
        labels: split of each sample by its key, for each round; see `labelled`.
        device: device to run on.
        tokens: maximum number of tokens in a batch, padding included.
        states: file of hidden states, for a model that reads one.
        scope: what the models are to take for one protein, if not what they were trained on.
        hidden: reads stored states of the language model; None to run the language model.
        advance: called with the number of predictions made so far.
    """
    ensemble = load_ensemble(run.folder, device, states, scope)
    averages, done = Averages(run.targets, labels, ensemble), 0
    for fold, mine in enumerate(labels):
        own = [at for at, member in enumerate(run.members) if (member.fold or 0) == fold]
        for batch in _batches(store, list(mine) if own else [], tokens):
            parts = ensemble.parts([sample.protein for _, sample in batch])
            shared = Shared(parts.proteins)
            for at in own:
                model = ensemble.models[at]
                logits = parts.joined(
                    predict_logits(model, parts.proteins, device, hidden, shared.of(model))
                )
                for (key, sample), one in zip(batch, logits, strict=True):
                    averages.add(key, sample, one, ensemble.temperatures[at])
                done += len(batch)
                advance(done)
    return averages


def unseen(run: Run, labels: Sequence[Labels], *, allowed: bool = False) -> int | None:
    """Return how many held-out samples are named as samples that their member was trained on.

    It is None for a run that was shared without the names of its samples.

    Args:
        run: run whose members predict.
        labels: split of each sample by its key, for each round; see `labelled`.
        allowed: whether there may be any, because equal names need not be the same sample.

    Raises:
        DataError: if there are any, and there may be none.
    """
    if not run.names_samples:
        return None
    found = set()
    for member in run.members:
        trained = set(member.splits().get("train", ()))
        held = labels[member.fold or 0].items()
        seen = [key for key, split in held if split != "train" and key in trained]
        if seen and not allowed:
            raise DataError(
                f"{member.name} was trained on {counted(len(seen), 'sample')} that the data hold "
                f"out, such as {seen[0]!r}: {member.folder / SPLITS} is of another split. Train "
                "again on these data."
            )
        found |= set(seen)
    return len(found)


def _batches(store: Store, keys: list[str], tokens: int) -> Iterator[list[tuple[str, Sample]]]:
    """Yield batches of keys and samples, longest first; one window is in memory at a time."""
    index = store.index()
    keys = sorted(keys, key=lambda key: -sum(map(len, index[key]["sequences"])))
    for start in range(0, len(keys), WINDOW):
        window = [(key, store[key]) for key in keys[start : start + WINDOW]]
        rest = iter(window)
        for batch in batches([sample.protein for _, sample in window], tokens):
            yield list(islice(rest, len(batch)))
