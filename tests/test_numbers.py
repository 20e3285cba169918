"""Each score that a page gives with an interval is in a file: of results, or beside its model."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import REPOSITORY

PAGES = [
    *(REPOSITORY / f"docs/measurements/{name}.md" for name in ("fusion", "pretraining", "results")),
    REPOSITORY / "docs/parts.md",
    *sorted(REPOSITORY.glob("zoo/pretrained/*/README.md")),
]
NUMBER = r"([+-]?\d+\.\d+)"
SCORE = re.compile(rf"{NUMBER}\*{{0,2}} \({NUMBER}(?:,| \.\.) {NUMBER}\)")
Score = tuple[float, float, float]


def scores_of(facts: Any) -> Iterator[Score]:
    """Yield each value with its interval: a dict of value, low and high, or three numbers."""
    if isinstance(facts, dict):
        found = [facts.get(name) for name in ("value", "low", "high")]
        yield from scores_of(found if None not in found else [])
        for value in facts.values():
            yield from scores_of(value)
    elif isinstance(facts, list):
        if len(facts) == 3 and all(isinstance(x, float | int) for x in facts):
            yield (facts[0], facts[1], facts[2])
        for value in facts:
            yield from scores_of(value)


@cache
def measured() -> frozenset[tuple[int, Score]]:
    """Return all scores of all files, rounded to two and three digits, and as loss and gain."""
    files = [*REPOSITORY.glob("results/**/*.json"), *REPOSITORY.glob("zoo/pretrained/*/*.json")]
    every = {score for path in files for score in scores_of(json.loads(path.read_text()))}
    every |= {(-value, -high, -low) for value, low, high in every}
    return frozenset((d, rounded(score, d)) for score in every for d in (2, 3))


def rounded(score: Score, digits: int) -> Score:
    value, low, high = (round(x, digits) + 0.0 for x in score)
    return (value, low, high)


def missing(text: str) -> list[str]:
    """Return the scores of a page that no file has."""
    found = []
    for match in SCORE.finditer(text):
        digits = len(match[1].partition(".")[2])
        score = (float(match[1]), float(match[2]), float(match[3]))
        if (digits, rounded(score, digits)) not in measured():
            found.append(match[0])
    return found


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(REPOSITORY).as_posix())
def test_a_score_with_an_interval_is_in_a_file(path: Path) -> None:
    assert not missing(path.read_text())


def test_a_score_that_was_changed_by_hand_is_found() -> None:
    text = (REPOSITORY / "docs/measurements/fusion.md").read_text()
    assert "0.446 (0.416, 0.475)" in text
    changed = text.replace("0.446 (0.416, 0.475)", "0.456 (0.416, 0.475)")
    assert "0.456 (0.416, 0.475)" in missing(changed)
