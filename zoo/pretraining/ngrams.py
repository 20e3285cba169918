"""Perplexities of simple counts of residues, which a language model should beat."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from zoo.backbones.tokenizer import ResidueTokenizer
from zoo.pretraining.batches import FIRST_RESIDUE, MASK, RESIDUES, Batch

SIZE = MASK + 1
PRIOR = 20.0
"""Number of counts that the plain frequencies of residues add to those in a context."""
Counts = NDArray[np.float64]


def perplexities(
    train: Sequence[str], looks: Sequence[Batch], tokenizer: ResidueTokenizer
) -> dict[str, float]:
    """Return the perplexity over hidden residues of three counts over the training sequences.

    `unigram` uses only the frequencies of residues, `trigram` also the two residues before, and
    `neighbours` also the residues on both sides. Contexts are the true residues even where a model
    sees a mask, which favours the counts.

    Args:
        train: Training sequences.
        looks: Batches with the hidden residues.
        tokenizer: Tokenizer of the batches.
    """
    one, before, around = _counted(train, tokenizer)
    plain = one / one.sum()
    trigram, both = _smooth(before, plain), _smooth(around, plain)
    nats: dict[str, list[float]] = {"unigram": [], "trigram": [], "neighbours": []}
    for truth, left2, left, right in _contexts(looks):
        nats["unigram"].append(-np.log(plain[truth]))
        nats["trigram"].append(-np.log(trigram[left2, left, truth]))
        nats["neighbours"].append(-np.log(both[left, right, truth]))
    return {name: float(np.exp(np.mean(values))) for name, values in nats.items()}


def _counted(train: Sequence[str], tokenizer: ResidueTokenizer) -> tuple[Counts, Counts, Counts]:
    """Return counts (ids,) of residues, and (ids, ids, ids) of each context and its residue.

    The contexts are the two residues before, and the residues on both sides.
    """
    one = np.zeros(SIZE)
    before, around = np.zeros(SIZE**3), np.zeros(SIZE**3)
    for sequence in train:
        ids = tokenizer([sequence]).ids[0].numpy()
        one += np.bincount(ids, minlength=SIZE)
        before += np.bincount((ids[:-2] * SIZE + ids[1:-1]) * SIZE + ids[2:], minlength=SIZE**3)
        around += np.bincount((ids[:-2] * SIZE + ids[2:]) * SIZE + ids[1:-1], minlength=SIZE**3)
    standard = slice(FIRST_RESIDUE, FIRST_RESIDUE + RESIDUES)
    one[: standard.start], one[standard.stop :] = 0, 0
    return one, before.reshape(SIZE, SIZE, SIZE), around.reshape(SIZE, SIZE, SIZE)


def _smooth(counts: Counts, plain: Counts) -> Counts:
    kept = counts * (plain > 0)
    return (kept + PRIOR * plain) / (kept.sum(-1, keepdims=True) + PRIOR)


def _contexts(looks: Sequence[Batch]) -> Iterator[tuple[int, int, int, int]]:
    """Yield (truth, two before, one before, one after) of each hidden residue."""
    for batch in looks:
        ids = batch.ids.numpy().copy()
        where = batch.where.numpy()
        ids[where] = batch.truth.numpy()
        for row, column in np.argwhere(where).tolist():
            left2 = int(ids[row, column - 2]) if column > 1 else 0
            yield int(ids[row, column]), left2, int(ids[row, column - 1]), int(ids[row, column + 1])
