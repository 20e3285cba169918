"""The plots of a run's page, as matplotlib figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from zoo.metrics.rows import Array


def curves(found: Mapping[str, Sequence[Mapping[str, float]]]) -> Figure:
    """Return a plot of the losses and validation scores of each member over the epochs."""
    figure = Figure(figsize=(9, 3.2), layout="constrained", dpi=110)
    losses, score = figure.subplots(1, 2)
    for at, (name, rows) in enumerate(found.items()):
        epochs = [row["epoch"] for row in rows]
        losses.plot(epochs, [row["train_loss"] for row in rows], f"C{at}--", linewidth=1)
        losses.plot(epochs, [row["val_loss"] for row in rows], f"C{at}", label=name)
        score.plot(epochs, [row["val_score"] for row in rows], f"C{at}", marker=".")
    losses.set(xlabel="epoch", ylabel="loss")
    losses.legend(frameon=False, fontsize=8)
    score.set(xlabel="epoch", ylabel="validation score")
    return figure


def reliability(said: Array, came: Array) -> Figure:
    """Return a plot of observed frequencies (bins,) against predicted probabilities (bins,)."""
    figure = Figure(figsize=(4, 3.6), layout="constrained", dpi=110)
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="0.8")
    axes.plot(said, came, marker="o")
    axes.set(xlabel="predicted", ylabel="observed", xlim=(0, 1), ylim=(0, 1))
    return figure
