"""Score a run on held-out data, with intervals and next to trivial baselines."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import zoo
from zoo.data.kin import kin_of
from zoo.data.preparing import STORE, read_manifest
from zoo.data.report import hash_of
from zoo.data.rounds import Round, rounds
from zoo.data.samples import SPLITS
from zoo.data.store import Store
from zoo.metrics.floor import predict_all
from zoo.metrics.multiple import FEWEST, correct, differences_in
from zoo.metrics.predictions import Predictions
from zoo.metrics.scannet import LENGTHS
from zoo.metrics.verdict import verdict
from zoo.models.checkpoint import CONFIG
from zoo.models.inference import Hidden
from zoo.models.runs import Run
from zoo.prediction.checking import check_data
from zoo.prediction.held_out import Averages, labelled, predict, unseen
from zoo.settings.config import Scope
from zoo.settings.safe_yaml import read_yaml
from zoo.system.listener import SILENT, Progress
from zoo.system.reading import text
from zoo.training.record import versions

TABLE = "table"
"""Task of tables of the user's own, whose ids mean nothing outside of them."""


@dataclass(frozen=True)
class Settings:
    """What to score, and how.

    Attributes:
        split: split to score: "train", "validation" or "test".
        bootstrap: number of bootstrap resamples; None for 1,000, and for differences as many as
            their number needs.
        seed: seed of the random numbers that draw the resamples.
        device: device to predict on.
        tokens: maximum number of tokens in a batch, padding included.
        states: file of hidden states, for a model that reads one; None for the one it was
            trained on.
        scope: what the models are to take for one protein, if not what they were trained on.
        beside: number of other runs whose scores are read next to these.
    """

    split: str = "test"
    bootstrap: int | None = None
    seed: int = 0
    device: str = "cpu"
    tokens: int = 4096
    states: str | None = None
    scope: Scope | None = None
    beside: int = 0


class Scored(NamedTuple):
    """What a run was found to be worth.

    Attributes:
        metrics: contents of metrics.json.
        predictions: predictions of each target, in the order of the run's targets.
        baselines: predictions of the baselines that are best by some metric, by name, for each
            target.
    """

    metrics: dict[str, Any]
    predictions: list[Predictions]
    baselines: list[dict[str, Predictions]]


def evaluate_run(
    run: Run, data: Path, settings: Settings, *, new: bool = False, hidden: Hidden | None = None,
    progress: Progress = SILENT.progress,
) -> Scored:  # fmt: skip
    """Return the scores of a run, and the predictions that they are of.

    Predictions are of the requested split and of validation, on which thresholds are chosen. For
    data with folds, each sample is predicted by the members that were not trained on it, and counts
    as test.

    Args:
        run: run to score.
        data: folder of the prepared data that the run was trained on.
        settings: what to score, and how.
        new: whether the data may be others, which every member then predicts. Without splits, all
            of their samples count as test.
        hidden: reads stored states of the language model; None to run the language model.
        progress: shows the progress.

    Raises:
        DataError: if the data are not those that the run was trained on.
        ConfigError: if there is nothing to predict in the split.
    """
    names = check_data(run, data, new=new)
    if names is not None:
        everyone = tuple(dataclasses.replace(member, fold=None) for member in run.members)
        run = dataclasses.replace(run, members=everyone)
    with Store(data / STORE, names=names) as store:
        index = store.index()
        plan = _drawn(rounds(index), run) if names is None else [_given(index)]
        labels = labelled(plan, settings.split)
        kin = kin_of(index, dict.fromkeys(key for one in labels for key in one))
        named = names is not None and read_manifest(data)["task"] == TABLE
        seen = unseen(run, labels, allowed=named)
        total = sum(len(labels[member.fold or 0]) for member in run.members)
        with progress("predicting", total) as advance:
            averages = predict(
                run, store, labels, device=settings.device, tokens=settings.tokens,
                states=settings.states, scope=settings.scope, hidden=hidden, advance=advance,
            )  # fmt: skip
        with progress("scoring", len(run.targets)) as advance:
            fitted = settings.split != "train" and all(one.train and one.test for one in plan)
            found = _score(run, store, averages, kin, settings, fitted, advance)
    facts = _facts(run, data, settings, averages)
    facts["listed"] = sum(name == settings.split for one in labels for name in one.values())
    if names is not None:
        facts["new_data"] = {"targets": dict(names), "named_as_in_training": seen}
    return found._replace(metrics={**facts, "targets": found.metrics})


def _given(index: Mapping[str, Mapping[str, Any]]) -> Round:
    """Return the splits of data that no member was trained on; without splits, all are test."""
    kept = {key: fact["split"] for key, fact in index.items() if "dropped" not in fact}
    if not any(kept.values()):
        return Round([], [], list(kept))
    return Round(*([key for key, split in kept.items() if split == name] for name in SPLITS))


def _drawn(plan: list[Round], run: Run) -> list[Round]:
    """Return the rounds; if the data have no validation split, with the one that training drew."""
    if len(plan) > 1 or plan[0].validation:
        return plan
    known = run.members[0].splits()
    held = set(known.get("validation", ())) & set(plan[0].train)
    train = [key for key in plan[0].train if key not in held]
    return [plan[0]._replace(train=train, validation=sorted(held))]


def _score(
    run: Run, store: Store, averages: Averages, kin: Mapping[str, str], settings: Settings,
    fitted: bool,
    advance: Callable[[int], None],
) -> Scored:  # fmt: skip
    scores, predictions, baselines = dict[str, Any](), list[Predictions](), []
    for target in run.targets:
        one = averages.predictions(target).with_kin(kin)
        # Baselines are fitted to the training data, so their scores on it say nothing.
        found = predict_all(store, target) if fitted else {}
        found = {name: _same_rows(baseline, one) for name, baseline in found.items()}
        scores[target.name] = verdict(
            one, averages.predictions(target, calibrated=False), found,
            split=settings.split, n=settings.bootstrap, seed=settings.seed,
            targets=len(run.targets), beside=settings.beside,
            scannet_length=LENGTHS.get(run.facts["task"]),
        )  # fmt: skip
        best = {moved["baseline"] for moved in scores[target.name]["differences"].values()}
        baselines.append({name: other for name, other in found.items() if name in best})
        predictions.append(one)
        advance(len(predictions))
    correct(differences_in(scores))
    return Scored(scores, predictions, baselines)


def _same_rows(baseline: Predictions, one: Predictions) -> Predictions:
    """Return the baseline without samples that no member predicts."""
    if len(baseline) == len(one):
        return baseline
    return baseline.take(np.isin(baseline.id, np.unique(one.id)))


def _facts(run: Run, data: Path, settings: Settings, averages: Averages) -> dict[str, Any]:
    """Return the facts that are needed to reproduce the scores."""
    keys = averages.keys(settings.split)
    return {
        "task": run.facts["task"],
        "split": settings.split,
        "samples": len(keys),
        "split_hash": hash_of(keys),
        "data": str(data),
        "inputs": read_manifest(data)["inputs"],
        "members": [member.name for member in run.members],
        "temperatures": {member.name: member.temperatures() for member in run.members},
        "random_plm": averages.ensemble.random_plm,
        "scope": averages.ensemble.scope,
        "complexes": averages.complexes,
        "bootstrap": {"n": settings.bootstrap or FEWEST, "seed": settings.seed},
        "config": read_yaml(text(run.members[0].folder / CONFIG)),
        "versions": {"zoo": zoo.__version__, **versions()},
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }
