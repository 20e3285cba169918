"""Draw the scores of all parts: layers as lines, other parts and baselines beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.explanation.colours import SEQUENCE, STRUCTURE
from zoo.probing.parts import LETTERS, RANDOM

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAMES = ("probe.png", "probe.svg")
Row = Mapping[str, Any]
COLOURS = (SEQUENCE, STRUCTURE, "#2f7d4f", "#7b6a99")
PLAIN = "0.45"


def draw(folder: Path, title: str, found: Sequence[Mapping[str, Any]]) -> list[Path]:
    """Draw one panel for each target, and write the picture as PNG and SVG.

    Args:
        folder: Folder to write to.
        title: Title of the picture.
        found: For each target its name, metric and rows, as `zoo probe --json` has them.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.5, 0.6 + 3.6 * len(found)), layout="constrained")
    figure.suptitle(title, fontsize=11)
    axes = figure.subplots(len(found), 1, squeeze=False)[:, 0]
    for axis, one in zip(axes, found, strict=True):
        _panel(axis, one)
    written = [folder / name for name in NAMES]
    for path in written:
        dated = {"Date": None} if path.suffix == ".svg" else None  # equal findings, equal files
        figure.savefig(path, dpi=130, metadata=dated)
    return written


def _panel(axis: Axes, one: Mapping[str, Any]) -> None:
    metric = one["metric"]
    layers = [row for row in one["parts"] if row["layer"] is not None]
    others = [row for row in one["parts"] if row["layer"] is None]
    sources = list(dict.fromkeys(row["source"] for row in layers))
    colours = iter(COLOURS * len(sources))
    colour = {name: PLAIN if name.endswith(RANDOM) else next(colours) for name in sources}
    for name in sources:
        _line(axis, [row for row in layers if row["source"] == name], metric, colour[name])
    end = max((row["layer"] for row in layers), default=0)
    for at, row in enumerate(others, end + 1):
        own = PLAIN if row["source"] == LETTERS else colour.get(row["source"], "#2f7d4f")
        _points(axis, [at], [row], metric, fmt="s", color=own)
        if row["source"] == LETTERS:
            axis.axhline(row["validation"][metric]["value"], color=PLAIN, lw=0.7, ls=":", zorder=0)
    labels = [*map(str, range(1, end + 1)), *(row["title"] for row in others)]
    axis.set_xticks(range(1, len(labels) + 1), labels=labels)
    for label in axis.get_xticklabels()[end:]:
        label.set(rotation=25, ha="right")
    axis.set(xlabel="layer" if layers else "", ylabel=metric.replace("_", " "))
    axis.set_title(f"{one['target']}, validation, 95 % intervals over proteins", fontsize=10)
    if layers:
        axis.legend(frameon=False, fontsize=8)


def _line(axis: Axes, rows: Sequence[Row], metric: str, colour: str) -> None:
    places = [row["layer"] for row in rows]
    style = "o--" if rows[0]["source"].endswith(RANDOM) else "o-"
    _points(axis, places, rows, metric, fmt=style, color=colour, label=rows[0]["source"])
    chosen = [row for row in rows if row["chosen"]]
    axis.plot([row["layer"] for row in chosen], [row["validation"][metric]["value"]
              for row in chosen], "o", ms=11, mfc="none", mec=colour)  # fmt: skip


def _points(
    axis: Axes, places: Sequence[int], rows: Sequence[Row], metric: str, **style: Any
) -> None:
    found = [row["validation"][metric] for row in rows]
    value = [one["value"] for one in found]
    reach = [[_reach(one, end) for one in found] for end in ("low", "high")]
    axis.errorbar(places, value, yerr=reach, capsize=2, lw=1.3, ms=4, elinewidth=0.9, **style)


def _reach(one: Mapping[str, Any], end: str) -> float:
    """Return how far an end of the interval is from the value; 0 without an interval."""
    return 0.0 if one[end] is None else max(0.0, abs(one[end] - one["value"]))
