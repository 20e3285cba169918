"""Every draw of exchanges is valid, every valid set of exchanges can be drawn."""

from __future__ import annotations

from itertools import combinations, combinations_with_replacement

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpo.layers import COUNT, depth_names, draw, numbers

SHARES = st.floats(0.0, 1.0)


def trial_of(count: int, shares: list[float]) -> optuna.trial.FixedTrial:
    names = [name for number in range(1, count + 1) for name in depth_names(number)]
    return optuna.trial.FixedTrial({COUNT: count, **dict(zip(names, shares, strict=False))})


@settings(max_examples=300, deadline=None)
@given(st.integers(1, 48), st.integers(1, 12), st.integers(1, 6), st.lists(SHARES, min_size=12,
                                                                          max_size=12))  # fmt: skip
def test_every_draw_is_valid(seq: int, struct: int, count: int, shares: list[float]) -> None:
    pairs = draw(trial_of(count, shares), 1, 6, seq, struct)
    assert len(pairs) == min(count, seq)
    assert all(1 <= k <= seq and 0 <= j <= struct for k, j in pairs)
    assert all(a[0] < b[0] and a[1] <= b[1] for a, b in zip(pairs, pairs[1:], strict=False))


@pytest.mark.parametrize("count", [1, 2, 3])
def test_every_valid_set_can_be_drawn_and_its_numbers_lead_back(count: int) -> None:
    for seq in combinations(range(1, 6), count):
        for struct in combinations_with_replacement(range(4), count):
            pairs = tuple(zip(seq, struct, strict=True))
            trial = optuna.trial.FixedTrial(numbers(pairs, 5, 3))
            assert draw(trial, 1, 3, 5, 3) == pairs


def test_the_last_exchange_means_the_same_whatever_the_count() -> None:
    shares = [0.7, 0.2] * 3
    ends = {draw(trial_of(count, shares), 1, 6, 33, 4)[-1] for count in (1, 2, 3)}
    assert {j for _, j in ends} == {1}
    assert max(k for k, _ in ends) - min(k for k, _ in ends) <= 1


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 4), st.lists(SHARES, min_size=12, max_size=12))
def test_the_same_numbers_fit_a_deeper_language_model(count: int, shares: list[float]) -> None:
    small, large = (draw(trial_of(count, shares), 1, 6, layers, 3) for layers in (12, 36))
    assert [j for _, j in small] == [j for _, j in large]
    for (k, _), (deeper, _) in zip(small, large, strict=True):
        assert abs(k / 12 - deeper / 36) < 0.35  # rounding adds up over the exchanges
