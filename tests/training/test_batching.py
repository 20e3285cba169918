"""Batches by tokens: every example once, within the budget, in an order that is known."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from zoo.training.batching import TokenBatches

LENGTHS = st.lists(
    st.lists(st.integers(1, 900), min_size=1, max_size=3).map(tuple), min_size=1, max_size=60
)


def cost(lengths: list[tuple[int, ...]], batch: list[int]) -> int:
    chains = [length for at in batch for length in lengths[at]]
    return max(chains) * len(chains)


@given(LENGTHS, st.integers(50, 2000), st.integers(0, 3), st.integers(1, 3))
def test_every_example_is_there_and_within_the_budget(lengths, budget, seed, world) -> None:
    sampler = TokenBatches(lengths, budget, epochs=3, seed=seed, world=world)
    for epoch in range(3):
        batches = sampler.batches(epoch)
        assert len(batches) == sampler.total and sampler.total % world == 0
        assert all(len(b) == 1 or cost(lengths, b) <= budget for b in batches)
        seen = Counter(at for batch in batches for at in batch)
        assert set(seen) == set(range(len(lengths)))
        # Some are seen twice only where there are fewer examples than processes need.
        assert max(seen.values()) == 1 or len(batches) > len(lengths)


@given(LENGTHS, st.integers(1, 3))
def test_processes_share_the_batches_of_one(lengths, world) -> None:
    whole = TokenBatches(lengths, 500, epochs=2, seed=1, world=world)
    parts = [
        TokenBatches(lengths, 500, epochs=2, seed=1, rank=r, world=world) for r in range(world)
    ]
    for epoch in range(2):
        for part in parts:
            part.set_epoch(epoch)
        shares = [list(part) for part in parts]
        assert {len(share) for share in shares} == {len(parts[0])}
        dealt = [shares[n % world][n // world] for n in range(whole.total)]
        assert dealt == whole.batches(epoch)


@given(LENGTHS, st.integers(0, 20))
def test_going_on_leaves_out_what_was_done_in_that_epoch_only(lengths, skip) -> None:
    sampler = TokenBatches(lengths, 300, epochs=3, seed=2)
    sampler.start(1, skip)
    assert list(sampler) == sampler.batches(1)[skip:] == list(sampler)
    sampler.set_epoch(2)
    assert list(sampler) == sampler.batches(2)


def test_the_order_depends_on_seed_and_epoch_alone() -> None:
    lengths = [(n,) for n in range(20, 120)]
    orders = {
        (seed, epoch): str(TokenBatches(lengths, 500, epochs=3, seed=seed).batches(epoch))
        for seed in range(2) for epoch in range(3)
    }  # fmt: skip
    assert len(set(orders.values())) == 6
    again = TokenBatches(lengths, 500, epochs=3, seed=1)
    assert str(again.batches(2)) == orders[1, 2]


def test_without_a_seed_examples_are_sorted_by_length() -> None:
    lengths = [(n,) for n in (50, 10, 90, 30)]
    assert TokenBatches(lengths, 100).batches(0) == [[1, 3], [0], [2]]


def test_little_is_padding() -> None:
    lengths = [(n,) for n in range(50, 450)]
    sampler = TokenBatches(lengths, 4096, epochs=1, seed=0)
    padded = sum(cost(lengths, batch) for batch in sampler.batches(0))
    assert padded < 1.25 * sum(n for (n,) in lengths)
