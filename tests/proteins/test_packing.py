"""Runs of neighbours within a budget of padded tokens."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from zoo.proteins.packing import packed

ITEMS = st.lists(st.tuples(st.integers(1, 50), st.integers(1, 4)), max_size=30)


@given(ITEMS, st.integers(0, 200))
def test_every_item_is_in_one_run_and_in_order(items: list[tuple[int, int]], budget: int) -> None:
    lengths, rows = [x for x, _ in items], [x for _, x in items]
    runs = packed(lengths, budget, rows)
    assert [at for run in runs for at in run] == list(range(len(items)))


@given(ITEMS, st.integers(0, 200))
def test_a_run_fits_or_is_one_item(items: list[tuple[int, int]], budget: int) -> None:
    lengths, rows = [x for x, _ in items], [x for _, x in items]
    for run in packed(lengths, budget, rows):
        cost = max(lengths[at] for at in run) * sum(rows[at] for at in run)
        assert cost <= budget or len(run) == 1


@given(ITEMS, st.integers(0, 200))
def test_no_run_could_take_the_next_item(items: list[tuple[int, int]], budget: int) -> None:
    lengths, rows = [x for x, _ in items], [x for _, x in items]
    runs = packed(lengths, budget, rows)
    for run, following in zip(runs, runs[1:], strict=False):
        both = [*run, following[0]]
        assert max(lengths[at] for at in both) * sum(rows[at] for at in both) > budget


def test_nothing_makes_no_run() -> None:
    assert packed([], 10) == []
