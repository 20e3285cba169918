"""Crops of sequences in batches of like length, and residues hidden in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zoo.backbones.residue_tokens import ResidueTokenizer

POOL = 2048
"""Sequences that are sorted by length at a time: little padding, and still a random order."""
MASK, FIRST_RESIDUE, RESIDUES = 32, 4, 20
"""Ids of ESM-2's vocabulary: the mask, and the standard residues, which follow each other."""
HIDDEN, MASKED, REPLACED = 0.15, 0.8, 0.1
"""Share of residues to be told, and of these shown as the mask, or as a random residue (BERT)."""


@dataclass(frozen=True)
class Batch:
    """Tokens with some residues hidden.

    Attributes:
        ids: (chains, tokens).
        attend: (chains, tokens).
        where: (chains, tokens), what has to be told.
        truth: (told,) ids.
    """

    ids: Tensor
    attend: Tensor
    where: Tensor
    truth: Tensor


def batches(
    sequences: Sequence[str], tokenizer: ResidueTokenizer, *, longest: int, budget: int, seed: int
) -> Iterator[Batch]:
    """Yield one pass over all sequences, the same for the same seed.

    Args:
        sequences: longer ones are cropped at a random place.
        tokenizer: of ESM-2.
        longest: residues of a crop.
        budget: tokens a batch, padding included.
        seed: of the order, the crops and what is hidden.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(sequences))
    for start in range(0, len(order), POOL):
        crops = [_crop(sequences[at], longest, rng) for at in order[start : start + POOL]]
        runs = _runs(sorted(crops, key=len), budget, tokenizer.num_special)
        for at in rng.permutation(len(runs)):
            yield hide(runs[at], tokenizer, rng)


def _crop(sequence: str, longest: int, rng: np.random.Generator) -> str:
    start = int(rng.integers(max(len(sequence) - longest, 0) + 1))
    return sequence[start : start + longest]


def _runs(crops: Sequence[str], budget: int, special: int) -> list[list[str]]:
    """Return runs of crops, shortest first, whose padded tokens stay within the budget."""
    runs: list[list[str]] = [[]]
    for crop in crops:
        if runs[-1] and (len(crop) + special) * (len(runs[-1]) + 1) > budget:
            runs.append([])
        runs[-1].append(crop)
    return runs


def hide(crops: Sequence[str], tokenizer: ResidueTokenizer, rng: np.random.Generator) -> Batch:
    """Return tokens in which residues are hidden, as BERT hides words; at least one."""
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
