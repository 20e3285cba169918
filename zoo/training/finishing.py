"""What training ends with: the best epoch's weights, calibrated, and a card that tells of them."""

from __future__ import annotations

from pathlib import Path

from zoo.checkpoint import load_state, save_model
from zoo.runs import CALIBRATION, write_json
from zoo.training import splits
from zoo.training.calibrating import calibrate
from zoo.training.callbacks import BEST, CURVES, read_checkpoint, read_curves
from zoo.training.curves import draw
from zoo.training.data import TrainingData
from zoo.training.job import Job
from zoo.training.module import TrainingModule
from zoo.training.scoring import score_name


def finish(job: Job, module: TrainingModule, data: TrainingData) -> None:
    """Save the best epoch's weights, their calibration and the curves."""
    best = job.checkpoints / f"{BEST}.ckpt"
    state = read_checkpoint(best)["state_dict"]
    own = {k.removeprefix("model."): v for k, v in state.items() if k.startswith("model.")}
    load_state(module.model, own, str(best))
    found = calibrate(module, data)
    write_json(job.folder / CALIBRATION, found)
    draw(job.folder)
    save_model(module.model.eval(), job.folder, _told(job, found))


def _told(job: Job, calibration: dict[str, dict[str, float]]) -> list[str]:
    """Return the model card's lines on how the model was trained."""
    best, keys = best_row(job.folder), job.plan.keys
    lines = [
        f"- data: {job.manifest.get('source', job.config.task)} (inputs {job.manifest['inputs']}), "
        f"{len(keys.train):,} training, {len(keys.validation):,} validation, {len(keys.test):,} "
        f"test samples, hash of the split {splits.hash_of(keys)}",
        f"- {job.name}, {best['epoch'] + 1:.0f} epochs to the best validation score "
        f"{best['val_score']:.4f} ({score_name(job.targets)}; selected on it, so it is optimistic)",
        "- scores on the test split: metrics.json beside this file, once `python -m zoo.evaluate` "
        "has run",
    ]
    return lines + [
        f"- {name}: temperature {facts['temperature']:.3f}, calibration error "
        f"{facts['ece_before']:.3f} before and {facts['ece_after']:.3f} after it, on validation"
        for name, facts in calibration.items()
    ]


def best_row(folder: Path) -> dict[str, float]:
    """Return the row of curves.csv with the best score; NaN where there is no such file."""
    unknown = {"epoch": float("nan"), "val_score": float("nan")}
    rows = read_curves(folder / CURVES)
    return max(rows, key=lambda row: row["val_score"], default=unknown)
