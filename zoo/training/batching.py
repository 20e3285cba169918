"""Batches of examples of similar length, up to a number of tokens, in a reproducible order.

The order depends only on the seed and the epoch, and every epoch has the same number of batches,
so a run can be stopped after any batch and continue with the next.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler

from zoo.proteins.packing import packed

LIKE = 0.3
"""Lengths are changed at random by at most this share before sorting: epochs then differ."""


class TokenBatches(Sampler[list[int]]):
    """Batches of indices for a DataLoader.

    Args:
        lengths: number of residues in each chain of each example.
        budget: maximum tokens in a batch, padding included; a larger example gets its own batch.
        epochs: number of epochs that will be run.
        seed: seed of the random order; None keeps examples sorted by length.
        rank: number of this process, from 0.
        world: number of processes that share the batches; each takes every `world`-th batch.
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
        """Set the epoch whose batches are drawn next."""
        self.epoch = epoch

    def start(self, epoch: int, skip: int) -> None:
        """Skip the first batches of this process in one epoch, which an earlier run has done."""
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
            if len(batch) == 1:  # fewer examples than processes: some are seen twice
                found.append(batch)
                continue
            found[at : at + 1] = [batch[: len(batch) // 2], batch[len(batch) // 2 :]]
        if self.seed is not None:
            order = self._random(epoch, 1).permutation(len(found))
            found = [found[at] for at in order]
        return [list(map(int, batch)) for batch in found]

    def _cut(self, epoch: int) -> list[NDArray[np.int64]]:
        """Return groups of examples of similar length that fit the budget."""
        key = np.log(self.longest.astype(np.float64))
        if self.seed is not None:
            key = key + self._random(epoch, 0).uniform(0.0, LIKE, len(key))
        order = np.argsort(key, kind="stable")
        longest, chains = self.longest[order].tolist(), self.chains[order].tolist()
        runs = packed(longest, self.budget, chains)
        return [order[run.start : run.stop] for run in runs]

    def _random(self, epoch: int, use: int) -> np.random.Generator:
        return np.random.default_rng([self.seed or 0, epoch, use])


class StepCounts:
    """How many labels of each target a step of the optimizer sees, in all batches and processes.

    Args:
        sampler: Batches of the training samples.
        known: (samples, targets) number of known labels of each training sample.
        names: Names of the targets.
        accumulate: Number of batches of a process that make a step.
    """

    def __init__(
        self, sampler: TokenBatches, known: NDArray[np.int64], names: Sequence[str], accumulate: int
    ) -> None:
        self.sampler, self.known, self.names = sampler, known, tuple(names)
        self.accumulate = accumulate
        self._epoch: tuple[int, list[list[int]]] = (-1, [])

    def share(self, epoch: int, batch: int) -> dict[str, float]:
        """Return the labels of the step that a batch is in, by the number of batches in a step.

        The loss of each batch, divided by this, adds up to the mean over the step's labels:
        gradients are averaged over the batches and the processes.
        """
        if self._epoch[0] != epoch:
            self._epoch = (epoch, self.sampler.batches(epoch))
        size = self.accumulate * self.sampler.world
        first = batch // self.accumulate * size
        samples = [at for run in self._epoch[1][first : first + size] for at in run]
        counts = self.known[samples].sum(0) / size
        return dict(zip(self.names, map(float, counts), strict=True))
