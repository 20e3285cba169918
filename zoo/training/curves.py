"""A picture of the curves."""

from __future__ import annotations

from pathlib import Path

from zoo.training.callbacks import CURVES, read_curves


def draw(folder: Path) -> None:
    """Draw curves.csv into curves.png: the losses, and the validation score."""
    from matplotlib.figure import Figure

    rows = read_curves(folder / CURVES)
    epochs = [row["epoch"] for row in rows]
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
