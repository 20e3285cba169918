"""Training samples with noise in their coordinates and masked residue types, anew in each epoch.

What is drawn depends on the seed, the epoch and the sample alone. So it is the same in whatever
process and batch a sample is read, and in a run that is resumed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from zoo.proteins.features import NUM_LETTERS
from zoo.proteins.noise import moved
from zoo.training.batching import TokenBatches
from zoo.training.examples import PreparedExamples

MASKED = NUM_LETTERS - 1
"""The node type of a masked residue, which an unknown letter has too."""


class Draw(NamedTuple):
    """A sample by index, as it is in one epoch."""

    epoch: int
    sample: int


class EpochBatches(Sampler[list[Draw]]):
    """The batches of a `TokenBatches` with the epoch beside each index.

    A process that reads ahead has its own copy of the data set, which no epoch can be set in.
    """

    def __init__(self, inner: TokenBatches) -> None:
        self.inner = inner

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch whose batches are drawn next."""
        self.inner.set_epoch(epoch)

    def __len__(self) -> int:
        return len(self.inner)

    def __iter__(self) -> Iterator[list[Draw]]:
        epoch = self.inner.epoch
        return ([Draw(epoch, index) for index in batch] for batch in self.inner)


class DisturbedExamples(Dataset[dict[str, Tensor]]):
    """Training samples with noise, whose graphs are computed at each access.

    Args:
        examples: The samples.
        noise: Standard deviation in angstrom of the noise in coordinates; 0 adds none.
        mask: Share of the residues whose type is masked; 0 masks none.
        seed: Seed of the noise and the masks.
    """

    def __init__(self, examples: PreparedExamples, noise: float, mask: float, seed: int) -> None:
        self.examples, self.noise, self.mask, self.seed = examples, noise, mask, seed

    def __len__(self) -> int:
        return len(self.examples)

    def __getitems__(self, draws: Sequence[Draw]) -> list[tuple[int, dict[str, Tensor]]]:
        """Return the samples of a batch with their indices, as `PreparedExamples` does."""
        found = (
            self._moved(draws)
            if self.noise
            else self.examples.__getitems__([draw.sample for draw in draws])
        )
        return [
            (draw.sample, self._masked(tensors, draw) if self.mask else tensors)
            for draw, (_, tensors) in zip(draws, found, strict=True)
        ]

    def _moved(self, draws: Sequence[Draw]) -> list[tuple[int, dict[str, Tensor]]]:
        """Return the samples with noise; their targets stay with their nodes."""
        examples, found = self.examples, []
        keys = [examples.keys[draw.sample] for draw in draws]
        for draw, sample in zip(draws, examples.samples(keys), strict=True):
            protein = moved(sample.protein, self.noise, self._random(draw, "noise"))
            found.append((draw.sample, examples.tensors(sample, protein)))
        return found

    def _masked(self, tensors: dict[str, Tensor], draw: Draw) -> dict[str, Tensor]:
        """Return the tensors with the type of some residues, never of a ligand's atom, masked."""
        random = self._random(draw, "mask")
        types = tensors["node:node_type"]
        chosen = torch.from_numpy(random.random(len(types)) < self.mask)
        chosen &= tensors["node:residue"] >= 0
        return tensors | {"node:node_type": types.masked_fill(chosen, MASKED)}

    def _random(self, draw: Draw, use: str) -> np.random.Generator:
        text = f"{self.seed} {draw.epoch} {self.examples.keys[draw.sample]} {use}"
        return np.random.default_rng(list(hashlib.sha256(text.encode()).digest()))
