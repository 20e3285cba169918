"""Makes batches of chains with known structures: some residues hidden, the letters of all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from zoo.backbones.tokenizer import ResidueTokenizer
from zoo.pretraining.batches import Batch, cropped, hide
from zoo.pretraining.letters import ALPHABETS, Lettered
from zoo.proteins.packing import packed

POOL = 64
"""Number of chains of which some of similar length make a batch."""
IGNORED = -100
"""Place of an unknown letter, which `cross_entropy` leaves out."""
Letters = dict[str, Tensor]
"""(chains, tokens) place of each letter in its alphabet, by the name of its kind."""


@dataclass(frozen=True)
class Crops:
    """Tokens of chains with known structures, and the letters of all residues, also hidden ones."""

    batch: Batch
    letters: Letters


def draw(
    chains: Sequence[Lettered],
    tokenizer: ResidueTokenizer,
    *,
    longest: int,
    budget: int,
    rng: np.random.Generator,
) -> Crops:
    """Return a batch of crops of similar length, drawn from all chains.

    Args:
        chains: Chains with letters; those longer than `longest` are cropped at a random place.
        tokenizer: Tokenizer of ESM-2.
        longest: Largest number of residues of a crop.
        budget: Tokens in the batch, padding included; one chain may take more.
        rng: Draws the chains, the crops and the hidden residues.
    """
    pool = rng.permutation(len(chains))[:POOL]
    parts = [_cut(chains[at], longest, rng) for at in pool]
    parts.sort(key=lambda part: len(part.sequence))
    runs = packed([len(part.sequence) + tokenizer.num_special for part in parts], budget)
    run = [parts[place] for place in runs[int(rng.integers(len(runs)))]]
    return Crops(hide([part.sequence for part in run], tokenizer, rng), placed(run, tokenizer))


def whole(
    chains: Sequence[Lettered],
    tokenizer: ResidueTokenizer,
    *,
    longest: int,
    budget: int,
    rng: np.random.Generator,
) -> list[Crops]:
    """Return all chains once, as `draw` crops them, with no residue hidden."""
    parts = sorted((_cut(x, longest, rng) for x in chains), key=lambda part: len(part.sequence))
    found = []
    for run in packed([len(part.sequence) + tokenizer.num_special for part in parts], budget):
        own = [parts[place] for place in run]
        tokens = tokenizer([part.sequence for part in own])
        nowhere = torch.zeros_like(tokens.attend)
        batch = Batch(tokens.ids, tokens.attend, nowhere, tokens.ids[nowhere])
        found.append(Crops(batch, placed(own, tokenizer)))
    return found


def placed(chains: Sequence[Lettered], tokenizer: ResidueTokenizer) -> Letters:
    """Return the letters of some chains at the places of their tokens, `IGNORED` elsewhere."""
    columns = max(len(chain.sequence) for chain in chains) + tokenizer.num_special
    first = len(tokenizer.before)
    found = {}
    for kind, alphabet in ALPHABETS.items():
        table = torch.full((len(chains), columns), IGNORED)
        for row, chain in enumerate(chains):
            places = [alphabet.find(letter) for letter in chain.letters[kind]]
            told = torch.tensor(places)
            table[row, first : first + len(places)] = told.where(told >= 0, IGNORED)
        found[kind] = table
    return found


def _cut(chain: Lettered, longest: int, rng: np.random.Generator) -> Lettered:
    at = cropped(chain.sequence, longest, rng)
    return Lettered(chain.sequence[at], {kind: x[at] for kind, x in chain.letters.items()})
