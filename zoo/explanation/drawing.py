"""Draw the columns of an explanation as coloured strips along the sequence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from zoo.explanation.colours import gate_colours

if TYPE_CHECKING:
    from matplotlib.colors import Colormap

Array = NDArray[np.float64]
ABOUT = {
    "gate": ("trusts sequence", "trusts structure"),
    "heard": ("little attention", "much attention"),
    "crossed": ("to its own branch", "to the other"), "by": ("lowers", "raises"),
}  # fmt: skip
"""Labels of the two ends of a column's colours, by the first word of its name."""


def draw(path: Path, title: str, columns: Mapping[str, Array], stops: Sequence[int]) -> None:
    """Draw one strip for each column, with lines where chains end.

    Columns of one kind ("gate", "heard", "crossed", "by") share one scale, whose ends are written
    beside each strip, so that equal colours are equal values.

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
        kind = kind_of(name)
        low, high, colours = _scale(kind, [v for n, v in columns.items() if kind_of(n) == kind])
        image = axis.imshow(
            values[None], aspect="auto", cmap=colours, vmin=low, vmax=high,
            interpolation="nearest", extent=(0.5, len(values) + 0.5, 0, 1),
        )  # fmt: skip
        axis.set_yticks([])
        axis.set_ylabel(name.replace("_", " "), rotation=0, ha="right", va="center", fontsize=9)
        for stop in stops[:-1]:
            axis.axvline(stop + 0.5, color="black", linewidth=1)
        bar = figure.colorbar(image, ax=axis, pad=0.01, aspect=8)
        ends = [f"{end:.3g} {text}" for end, text in zip((low, high), ABOUT[kind], strict=True)]
        bar.set_ticks([low, high], labels=ends, fontsize=7)
    axes[-1].set_xlabel("residue")
    figure.savefig(path, dpi=130)


def kind_of(name: str) -> str:
    """Return the kind of a column, the first word of its name."""
    return name.partition("_")[0]


def _scale(kind: str, columns: Sequence[Array]) -> tuple[float, float, str | Colormap]:
    """Return the limits of the colours for all columns of a kind, and the colour map."""
    if kind == "gate":
        return 0.0, 1.0, gate_colours()
    every = np.concatenate(columns)
    known = every[~np.isnan(every)]
    if kind == "by":  # neither blue nor orange, which are the branches
        end = float(np.abs(known).max(initial=1e-12))
        return -end, end, "PRGn"
    return float(known.min(initial=0.0)), float(known.max(initial=1e-12)), "viridis"
