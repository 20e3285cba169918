"""Ranges of valid numbers, written as the type of a field: `width: Count = 128`.

The fields of a config and the keyword arguments of backbones, fusions and heads use these. A
number without a range is not checked, so a plug-in's `offset: float = 0.0` takes any number.

    class MyNetwork(StructureBackbone):
        def __init__(self, features, *, hidden: Count = 64, dropout: Rate = 0.1, shift: float = 0.0)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

ENDLESS = float("inf")


@dataclass(frozen=True)
class Range:
    """A range of numbers.

    Attributes:
        low: Lower end.
        high: Upper end.
        low_open: Whether `low` itself is outside the range.
        high_open: Whether `high` itself is outside the range.
        what: Subject of the error message: "a dropout rate" must be at least 0.
    """

    low: float = -ENDLESS
    high: float = ENDLESS
    low_open: bool = False
    high_open: bool = False
    what: str = "it"

    def problem(self, value: float) -> str | None:
        """Return what is wrong with a number, or None if nothing is; NaN and infinity are wrong."""
        below = value <= self.low if self.low_open else value < self.low
        above = value >= self.high if self.high_open else value > self.high
        if not below and not above and abs(value) < ENDLESS:
            return None
        if above and not self.high_open and value > self.high:
            return f"{self.what} must be at most {self.high:,}"
        text = f"above {self.low:,}" if self.low_open else f"at least {self.low:,}"
        if self.high < ENDLESS:
            text += f" and {'below' if self.high_open else 'at most'} {self.high:,}"
        return f"{self.what} must be {text}"


Whole = Annotated[int, Range(0, low_open=True)]
"""A whole number of at least 1."""
WholeOrZero = Annotated[int, Range(0)]
"""A whole number of at least 0."""
Count = Annotated[int, Range(0, 1_000_000, low_open=True)]
"""A width or a number of heads: 1 to a million."""
Layers = Annotated[int, Range(0, 1_000, low_open=True)]
"""A number of layers: 1 to 1,000."""
Positive = Annotated[float, Range(0, low_open=True)]
"""A number above 0, such as a length or a time."""
NotNegative = Annotated[float, Range(0)]
"""A number of at least 0, such as a learning rate or a penalty, which 0 switches off."""
Rate = Annotated[float, Range(0, 1, high_open=True, what="a dropout rate")]
"""A dropout rate: at least 0 and below 1."""
Share = Annotated[float, Range(0, 1, high_open=True, what="a share of the steps")]
"""A share of all steps: at least 0 and below 1."""
Fraction = Annotated[float, Range(0, 1, high_open=True, what="a share")]
"""A share of anything: at least 0 and below 1."""
Seed = Annotated[int, Range(0, 2**63 - 1, what="a seed")]
"""The seed of a random number generator."""
