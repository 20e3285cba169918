"""The look that all plots on the pages share.

The run, or what is measured, is blue. What it is compared with is orange. Chance, zero and equality
are grey and dashed. A legend stands below its axes, where it covers nothing.
"""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

BLUE, ORANGE, GREY = "#2563a8", "#d9822b", "#8a8f98"
COLOURS = (BLUE, ORANGE, "#2a8a5f", "#8d4fa8", "#c0392b", "#7a6a3a", GREY)
"""Of several runs, in order."""
HALF, THIRD = 4.5, 3.0
"""Widths in inches of one of two or three panels in a row. A page shows an inch as 96 pixels, so
that these are not made smaller on a page that is 500 pixels wide."""
DOTS = 192
"""Pixels to the inch of a picture: twice those of the page, for screens with fine pixels."""


def panel(width: float = HALF, height: float = 3.4) -> tuple[Figure, Axes]:
    """Return a figure of one panel; sizes are in inches."""
    figure = Figure(figsize=(width, height), dpi=DOTS, layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def legend(axes: Axes) -> None:
    """Explain what is drawn, below the axes."""
    lines, names = axes.get_legend_handles_labels()
    figure = axes.get_figure()
    assert isinstance(figure, Figure)
    figure.legend(lines, names, loc="outside lower left", frameon=False, fontsize=9)


def whole(axis: Axis) -> None:
    """Put ticks at whole numbers only, as what the axis shows is counted."""
    axis.set_major_locator(MaxNLocator("auto", integer=True, min_n_ticks=1))
