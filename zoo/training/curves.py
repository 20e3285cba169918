"""The curves of a training: curves.csv with one row per epoch, and a plot of it."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lightning import Trainer
from lightning.pytorch.callbacks import Callback

from zoo.models.changes import PREFIX
from zoo.system.files import whole_file
from zoo.system.reading import plain_file

CURVES = "curves.csv"
COLUMNS = ("epoch", "step", "train_loss", "val_loss", "val_score", "lr", "seconds")


class Curves(Callback):
    """Writes one row per epoch into curves.csv, and passes it to a function."""

    def __init__(self, folder: Path, tell: Callable[[dict[str, float]], None]) -> None:
        self.path, self.tell = folder / CURVES, tell
        self.begun = time.monotonic()

    def on_train_start(self, trainer: Trainer, module: Any) -> None:
        """Remove the rows of epochs that a resumed run will repeat."""
        self.begun = time.monotonic()
        if trainer.is_global_zero:
            kept = [row for row in read_curves(self.path) if row["epoch"] < trainer.current_epoch]
            write_curves(self.path, kept)

    def on_train_epoch_start(self, trainer: Trainer, module: Any) -> None:
        """Start the clock of the epoch."""
        self.begun = time.monotonic()

    def on_train_epoch_end(self, trainer: Trainer, module: Any) -> None:
        """Write the row of the epoch."""
        if not trainer.is_global_zero:
            return
        found = {name: float(value) for name, value in trainer.callback_metrics.items()}
        row = {
            "epoch": trainer.current_epoch,
            "step": trainer.global_step,
            "train_loss": found.get("train_loss", float("nan")),
            "val_loss": found.get("val_loss", float("nan")),
            "val_score": found.get("val_score", float("nan")),
            "lr": max(group["lr"] for group in trainer.optimizers[0].param_groups),
            "seconds": time.monotonic() - self.begun,
            **{name: value for name, value in found.items() if name.startswith(PREFIX)},
        }
        write_curves(self.path, [*read_curves(self.path), row])
        self.tell(row)


def read_curves(path: Path) -> list[dict[str, float]]:
    """Return the rows of curves.csv; an empty list if there is no such file."""
    if not path.is_file():
        return []
    with plain_file(path).open(newline="") as file:
        return [{name: float(x) for name, x in row.items()} for row in csv.DictReader(file)]


def write_curves(path: Path, rows: list[dict[str, float]]) -> None:
    """Write the rows; the file is replaced only when it is complete.

    Behind the columns that every training has are those of some rows: what each exchange changed.
    """
    names = dict.fromkeys([*COLUMNS, *(name for row in rows for name in row)])
    with whole_file(path) as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(
            {name: f"{row.get(name, float('nan')):.9g}" for name in names} for row in rows
        )


def best_row(folder: Path) -> dict[str, float]:
    """Return the row of curves.csv with the best score; NaN values if there is no such file."""
    unknown = {"epoch": float("nan"), "val_score": float("nan")}
    rows = read_curves(folder / CURVES)
    return max(rows, key=lambda row: row["val_score"], default=unknown)


def draw(folder: Path) -> None:
    """Plot curves.csv as curves.png: the losses and the validation score."""
    from matplotlib.figure import Figure

    rows = read_curves(folder / CURVES)
    epochs = [row["epoch"] + 1 for row in rows]  # as the log counts them
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    losses, score = figure.subplots(1, 2)
    for name in ("train_loss", "val_loss"):
        losses.plot(epochs, [row[name] for row in rows], marker=".", label=name)
    losses.set(xlabel="epoch", ylabel="loss")
    losses.legend(frameon=False)
    values = [row["val_score"] for row in rows]
    score.plot(epochs, values, marker=".", color="C2")
    if rows:
        best = max(range(len(rows)), key=lambda at: values[at])
        score.axvline(epochs[best], color="0.7", linewidth=1)
        score.set_title(f"best {values[best]:.3f}, epoch {epochs[best]:.0f}", fontsize=10)
    score.set(xlabel="epoch", ylabel="validation score")
    figure.savefig(folder / "curves.png", dpi=120)
