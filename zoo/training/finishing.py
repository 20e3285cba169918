"""Finish a training: save the best epoch's weights, calibrate them and write the model card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from zoo.data.rounds import hash_of
from zoo.models.checkpoint import load_state, save_model
from zoo.models.runs import CALIBRATION, write_shared
from zoo.models.thresholds import write_thresholds
from zoo.system.counting import counted
from zoo.system.files import read_json, write_json
from zoo.training.calibrating import (
    calibrate,
    choose_thresholds,
    load_seen,
    predicted,
    save_seen,
)
from zoo.training.callbacks import BEST, read_checkpoint
from zoo.training.curves import best_row, draw
from zoo.training.data import TrainingData
from zoo.training.job import Job
from zoo.training.module import Seen, TrainingModule

VALIDATION = "validation.npz"
"""Predictions for the validation data, from which an ensemble is calibrated."""


def finish(job: Job, module: TrainingModule, data: TrainingData) -> None:
    """Save the best epoch's weights, their calibration and the curves."""
    best = job.checkpoints / f"{BEST}.ckpt"
    state = read_checkpoint(best)["state_dict"]
    own = {k.removeprefix("model."): v for k, v in state.items() if k.startswith("model.")}
    load_state(module.model, own, str(best))
    seen = predicted(module, data)
    found = calibrate(job.targets, [seen])
    save_seen(job.checkpoints / VALIDATION, seen)
    write_json(job.folder / CALIBRATION, found)
    own = {name: facts["temperature"] for name, facts in found.items()}
    write_thresholds(job.folder, choose_thresholds(job.targets, [([seen], own)]))
    draw(job.folder)
    save_model(module.model.eval(), job.folder, _told(job, found))


def finish_ensemble(folder: Path, jobs: Sequence[Job]) -> None:
    """Calibrate models that were trained on the same samples together, as they predict together.

    Members that an earlier version trained keep temperatures of their own, and get no threshold.
    """
    found: list[dict[str, Any]] = []
    rounds: list[tuple[list[Seen], dict[str, float]]] = []
    for fold in dict.fromkeys(job.plan.fold for job in jobs):
        members = [job for job in jobs if job.plan.fold == fold]
        paths = [job.checkpoints / VALIDATION for job in members]
        if not all(path.is_file() for path in paths):
            continue
        seen = [*map(load_seen, paths)]
        if len(members) > 1:
            fitted = calibrate(members[0].targets, seen)
            found.append({"fold": fold, "targets": fitted})
        else:
            fitted = read_json(members[0].folder / CALIBRATION)
        rounds.append((seen, {name: facts["temperature"] for name, facts in fitted.items()}))
    if found:
        write_shared(folder, found)
    if len(jobs) > 1 and len(rounds) == len({job.plan.fold for job in jobs}):
        write_thresholds(folder, choose_thresholds(jobs[0].targets, rounds))


def _told(job: Job, calibration: dict[str, dict[str, float]]) -> list[str]:
    """Return the model card's lines on how the model was trained."""
    best, keys, start = best_row(job.folder), job.plan.keys, job.config.train.start
    lines = [
        *([f"- began with the weights of {start}"] if start else []),
        f"- data: {job.manifest.get('source', job.config.task)} (inputs {job.manifest['inputs']}), "
        f"{len(keys.train):,} training, {len(keys.validation):,} validation, {len(keys.test):,} "
        f"test samples, hash of the split {hash_of(keys)}",
        f"- {job.name}, {_best(best)} ({job.score}; selected on it, so it is optimistic)",
        "- scores on the test split: metrics.json beside this file, once `python -m zoo.evaluate` "
        "has run",
    ]
    return lines + [
        f"- {name}: temperature {facts['temperature']:.3f}, calibration error "
        f"{facts['ece_before']:.3f} before and {facts['ece_after']:.3f} after it, on validation"
        for name, facts in calibration.items()
    ]


def _best(row: Mapping[str, float]) -> str:
    """Return a clause on the best epoch, of which nothing is known if curves.csv was lost."""
    if row["epoch"] != row["epoch"]:
        return "chosen by a validation score that was lost with curves.csv"
    epochs = counted(round(row["epoch"]) + 1, "epoch")
    return f"{epochs} to the best validation score {row['val_score']:.4f}"
