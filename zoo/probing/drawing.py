"""Draw the scores of all parts: layers as lines, other parts and baselines beside them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.explanation.colours import SEQUENCE, STRUCTURE
from zoo.probing.parts import LETTERS, RANDOM

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAMES = ("probe.png", "probe.svg")
Row = Mapping[str, Any]
COLOURS = (SEQUENCE, STRUCTURE, "#2f7d4f", "#7b6a99")
PLAIN = "0.45"
WIDTH, PLACE, WIDEST = 3.5, 0.32, 18.0
"""Inches: of a picture besides its places, of each place, and of the widest picture."""
APART = 0.12
"""Places between the lines of two models at one layer, so that their intervals can be seen."""
NUMBERS = 40
"""Layers of which each has its number; of more, every second one, or fewer."""


def draw(folder: Path, title: str, found: Sequence[Mapping[str, Any]]) -> list[Path]:
    """Draw one panel for each target, and write the picture as PNG and SVG.

    Args:
        folder: Folder to write to.
        title: Title of the picture.
        found: For each target its name, metric and rows, as `zoo probe --json` has them.
    """
    figure = figure_of(title, found)
    written = [folder / name for name in NAMES]
    for path in written:
        dated = {"Date": None} if path.suffix == ".svg" else None  # equal findings, equal files
        figure.savefig(path, dpi=130, metadata=dated)
    return written


def figure_of(title: str, found: Sequence[Mapping[str, Any]]) -> Figure:
    """Return the picture that `draw` writes; it is wider if there are more layers and parts."""
    from matplotlib.figure import Figure

    places = max(len(_others(one)) + _end(one) for one in found)
    width = min(WIDEST, max(8.5, WIDTH + PLACE * places))
    figure = Figure(figsize=(width, 0.6 + 3.6 * len(found)), layout="constrained")
    figure.suptitle(title, fontsize=11)
    axes = figure.subplots(len(found), 1, squeeze=False)[:, 0]
    for axis, one in zip(axes, found, strict=True):
        _panel(axis, one)
    return figure


def _layers(one: Mapping[str, Any]) -> list[Row]:
    return [row for row in one["parts"] if row["layer"] is not None]


def _others(one: Mapping[str, Any]) -> list[Row]:
    return [row for row in one["parts"] if row["layer"] is None]


def _end(one: Mapping[str, Any]) -> int:
    """Return the last layer."""
    return max((row["layer"] for row in _layers(one)), default=0)


def _panel(axis: Axes, one: Mapping[str, Any]) -> None:
    metric, layers, others, end = one["metric"], _layers(one), _others(one), _end(one)
    colour = _colours([row["source"] for row in layers])
    for at, name in enumerate(colour):
        beside = APART * (at - (len(colour) - 1) / 2)
        mine = [row for row in layers if row["source"] == name]
        _line(axis, mine, metric, colour[name], beside)
    for at, row in enumerate(others, end + 1):
        own = PLAIN if row["source"] == LETTERS else colour.get(row["source"], "#2f7d4f")
        _points(axis, [at], [row], metric, fmt="s", color=own, **_look(row))
        if row["source"] == LETTERS:
            axis.axhline(row["validation"][metric]["value"], color=PLAIN, lw=0.7, ls=":", zorder=0)
    numbers = range(1, end + 1, 1 + end // NUMBERS)
    labels = [*map(str, numbers), *(row["title"] for row in others)]
    axis.set_xticks([*numbers, *range(end + 1, end + 1 + len(others))], labels=labels)
    axis.set_xlim(0.4, end + len(others) + 0.6)
    for label in axis.get_xticklabels()[len(numbers) :]:
        label.set(rotation=40, ha="right", rotation_mode="anchor", fontsize=8)
    told = f"{metric.replace('_', ' ')}\n({one['better']} is better)"
    axis.set(xlabel="layer" if layers else "", ylabel=told)
    axis.set_title(f"{one['target']}, validation, 95 % intervals over proteins", fontsize=10)
    if layers:
        axis.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))


def _colours(sources: Sequence[str]) -> dict[str, str]:
    """Return the colour of each source that has layers: that of the trained one for random ones."""
    names = list(dict.fromkeys(name.removesuffix(f" {RANDOM}") for name in sources))
    own = dict(zip(names, itertools.cycle(COLOURS), strict=False))
    return {name: own[name.removesuffix(f" {RANDOM}")] for name in dict.fromkeys(sources)}


def _line(axis: Axes, rows: Sequence[Row], metric: str, colour: str, beside: float) -> None:
    places = [row["layer"] + beside for row in rows]
    look = {"color": colour, "label": rows[0]["source"], **_look(rows[0])}
    _points(axis, places, rows, metric, fmt="o" + ("--" if _look(rows[0]) else "-"), **look)
    chosen = [row for row in rows if row["chosen"]]
    axis.plot([row["layer"] + beside for row in chosen], [row["validation"][metric]["value"]
              for row in chosen], "o", ms=11, mfc="none", mec=colour)  # fmt: skip


def _look(row: Row) -> dict[str, Any]:
    """Return how random weights look: pale, with hollow points."""
    return {"mfc": "white", "alpha": 0.6} if row["source"].endswith(RANDOM) else {}


def _points(
    axis: Axes, places: Sequence[float], rows: Sequence[Row], metric: str, **style: Any
) -> None:
    found = [row["validation"][metric] for row in rows]
    value = [one["value"] for one in found]
    reach = [[_reach(one, end) for one in found] for end in ("low", "high")]
    axis.errorbar(places, value, yerr=reach, capsize=2, lw=1.3, ms=4, elinewidth=0.9, **style)


def _reach(one: Mapping[str, Any], end: str) -> float:
    """Return how far an end of the interval is from the value; 0 without an interval.

    An end may be on the other side of the value: quantiles of resamples need not enclose it.
    """
    if one[end] is None:
        return 0.0
    far: float = one["value"] - one["low"] if end == "low" else one["high"] - one["value"]
    return max(0.0, far)
