"""Recognises a config that a version wrote which did not yet number its revisions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from zoo.settings.checking import flat

FIRST: Literal[1] = 1
NEWEST: Literal[2] = 2
"""The revision of what was written before revisions were numbered, and that of a new config."""
RECORDED = {
    "fusion.side_width", "graph.hydrogens", "sequence.last_n", "train.checkpoint_minutes",
    "train.workers",
}  # fmt: skip
"""Keys that every saved config has, and that nobody who writes one by hand has all of."""


def numbered(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a config's values with their revision, if a program wrote them without one.

    Saved models, runs and studies have every key of their config. What a person writes has a few,
    and those left out take their defaults, the revision too.
    """
    if "revision" in data or not flat(data).keys() >= RECORDED:
        return data
    return {**data, "revision": FIRST}
