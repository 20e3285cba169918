"""An index of sequence words, which finds the few pairs of sequences that are worth aligning."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

LETTERS = "ACDEFGHIKLMNPQRSTVWY"
WORD = 4
#: Diagonals that are counted together, because insertions and deletions shift an alignment.
BAND = 16
#: Lengths above which one shared word in a band, and above the second two, are common by chance.
LONG = (10, 60)
#: Share of the words expected at an identity that a pair must have in common to be aligned.
SHARE = 0.2

CODES = np.full(256, -1, np.int64)
CODES[[ord(letter) for letter in LETTERS]] = np.arange(len(LETTERS))


def words(sequence: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the number and the position of each word of `WORD` standard residues."""
    codes = CODES[np.frombuffer(sequence.encode("latin-1", "replace"), np.uint8)]
    if len(codes) < WORD:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    count = len(codes) - WORD + 1
    number, standard = np.zeros(count, np.int64), np.ones(count, np.bool_)
    for at in range(WORD):
        letters = codes[at : at + count]
        number += letters * len(LETTERS) ** at
        standard &= letters >= 0
    places = np.flatnonzero(standard)
    return number[places], places


class WordIndex:
    """The sorted words of many sequences, to look up those that resemble a query."""

    def __init__(self, sequences: Sequence[str]) -> None:
        found = [words(sequence) for sequence in sequences]
        sizes = [len(places) for _, places in found]
        word = np.concatenate([np.zeros(0, np.int64), *(numbers for numbers, _ in found)])
        place = np.concatenate([np.zeros(0, np.int64), *(places for _, places in found)])
        order = np.argsort(word, kind="stable")
        self._owner = np.repeat(np.arange(len(sequences)), sizes)[order]
        self._place = place[order]
        self._start = np.searchsorted(word[order], np.arange(len(LETTERS) ** WORD + 1))
        self._length = np.array([len(sequence) for sequence in sequences], np.int64)

    def candidates(
        self, query: str, identity: float, open_: NDArray[np.bool_]
    ) -> NDArray[np.int64]:
        """Return the indices of open sequences that may reach the identity with the query."""
        numbers, places = words(query)
        counts = self._start[numbers + 1] - self._start[numbers]
        at = np.repeat(self._start[numbers] - np.cumsum(counts) + counts, counts)
        at += np.arange(len(at))
        diagonal = np.repeat(places, counts) - self._place[at]
        owner = self._owner[at]
        owner, diagonal = owner[open_[owner]], diagonal[open_[owner]]
        half = diagonal // (BAND // 2) + self._length.max(initial=0)  # never below 0
        stride = 2 * (len(query) + self._length.max(initial=0)) + 2
        bands = np.concatenate([owner * stride + half, owner * stride + half + 1])
        band, hits = np.unique(bands, return_counts=True)
        owner = band // stride
        shorter = np.minimum(self._length[owner], len(query))
        needed = SHARE * identity**WORD * (shorter - WORD + 1)
        alike = hits >= np.maximum(needed, 1 + np.searchsorted(LONG, shorter))
        return np.unique(owner[alike])
