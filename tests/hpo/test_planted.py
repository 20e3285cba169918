"""TPE, as hpo sets it up, finds what is planted in the shipped space sooner than random search."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest

from tests.scripts import script

TRIALS = 300


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The benchmark."""
    return script("planted_search", monkeypatch)


def fusion(pairs: list[list[int]], gate_width: int = 32, name: str = "local") -> dict[str, object]:
    args = {"gate_width": gate_width} if name == "local" else {"num_heads": 4}
    return {"name": name, "after": pairs, "args": args}


def test_nothing_scores_above_the_planted_fusion(planted):
    assert planted.score(fusion([[20, 2]])) == 1.0
    assert planted.is_found(fusion([[20, 2]]))
    for worse in (
        fusion([[19, 2]]), fusion([[20, 3]]), fusion([[20, 2]], 31), fusion([[10, 2], [20, 2]]),
        fusion([[20, 2]], name="global"),
    ):  # fmt: skip
        assert planted.score(worse) < 1.0


@pytest.mark.parametrize(
    "far",
    [
        fusion([[17, 2]]),
        fusion([[20, 1]]),
        fusion([[18, 1], [23, 2]]),
        fusion([[20, 2]], 25),
        fusion([[20, 2]], 41),
        fusion([[20, 2]], name="global"),
    ],
)
def test_near_the_planted_fusion_is_not_found(planted, far):
    assert not planted.is_found(far)


def test_tpe_needs_fewer_trials_than_random(planted):
    draw = planted.drawer()
    median = {
        name: np.median(
            planted.counts([planted.search(draw, name, seed, TRIALS) for seed in range(6)], TRIALS)
        )
        for name in planted.SAMPLERS
    }
    assert median["TPE"] < 0.7 * median["random"]
