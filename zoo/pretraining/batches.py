"""Makes batches of cropped sequences of similar length, and hides residues in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zoo.backbones.tokenizer import ResidueTokenizer
from zoo.proteins.packing import packed

POOL = 2048
"""Number of sequences that are sorted by length at a time, for little padding in a random order."""
MASK, FIRST_RESIDUE, RESIDUES = 32, 4, 20
"""Ids in ESM-2's vocabulary: the mask, and the first and number of the standard residues."""
HIDDEN, MASKED, REPLACED = 0.15, 0.8, 0.1
"""Share of residues to predict, and of these, shares shown as mask or as random residue (BERT)."""


@dataclass(frozen=True)
class Batch:
    """Tokens of which some are hidden and to be predicted.

    Attributes:
        ids: (chains, tokens) token ids that the model sees.
        attend: (chains, tokens) False on padding.
        where: (chains, tokens) whether each token is hidden and to be predicted.
        truth: (hidden tokens,) true ids of the hidden tokens.
    """

    ids: Tensor
    attend: Tensor
    where: Tensor
    truth: Tensor


def batches(
    sequences: Sequence[str], tokenizer: ResidueTokenizer, *, longest: int, budget: int, seed: int
) -> Iterator[Batch]:
    """Yield the batches of one pass over all sequences.

    Args:
        sequences: Sequences; those longer than `longest` are cropped at a random place.
        tokenizer: Tokenizer of ESM-2.
        longest: Largest number of residues of a crop.
        budget: Tokens in a batch, padding included.
        seed: Seed of the order of sequences, the crops and the hidden residues.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(sequences))
    for start in range(0, len(order), POOL):
        crops = [
            sequences[at][cropped(sequences[at], longest, rng)]
            for at in order[start : start + POOL]
        ]
        crops.sort(key=len)
        runs = packed([len(crop) + tokenizer.num_special for crop in crops], budget)
        for at in rng.permutation(len(runs)):
            yield hide([crops[place] for place in runs[at]], tokenizer, rng)


def cropped(sequence: str, longest: int, rng: np.random.Generator) -> slice:
    """Return which residues of a sequence a random crop takes."""
    start = int(rng.integers(max(len(sequence) - longest, 0) + 1))
    return slice(start, start + longest)


def hide(crops: Sequence[str], tokenizer: ResidueTokenizer, rng: np.random.Generator) -> Batch:
    """Return the tokens of some crops with at least one residue hidden, as BERT hides words."""
    tokens = tokenizer(crops)
    ids = tokens.ids.numpy()
    standard = (ids >= FIRST_RESIDUE) & (ids < FIRST_RESIDUE + RESIDUES)
    where = standard & (rng.random(ids.shape) < HIDDEN)
    if not where.any():
        where.flat[np.flatnonzero(standard)[:1]] = True
    shown = _shown(ids, where, rng)
    told = torch.from_numpy(where)
    return Batch(torch.from_numpy(shown), tokens.attend, told, tokens.ids[told])


def _shown(
    ids: NDArray[np.int64], where: NDArray[np.bool_], rng: np.random.Generator
) -> NDArray[np.int64]:
    luck = rng.random(ids.shape)
    other = rng.integers(FIRST_RESIDUE, FIRST_RESIDUE + RESIDUES, ids.shape)
    shown = np.where(where & (luck < MASKED), MASK, ids)
    return np.where(where & (luck >= MASKED) & (luck < MASKED + REPLACED), other, shown)
