"""One token for each residue, with special tokens around each chain: a table of ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from zoo.proteins.batch import Tokens
from zoo.proteins.reading import Reads, codes

_ROW = np.full(256, ascii_uppercase.index("X"))
"""Row of a table for each code point; the last stands for all that follow."""
_ROW[ord("A") : ord("Z") + 1] = range(len(ascii_uppercase))


@dataclass(frozen=True)
class ResidueTokenizer:
    """Texts of `proteins.reading` to ids.

    Attributes:
        table: (26, 21) id of each letter, A to Z, with each 3Di letter of `STATES`, then `UNKNOWN`;
            (26, 1) if 3Di letters do not matter.
        before: special tokens ahead of the first residue ([CLS], none for T5).
        after: special tokens behind the last residue.
        pad: padding id.
        reads: what of a residue matters.
    """

    table: NDArray[np.int64]
    before: tuple[int, ...]
    after: tuple[int, ...]
    pad: int
    reads: Reads = "sequence"

    @property
    def num_special(self) -> int:
        """Special tokens a chain."""
        return len(self.before) + len(self.after)

    def __call__(self, sequences: Sequence[str]) -> Tokens:
        """Return (chains, longest + special) ids; what is not from A to Z reads as X.

        A chain that is given by its letters alone reads as one whose structure is not known.
        """
        width = max(map(len, sequences), default=0) + self.num_special
        ids = np.full((len(sequences), width), self.pad, np.int64)
        attend = np.zeros(ids.shape, bool)
        for row, text in enumerate(sequences):
            line = np.concatenate([self.before, self._ids(text.upper()), self.after])
            ids[row, : len(line)] = line
            attend[row, : len(line)] = True
        return Tokens(torch.from_numpy(ids), torch.from_numpy(attend), start=len(self.before))

    def _ids(self, text: str) -> NDArray[np.int64]:
        if self.reads == "sequence":  # several times as fast as `codes`
            letters = np.frombuffer(text.encode("ascii", "replace"), np.uint8)
            return self.table[_ROW[letters], 0]
        both, states = codes(text)
        return self.table[_ROW[np.minimum(both, len(_ROW) - 1)], states]


def around(
    tokenizer: Any, words: Sequence[str], ids: Sequence[int]
) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """Return the tokens before and after a chain; None if it is read as other ids.

    Args:
        tokenizer: of `transformers`.
        words: what it reads, in a row or with spaces between.
        ids: of the chain's residues.
    """
    for gap in ("", " "):
        encoded = list(tokenizer(gap.join(words))["input_ids"])
        for start in range(len(encoded) - len(ids) + 1):
            stop = start + len(ids)
            if encoded[start:stop] == [*ids]:
                return tuple(encoded[:start]), tuple(encoded[stop:])
    return None
