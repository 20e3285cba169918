"""Converts measured affinities such as ">10 uM" to -log10 of molar, and keeps what "<" means."""

from __future__ import annotations

import math
import re
from typing import NamedTuple

UNITS = {"": 1.0, "m": 1e-3, "u": 1e-6, "µ": 1e-6, "μ": 1e-6, "n": 1e-9, "p": 1e-12, "f": 1e-15}
#: Matches `Kd=3.4nM`, `>10 uM`, `5.2` and `Ki~1e-3 mM`; a relation has up to two signs (`<=`).
TEXT = re.compile(
    r"(?:(?P<what>p?(?:Kd|Ki|IC50|EC50|Ka|K))\s*)?(?P<sign>[<>=~≤≥]{0,2})\s*"
    r"(?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(?P<unit>[muµμnpf]?M)?"
)


class Affinity(NamedTuple):
    """A measured affinity, and whether it is exact or a bound."""

    pk: float
    """-log10 of the constant in molar."""
    censored: int
    """+1 if the true value is known only to be above, -1 if below, 0 if it is exact."""


def parse_affinity(text: str) -> Affinity:
    """Return the affinity that a text gives as a concentration with a unit, or as -log10 of molar.

    A concentration below 1 nM means an affinity above 9: `<1 nM` is censored +1, and `<9` is -1.

    Raises:
        ValueError: If the text is neither.
    """
    found = TEXT.fullmatch(text.strip())
    if not found or found["what"] == "Ka":
        raise ValueError(
            f"{text!r} is not an affinity: write 5.2 (-log10 of molar), 3.4 nM or >10 uM"
        )
    value, sign = float(found["number"]), relation(found["sign"])
    if not found["unit"]:
        return Affinity(value, sign)
    molar = value * UNITS[found["unit"][:-1]]
    if not (molar > 0 and math.isfinite(molar)):
        raise ValueError(f"{text!r}: a concentration is above 0")
    return Affinity(-math.log10(molar), -sign)


def relation(sign: str) -> int:
    """Return -1 for a value that is an upper bound of the true one, +1 for a lower bound."""
    if set(sign) & {"<", "≤"}:
        return -1
    return 1 if set(sign) & {">", "≥"} else 0
