"""Score a run on held-out data, with intervals and next to trivial baselines."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import zoo
from zoo.data.kin import kin_of
from zoo.data.preparing import STORE, read_manifest
from zoo.data.report import hash_of
from zoo.data.rounds import Round, rounds
from zoo.data.store import Store
from zoo.errors import DataError
from zoo.metrics.floor import predict_all
from zoo.metrics.multiple import FEWEST, correct, differences_in
from zoo.metrics.predictions import Predictions
from zoo.metrics.scannet import LENGTHS
from zoo.metrics.verdict import verdict
from zoo.models.checkpoint import CONFIG
from zoo.models.inference import Hidden
from zoo.models.runs import Run
from zoo.prediction.held_out import Averages, labelled, predict
from zoo.settings.safe_yaml import read_yaml
from zoo.system.listener import SILENT, Progress
from zoo.system.reading import text
from zoo.training.record import versions


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
        beside: number of other runs whose scores are read next to these.
    """

    split: str = "test"
    bootstrap: int | None = None
    seed: int = 0
    device: str = "cpu"
    tokens: int = 4096
    states: str | None = None
    beside: int = 0


def evaluate_run(
    run: Run, data: Path, settings: Settings, *, hidden: Hidden | None = None,
    progress: Progress = SILENT.progress,
) -> tuple[dict[str, Any], list[Predictions]]:  # fmt: skip
    """Return the contents of metrics.json, and the predictions of each target.

    Predictions are of the requested split and of validation, on which thresholds are chosen. For
    data with folds, each sample is predicted by the members that were not trained on it, and counts
    as test.

    Args:
        run: run to score.
        data: folder of the prepared data that the run was trained on.
        settings: what to score, and how.
        hidden: reads stored states of the language model; None to run the language model.
        progress: shows the progress.

    Raises:
        DataError: if the data are not those that the run was trained on.
        ConfigError: if there is nothing to predict in the split.
    """
    check_data(run, data)
    with Store(data / STORE) as store:
        index = store.index()
        labels = labelled(_drawn(rounds(index), run), settings.split)
        kin = kin_of(index, dict.fromkeys(key for one in labels for key in one))
        total = sum(len(labels[member.fold or 0]) for member in run.members)
        with progress("predicting", total) as advance:
            averages = predict(
                run, store, labels, device=settings.device, tokens=settings.tokens,
                states=settings.states, hidden=hidden, advance=advance,
            )  # fmt: skip
        with progress("scoring", len(run.targets)) as advance:
            predictions, scores = _score(run, store, averages, kin, settings, advance)
    facts = _facts(run, data, settings, averages)
    return {**facts, "targets": scores}, predictions


def _drawn(plan: list[Round], run: Run) -> list[Round]:
    """Return the rounds; if the data have no validation split, with the one that training drew."""
    if len(plan) > 1 or plan[0].validation:
        return plan
    known = run.members[0].splits()
    held = set(known.get("validation", ())) & set(plan[0].train)
    train = [key for key in plan[0].train if key not in held]
    return [plan[0]._replace(train=train, validation=sorted(held))]


def check_data(run: Run, data: Path) -> None:
    """Check that a prepared folder is complete and holds the data that the run was trained on.

    Raises:
        DataError: if it does not; names the folder and the data of the run.
    """
    manifest = read_manifest(data)
    if not manifest.get("complete"):
        raise DataError(
            f"{data} holds no prepared data, or only a part. `python -m zoo.prepare` makes them; "
            "--data DIR names the folder if the data of the run have moved."
        )
    if manifest["inputs"] != run.facts["inputs"]:
        raise DataError(
            f"{data} was prepared from other files (inputs {manifest['inputs']}) than those that "
            f"{run.folder} was trained on (inputs {run.facts['inputs']}, in {run.data}). Name the "
            "same data with --data DIR, or train again."
        )


def _score(
    run: Run, store: Store, averages: Averages, kin: Mapping[str, str], settings: Settings,
    advance: Callable[[int], None],
) -> tuple[list[Predictions], dict[str, Any]]:  # fmt: skip
    predictions, scores = [], {}
    for target in run.targets:
        one = averages.predictions(target).with_kin(kin)
        # Baselines are fitted to the training data, so their scores on it say nothing.
        found = {} if settings.split == "train" else predict_all(store, target)
        scores[target.name] = verdict(
            one, averages.predictions(target, calibrated=False),
            {name: _same_rows(baseline, one) for name, baseline in found.items()},
            split=settings.split, n=settings.bootstrap, seed=settings.seed,
            targets=len(run.targets), beside=settings.beside,
            scannet_length=LENGTHS.get(run.facts["task"]),
        )  # fmt: skip
        predictions.append(one)
        advance(len(predictions))
    correct(differences_in(scores))
    return predictions, scores


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
        "inputs": run.facts["inputs"],
        "members": [member.name for member in run.members],
        "temperatures": {member.name: member.temperatures() for member in run.members},
        "random_plm": averages.random_plm,
        "bootstrap": {"n": settings.bootstrap or FEWEST, "seed": settings.seed},
        "config": read_yaml(text(run.members[0].folder / CONFIG)),
        "versions": {"zoo": zoo.__version__, **versions()},
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }
