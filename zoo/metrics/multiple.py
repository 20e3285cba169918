"""Many differences at once: Holm's correction, and the resamples that it needs.

Of twenty differences that are nothing, one has p < 0.05 by chance. Holm's correction keeps the
chance of even one such finding among all of them below 5 % (Holm 1979, Scandinavian Journal of
Statistics 6:65). It makes the smallest p as many times as large as there are differences, and a
bootstrap of n resamples shows no p below 2 / (n + 1), so n grows with the number of differences.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from typing import Any

from zoo.system.counting import counted

ALPHA = 0.05
"""Corrected p below which a difference is called clear."""
FEWEST = 1000
"""Number of resamples of a few differences, and of intervals."""
EACH = 100
"""Number of resamples for each difference: the smallest p, corrected, is then 0.02."""


def enough(differences: int) -> int:
    """Return the number of resamples with which each of several differences may be clear."""
    return max(FEWEST, EACH * differences)


def holm(p: Sequence[float | None]) -> list[float | None]:
    """Return the p-values after Holm's correction; those that are None or NaN are not counted."""
    known = [at for at, each in enumerate(p) if each is not None and each == each]
    found: list[float | None] = [None] * len(p)
    largest = 0.0
    for rank, at in enumerate(sorted(known, key=lambda at: float(p[at] or 0.0))):
        largest = max(largest, min(1.0, (len(known) - rank) * float(p[at] or 0.0)))
        found[at] = largest
    return found


def correct(differences: Iterable[MutableMapping[str, Any]]) -> None:
    """Add `p_holm` to differences in plain values that are read side by side."""
    found = list(differences)
    for one, p in zip(found, holm([one.get("p") for one in found]), strict=True):
        one["p_holm"] = p


def differences_in(targets: Mapping[str, Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the differences of all targets of a metrics.json, those of subsets included."""
    for found in targets.values():
        yield from found["differences"].values()
        for part in found["subsets"].values():
            yield from part.values()


def clear(difference: Mapping[str, Any]) -> bool:
    """Return whether a difference is clear after correction."""
    p = difference.get("p_holm")
    return p is not None and p < ALPHA


def told(differences: Iterable[Mapping[str, Any]], resamples: int = FEWEST) -> str:
    """Return one or two lines on the correction of some differences; "" without any.

    Args:
        differences: Differences in plain values.
        resamples: Number of resamples of differences that do not say it, as in older files.
    """
    found = [one for one in differences if one.get("p") is not None]
    if not found:
        return ""
    n = min(one.get("resamples", resamples) for one in found)
    many = counted(len(found), "difference")
    text = f"p by Holm's correction for {many}, {n:,} resamples"
    if 2 / (n + 1) * len(found) < ALPHA:
        return text
    return f"{text}:\ntoo few for any p below {ALPHA}; {enough(len(found)):,} are enough"
