"""A run's scores on data that it did not see: with intervals, beside trivial baselines."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import zoo
from zoo.checkpoint import CONFIG
from zoo.metrics.floor import Round, predict_all, rounds
from zoo.metrics.predictions import Predictions
from zoo.metrics.scannet import LENGTHS
from zoo.metrics.verdict import verdict
from zoo.prediction.held_out import Averages, labelled, predict
from zoo.prediction.inference import Hidden
from zoo.runs import Run
from zoo.safe_yaml import read_yaml
from zoo.tasks.data_report import hash_of
from zoo.tasks.preparing import STORE, read_manifest
from zoo.tasks.samples import DataError
from zoo.tasks.store import Store
from zoo.training.record import versions

Progress = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]


@dataclass(frozen=True)
class Settings:
    """What to score, and how.

    Attributes:
        split: "train", "validation" or "test".
        bootstrap: resamples.
        seed: of the resamples.
        device: to predict on.
        tokens: a batch, padding included.
    """

    split: str = "test"
    bootstrap: int = 1000
    seed: int = 0
    device: str = "cpu"
    tokens: int = 4096


@contextmanager
def silent(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Yield a function that is told how much is done, as `zoo.cli.progress`; it shows nothing."""
    yield lambda done: None


def evaluate_run(
    run: Run, data: Path, settings: Settings, *, hidden: Hidden | None = None,
    progress: Progress = silent,
) -> tuple[dict[str, Any], list[Predictions]]:  # fmt: skip
    """Return what metrics.json holds, and the predictions of each target.

    Predictions are of the split that was asked for and of validation, which thresholds are chosen
    on. Over folds they are of every sample by those members that did not see it, as test.

    Args:
        run: to score.
        data: folder of the prepared data that it was trained on.
        settings: what to score, and how.
        hidden: stored states of the language model; without it it runs.
        progress: shows how far it is.

    Raises:
        DataError: if the data are not those of the run.
        ConfigError: if there is nothing to predict in the split.
    """
    check_data(run, data)
    with Store(data / STORE) as store:
        labels = labelled(_drawn(rounds(store.index()), run), settings.split)
        total = sum(len(labels[member.fold or 0]) for member in run.members)
        with progress("predicting", total) as advance:
            averages = predict(
                run, store, labels, device=settings.device, tokens=settings.tokens, hidden=hidden,
                advance=advance,
            )  # fmt: skip
        with progress("scoring", len(run.targets)) as advance:
            predictions, scores = _score(run, store, averages, settings, advance)
    facts = _facts(run, data, settings, averages)
    return {**facts, "targets": scores}, predictions


def _drawn(plan: list[Round], run: Run) -> list[Round]:
    """Return the rounds with the validation samples that training drew where the data have none."""
    if len(plan) > 1 or plan[0].validation:
        return plan
    known = run.members[0].splits() or {}
    held = set(known.get("validation", ())) & set(plan[0].train)
    train = [key for key in plan[0].train if key not in held]
    return [plan[0]._replace(train=train, validation=sorted(held))]


def check_data(run: Run, data: Path) -> None:
    """Check that a prepared folder is whole and holds what the run was trained on.

    Raises:
        DataError: naming both.
    """
    manifest = read_manifest(data)
    if not manifest.get("complete"):
        raise DataError(
            f"{data} holds no prepared data, or not all. `python -m zoo.prepare` makes them; "
            "--data DIR names another place of those that the run was trained on."
        )
    if manifest["inputs"] != run.facts["inputs"]:
        raise DataError(
            f"{data} was prepared from other files (inputs {manifest['inputs']}) than those that "
            f"{run.folder} was trained on (inputs {run.facts['inputs']}, in {run.data}). Name the "
            "same data with --data DIR, or train anew."
        )


def _score(
    run: Run, store: Store, averages: Averages, settings: Settings,
    advance: Callable[[int], None],
) -> tuple[list[Predictions], dict[str, Any]]:  # fmt: skip
    predictions, scores = [], {}
    for target in run.targets:
        one = averages.predictions(target)
        # Of what they are fitted on baselines are no floor.
        found = {} if settings.split == "train" else predict_all(store, target)
        scores[target.name] = verdict(
            one, averages.predictions(target, calibrated=False),
            {name: _same_rows(baseline, one) for name, baseline in found.items()},
            split=settings.split, n=settings.bootstrap, seed=settings.seed,
            scannet_length=LENGTHS.get(run.facts["task"]),
        )  # fmt: skip
        predictions.append(one)
        advance(len(predictions))
    return predictions, scores


def _same_rows(baseline: Predictions, one: Predictions) -> Predictions:
    """Leave out what no member predicts: folds that were not trained, or a split not asked for."""
    if len(baseline) == len(one):
        return baseline
    return baseline.take(np.isin(baseline.id, np.unique(one.id)))


def _facts(run: Run, data: Path, settings: Settings, averages: Averages) -> dict[str, Any]:
    """Return what a number needs beside it to be made again."""
    keys = averages.keys(settings.split)
    return {
        "task": run.facts["task"],
        "split": settings.split,
        "samples": len(keys),
        "split_hash": hash_of(keys),
        "data": str(data),
        "inputs": run.facts["inputs"],
        "members": [member.name for member in run.members],
        "temperatures": {member.name: member.temperatures() for member in run.members},
        "random_plm": averages.random_plm,
        "bootstrap": {"n": settings.bootstrap, "seed": settings.seed},
        "config": read_yaml((run.members[0].folder / CONFIG).read_text()),
        "versions": {"zoo": zoo.__version__, **versions()},
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }
