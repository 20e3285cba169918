"""Draw the columns of an explanation as coloured strips along the sequence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
ABOUT = {
    "gate": ("trusts sequence", "trusts structure"),
    "heard": ("little attention", "much attention"),
    "crossed": ("to its own branch", "to the other"), "by": ("lowers", "raises"),
}  # fmt: skip
"""Labels of the two ends of a column's colours, by the first word of its name."""


def draw(path: Path, title: str, columns: Mapping[str, Array], stops: Sequence[int]) -> None:
    """Draw one strip for each column, with lines where chains end.

    Args:
        path: PNG file to write.
        title: title of the picture.
        columns: values (residues,) by column name.
        stops: number of residues up to the end of each chain.
    """
    from matplotlib.figure import Figure

    height = 0.9 + 0.75 * len(columns)
    figure = Figure(figsize=(11, height), layout="constrained")
    axes = figure.subplots(len(columns), 1, sharex=True, squeeze=False)[:, 0]
    figure.suptitle(title, fontsize=11)
    for axis, (name, values) in zip(axes, columns.items(), strict=True):
        low, high, colours = _scale(name, values)
        image = axis.imshow(
            values[None], aspect="auto", cmap=colours, vmin=low, vmax=high,
            interpolation="nearest", extent=(0.5, len(values) + 0.5, 0, 1),
        )  # fmt: skip
        axis.set_yticks([])
        axis.set_ylabel(name.replace("_", " "), rotation=0, ha="right", va="center", fontsize=9)
        for stop in stops[:-1]:
            axis.axvline(stop + 0.5, color="black", linewidth=1)
        bar = figure.colorbar(image, ax=axis, pad=0.01, aspect=8)
        bar.set_ticks([low, high], labels=ABOUT[name.partition("_")[0]], fontsize=7)
    axes[-1].set_xlabel("residue")
    figure.savefig(path, dpi=130)


def _scale(name: str, values: Array) -> tuple[float, float, str]:
    """Return the limits of the colours, and the colour map: gates have 0 and 1."""
    if name.startswith("gate"):
        return 0.0, 1.0, "PuOr"
    known = values[~np.isnan(values)]
    if name.startswith("by"):
        end = float(np.abs(known).max(initial=1e-12))
        return -end, end, "RdBu_r"
    return float(known.min(initial=0.0)), float(known.max(initial=1e-12)), "viridis"
