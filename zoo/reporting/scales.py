"""How values of residues are coloured: the same colours in the page and in viewers' scripts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from zoo.explanation.colours import AMOUNTS, GATES, SCORES, SIGNED
from zoo.tasks import Kind

UNKNOWN = "#9aa1ad"
"""Colour of a residue without a value; also in viewer.js."""


@dataclass(frozen=True)
class Scale:
    """The colours of one column of values.

    Attributes:
        low: value of the first colour, as of those below it.
        high: value of the last colour, as of those above it.
        colours: colours such as "#a3167a" at equal distances, at least two.
        ends: what the two ends mean; "" for nothing to say.
        threshold: value from which a residue counts as positive; None if there is none.
    """

    low: float
    high: float
    colours: Sequence[str]
    ends: tuple[str, str] = ("", "")
    threshold: float | None = None

    def colour(self, value: float | None) -> str:
        """Return the colour of a value, as viewer.js computes it."""
        if value is None or value != value:
            return UNKNOWN
        share = (value - self.low) / ((self.high - self.low) or 1.0)
        place = min(max(share, 0.0), 1.0) * (len(self.colours) - 1)
        at = min(int(place), len(self.colours) - 2)
        first, second = (_channels(colour) for colour in self.colours[at : at + 2])
        mixed = (a + (place - at) * (b - a) for a, b in zip(first, second, strict=True))
        return "#" + "".join(f"{round(channel):02x}" for channel in mixed)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


def _channels(colour: str) -> list[int]:
    return [int(colour[at : at + 2], 16) for at in (1, 3, 5)]


def of_values(kind: Kind, values: Iterable[float | None], threshold: float | None = None) -> Scale:
    """Return the scale of a kind of target: of probabilities from 0, else from least to most.

    What is rare is "yes" at a low probability, and hardly any reaches 1. So the colours of a target
    with a threshold end at three times that, and are the same in all folders of a model.
    """
    if kind != "regression":
        end = 1.0 if threshold is None else min(1.0, max(3 * threshold, 1e-3))
        return Scale(0.0, end, SCORES, ("", "and more" if end < 1 else ""), threshold)
    return Scale(*_ends(values), SCORES)


def of_column(name: str, values: Iterable[float | None]) -> Scale:
    """Return the scale of a column of `zoo explain`, by the first word of its name."""
    kind = name.partition("_")[0]
    if kind == "gate":
        return Scale(0.0, 1.0, GATES, ("trusts sequence", "trusts structure"))
    low, high = _ends(values)
    if kind == "by":
        end = max(abs(low), abs(high), 1e-12)
        return Scale(-end, end, SIGNED, ("lowers", "raises"))
    return Scale(min(low, 0.0), high, AMOUNTS)


def _ends(values: Iterable[float | None]) -> tuple[float, float]:
    """Return the least and the most of the known values."""
    known = [float(value) for value in values if value is not None and value == value]
    return (min(known), max(known)) if known else (0.0, 1.0)
