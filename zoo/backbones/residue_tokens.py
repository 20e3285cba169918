"""One token a residue, for any language model: a table from letters to the tokenizer's ids.

A table is exact and some seventy times faster than calling the tokenizer, and it cannot merge
letters, drop lower case or lose count, which ESM's and ProtT5's tokenizers do in silence.
"""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from zoo.errors import ConfigError
from zoo.proteins.batch import Tokens

# The first ids of the two published vocabularies, for models built without the network.
_ESM2 = "<cls> <pad> <eos> <unk> L A G V S E R T I D P K Q N F Y M H W C X B U Z O".split()
_PROT_T5 = "<pad> </s> <unk> A L G V S R E D T I P K F Q N Y M H W C X B O U Z".split()
_RARE_TO_X = "UZOB"
"""ProtT5 was trained with these replaced by X."""


@dataclass(frozen=True)
class ResidueTokenizer:
    """Letters to ids, with special tokens around each chain.

    Attributes:
        table: (256,) id of each byte.
        before: special tokens ahead of the first residue ([CLS], none for T5).
        after: special tokens behind the last residue.
        pad: padding id.
    """

    table: NDArray[np.int64]
    before: tuple[int, ...]
    after: tuple[int, ...]
    pad: int

    @property
    def num_special(self) -> int:
        """Special tokens a chain."""
        return len(self.before) + len(self.after)

    def __call__(self, sequences: Sequence[str]) -> Tokens:
        """Return (chains, longest + special) ids; a letter that the model lacks reads as X."""
        width = max(map(len, sequences), default=0) + self.num_special
        ids = np.full((len(sequences), width), self.pad, np.int64)
        attend = np.zeros(ids.shape, bool)
        for row, sequence in enumerate(sequences):
            letters = np.frombuffer(sequence.upper().encode("ascii", "replace"), np.uint8)
            line = np.concatenate([self.before, self.table[letters], self.after])
            ids[row, : len(line)] = line
            attend[row, : len(line)] = True
        return Tokens(torch.from_numpy(ids), torch.from_numpy(attend), start=len(self.before))


def _from_ids(
    ids: dict[str, int], before: tuple[int, ...], after: tuple[int, ...], pad: int, *, rare: bool
) -> ResidueTokenizer:
    table = np.full(256, ids["X"], np.int64)
    for letter, index in ids.items():
        if rare or letter not in _RARE_TO_X:
            table[ord(letter)] = index
    return ResidueTokenizer(table, before, after, pad)


def published(family: Literal["esm2", "t5"]) -> ResidueTokenizer:
    """Return the tokenizer of a family whose vocabulary is known without its files."""
    words = _ESM2 if family == "esm2" else _PROT_T5
    ids = {word: index for index, word in enumerate(words) if len(word) == 1}
    if family == "esm2":
        return _from_ids(ids, before=(0,), after=(2,), pad=1, rare=True)
    return _from_ids(ids, before=(), after=(1,), pad=0, rare=False)


def from_pretrained(folder: str, model_type: str) -> ResidueTokenizer:
    """Return the table that a model's own tokenizer files give.

    Raises:
        ConfigError: if the folder has no usable tokenizer, or one without single residues.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
    except Exception as error:  # transformers raises OSError, ValueError, KeyError, ImportError
        raise ConfigError(
            f"{folder} has no tokenizer that transformers can load ({type(error).__name__}: "
            f"{str(error).splitlines()[0]}). Put the model's tokenizer files into the folder."
        ) from error
    ids = _letter_ids(tokenizer, folder)
    before, after = _special_ids(tokenizer, ids["A"])
    pad = tokenizer.pad_token_id or 0
    return _from_ids(ids, before, after, pad, rare=model_type != "t5")


def _letter_ids(tokenizer: Any, folder: str) -> dict[str, int]:
    vocabulary = tokenizer.get_vocab()
    ids: dict[str, int] = {}
    for letter in string.ascii_uppercase:
        # Bare in ESM and BERT vocabularies, with a word mark in sentencepiece (T5) and BPE ones.
        forms = [letter, "\u2581" + letter, "\u0120" + letter]
        found = [vocabulary[form] for form in forms if form in vocabulary]
        if tokenizer.__class__.__name__.startswith("T5"):
            found.reverse()
        if found:
            ids[letter] = found[0]
    if "X" not in ids and tokenizer.unk_token_id is not None:
        ids["X"] = tokenizer.unk_token_id
    missing = sorted(set("ACDEFGHIKLMNPQRSTVWYX") - set(ids))
    if missing:
        raise ConfigError(f"The tokenizer of {folder} has no token for {', '.join(missing)}.")
    return ids


def _special_ids(tokenizer: Any, letter: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Read the special tokens off one encoded residue."""
    encoded = list(tokenizer("A")["input_ids"])
    place = encoded.index(letter)
    return tuple(encoded[:place]), tuple(encoded[place + 1 :])
