"""Which examples go together: like lengths, up to a budget of tokens, in an order that is known.

The order depends on the seed and the epoch alone, and every epoch has equally many batches, so a
run can be stopped after any batch and go on with the next.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler

LIKE = 0.3
"""Lengths are sorted after a random change of at most this share, so neighbours differ by epoch."""


class TokenBatches(Sampler[list[int]]):
    """Batches of indices for a DataLoader.

    Args:
        lengths: residues of each chain of each example.
        budget: tokens a batch, padding included; a larger example is a batch of its own.
        epochs: how many there will be.
        seed: of the order; None keeps examples sorted by length.
        rank: of this process.
        world: processes that share the batches; each takes every `world`-th.
    """

    def __init__(
        self,
        lengths: Sequence[Sequence[int]],
        budget: int,
        *,
        epochs: int = 1,
        seed: int | None = None,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self.longest = np.array([max(chains, default=1) for chains in lengths], np.int64)
        self.chains = np.array([max(len(chains), 1) for chains in lengths], np.int64)
        self.budget, self.seed, self.rank, self.world = budget, seed, rank, world
        most = max((len(self._cut(e)) for e in range(epochs if seed is not None else 1)), default=0)
        self.total = -(-most // world) * world
        self.epoch, self.begun = 0, (0, 0)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose batches come next."""
        self.epoch = epoch

    def start(self, epoch: int, skip: int) -> None:
        """Leave out the first batches of this process in one epoch: they were done before."""
        self.epoch, self.begun = epoch, (epoch, skip)

    def __len__(self) -> int:
        return self.total // self.world

    def __iter__(self) -> Iterator[list[int]]:
        epoch, skip = self.begun
        own = self.batches(self.epoch)[self.rank :: self.world]
        return iter(own[skip if self.epoch == epoch else 0 :])

    def batches(self, epoch: int) -> list[list[int]]:
        """Return the batches of an epoch for all processes."""
        found = self._cut(epoch)
        while len(found) < self.total and (at := int(np.argmax([len(b) for b in found]))) >= 0:
            batch = found[at]
            if len(batch) == 1:  # fewer examples than processes: some see one twice
                found.append(batch)
                continue
            found[at : at + 1] = [batch[: len(batch) // 2], batch[len(batch) // 2 :]]
        if self.seed is not None:
            order = self._random(epoch, 1).permutation(len(found))
            found = [found[at] for at in order]
        return [list(map(int, batch)) for batch in found]

    def _cut(self, epoch: int) -> list[NDArray[np.int64]]:
        """Return runs of examples of like length that fit the budget."""
        key = np.log(self.longest.astype(np.float64))
        if self.seed is not None:
            key = key + self._random(epoch, 0).uniform(0.0, LIKE, len(key))
        order = np.argsort(key, kind="stable")
        starts, longest, chains = [0], 0, 0
        for place, at in enumerate(order):
            longest, chains = max(longest, self.longest[at]), chains + self.chains[at]
            if longest * chains > self.budget and place > starts[-1]:
                starts.append(place)
                longest, chains = self.longest[at], self.chains[at]
        ends = [*starts, len(order)] if len(order) else []
        return [order[a:b] for a, b in pairwise(ends)]

    def _random(self, epoch: int, use: int) -> np.random.Generator:
        return np.random.default_rng([self.seed or 0, epoch, use])
