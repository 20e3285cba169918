"""The plots of a run's page, as matplotlib figures of one panel each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from zoo.metrics.rows import Array
from zoo.reporting.style import BLUE, COLOURS, GREY, HALF, ORANGE, legend, panel, whole

Line = tuple[Array, Array]
"""The points of a line: x (n,) and y (n,)."""
DASHED: Mapping[str, Any] = {"color": GREY, "linestyle": "--", "linewidth": 1}


def curves(found: Mapping[str, Sequence[Mapping[str, float]]]) -> list[Figure]:
    """Return plots over the epochs, a colour for each member: the losses, and validation scores.

    Members without a validation score, as those that were trained without validation data, have no
    line, and a plot without a line is left out.
    """
    losses, left = panel()
    score, right = panel()
    for colour, (name, rows) in zip(cycle(COLOURS), found.items(), strict=False):
        epochs = [row["epoch"] + 1 for row in rows]  # as the log counts them
        for key, line in (("train_loss", "--"), ("val_loss", "-")):
            label = name if key == "val_loss" else None
            left.plot(epochs, [row[key] for row in rows], line, color=colour, label=label)
        scores = [row["val_score"] for row in rows]
        if np.isfinite(scores).any():
            right.plot(epochs, scores, color=colour, marker=".", label=name)
    for axes, what in ((left, "loss"), (right, "validation score")):
        axes.set(xlabel="epoch", ylabel=what)
        whole(axes.xaxis)
        legend(axes)
    return [losses, *([score] if right.lines else [])]


def reliability(said: Array, came: Array) -> Figure:
    """Return a plot of observed frequencies (bins,) against predicted probabilities (bins,)."""
    figure, axes = panel(height=3.9)
    axes.plot([0, 1], [0, 1], label="as predicted", **DASHED)
    axes.plot(said, came, color=BLUE, marker="o", markersize=4, label="model")
    axes.set(xlabel="predicted", ylabel="observed", xlim=(0, 1), ylim=(0, 1))
    legend(axes)
    return figure


def roc(lines: Mapping[str, Line]) -> Figure:
    """Return ROC curves: the model's first, then that of a baseline, by what the legend says."""
    figure, axes = panel(height=4.3)
    for colour, (name, (x, y)) in zip((BLUE, ORANGE), lines.items(), strict=False):
        axes.plot(x, y, color=colour, label=name)
    axes.plot([0, 1], [0, 1], label="chance 0.500", **DASHED)
    axes.set(xlabel="false positives, share of negatives", ylabel="true positives, share",
             xlim=(0, 1), ylim=(0, 1.01))  # fmt: skip
    legend(axes)
    return figure


def precision_recall(lines: Mapping[str, Line], positives: float) -> Figure:
    """Return precision-recall curves, as `roc` does; chance is the share of positives."""
    figure, axes = panel(height=4.3)
    for colour, (name, (x, y)) in zip((BLUE, ORANGE), lines.items(), strict=False):
        axes.plot(x, y, color=colour, label=name, drawstyle="steps-pre")
    axes.axhline(positives, label=f"chance {positives:.3f}", **DASHED)
    axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.01))
    legend(axes)
    return figure


def against_truth(
    name: str, told: str, points: Line, beyond: Array, ends: tuple[float, float],
    width: float = HALF,
) -> Figure:  # fmt: skip
    """Return a plot of predicted against true values; on the dashed line they are equal.

    Args:
        name: Who predicts: "model", or the name of a baseline.
        told: Its score.
        points: True values (n,), predicted values (n,).
        beyond: (n,) 1 if the true value is above the one that is drawn, -1 if it is below, else 0.
        ends: Both ends of both axes.
        width: Width in inches.
    """
    figure, axes = panel(width, width + 0.25)
    true, said = points
    colour = BLUE if name == "model" else ORANGE
    alpha = float(np.clip(300 / max(len(true), 1), 0.25, 0.8))
    axes.plot(ends, ends, **DASHED)
    for sign, marker, label in ((0, "o", ""), (1, ">", "true value is higher"),
                                (-1, "<", "true value is lower")):  # fmt: skip
        rows = beyond == sign
        if rows.any():
            axes.scatter(true[rows], said[rows], s=12, marker=marker, color=colour, alpha=alpha,
                         linewidths=0, label=label or None)  # fmt: skip
    axes.set(xlabel="true", ylabel="predicted", xlim=ends, ylim=ends)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(5))
    axes.set_title(f"{name}\n{told}", fontsize=9, loc="left")
    if (beyond != 0).any():
        legend(axes)
    return figure


def forest(what: str, rows: Mapping[str, tuple[float, float, float]], higher: bool) -> Figure:
    """Return a plot of differences with their intervals, one row for each, from top to bottom.

    Args:
        what: Name of the metric.
        rows: Difference and both ends of its interval, which may be NaN, by name of the baseline.
        higher: Whether a difference above zero is good.
    """
    figure, axes = panel(HALF, 1.3 + 0.32 * len(rows))
    for at, (value, low, high) in enumerate(rows.values()):
        clear = low > 0 or high < 0
        axes.plot([low, high], [at, at], color=BLUE, linewidth=1.8, solid_capstyle="butt")
        axes.plot(value, at, "o", color=BLUE, markersize=6, markeredgewidth=1.5,
                  markerfacecolor=BLUE if clear else "white")  # fmt: skip
    axes.axvline(0, zorder=0, **DASHED)
    axes.set_yticks(range(len(rows)), list(rows), fontsize=9)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    side = "right" if higher else "left"
    axes.set_xlabel(f"{what}, model - baseline\n({side} of 0 the model is better)", fontsize=9)
    axes.locator_params(axis="x", nbins=5)
    return figure
