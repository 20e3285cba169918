"""Tokens of language models that read 3Di letters: SaProt's pairs, ProstT5's other direction.

SaProt has a token for each residue beside each 3Di letter ("Av"), with "#" for what is not known.
ProstT5 reads residues or, behind the prefix <fold2AA>, 3Di letters in lower case. Ids are those of
the authors' own files; a folder's are taken only if its tokenizer gives them for a chain.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from string import ascii_uppercase
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.backbones.plm import DIRECTION, THREEDI, Family
from zoo.backbones.tokenizer import ResidueTokenizer, around
from zoo.errors import ConfigError
from zoo.proteins.reading import Reads
from zoo.proteins.threedi import STATES, UNKNOWN

RESIDUES = "ACDEFGHIKLMNPQRSTVWY"
FOLD2AA = "<fold2AA>"
"""The prefix of 3Di letters, as in ProstT5's authors' scripts/embed.py."""
SAPROT = (
    "<cls>", "<pad>", "<eos>", "<unk>", "<mask>",
    *map("".join, product(RESIDUES + UNKNOWN, "pynwrqhgdlvtmfsaeikc" + UNKNOWN)),
)  # fmt: skip
"""SaProt's tokens in the order of their ids, as in its authors' utils/esm_loader.py."""
PROST_T5 = {
    "</s>": 1, "X": 23, FOLD2AA: 148,
    **{letter: index for index, letter in enumerate("algvsredtipkfqnymhwc", 128)},
}  # fmt: skip
"""The tokens of ProstT5 that its 3Di direction takes, as in its added_tokens.json."""


def published(family: Family) -> ResidueTokenizer:
    """Return the tokenizer of SaProt, or of ProstT5 for 3Di letters, without their files."""
    if family == "saprot":
        ids = {word: index for index, word in enumerate(SAPROT)}
        return ResidueTokenizer(_pairs(ids), (ids["<cls>"],), (ids["<eos>"],), 1, "both")
    before, after = (PROST_T5[FOLD2AA],), (PROST_T5["</s>"],)
    return ResidueTokenizer(_alone(PROST_T5, PROST_T5["X"]), before, after, 0, "structure")


def has_pairs(vocabulary: Mapping[str, int]) -> bool:
    """Return whether a vocabulary is SaProt's: a token for each residue beside each 3Di letter."""
    return all(a + b in vocabulary for a, b in product(RESIDUES + UNKNOWN, STATES + UNKNOWN))


def read(
    tokenizer: Any, vocabulary: Mapping[str, int], folder: str, *, threedi: bool
) -> ResidueTokenizer:
    """Return the table that a folder's own tokenizer gives, for pairs or for 3Di letters alone.

    Raises:
        ConfigError: if it has no 3Di letters, or reads a chain of them as other ids.
    """
    if threedi and not {FOLD2AA, *STATES} <= vocabulary.keys():
        raise ConfigError(
            f"The tokenizer of {folder} has no {FOLD2AA} or no 3Di letters, so the model does not "
            f"read these alone. Give --seq without {DIRECTION}{THREEDI}, or ProstT5."
        )
    reads: Reads = "structure" if threedi else "both"
    unknown = vocabulary.get("X", vocabulary.get("\u2581X", tokenizer.unk_token_id))
    table = _alone(vocabulary, unknown) if threedi else _pairs(vocabulary)
    words = list(STATES) if threedi else [a + b for a, b in zip(RESIDUES, STATES, strict=True)]
    ids = [vocabulary[word] for word in words]
    special = around(tokenizer, [FOLD2AA, *words] if threedi else words, ids)
    if special is not None:
        return ResidueTokenizer(table, *special, tokenizer.pad_token_id or 0, reads)
    raise ConfigError(
        f"The tokenizer of {folder} has 3Di letters, but reads a chain of them as other tokens. "
        "Fetch its files again."
    )


def _pairs(ids: Mapping[str, int]) -> NDArray[np.int64]:
    """Return the ids of all pairs; a letter that has none reads as an unknown residue."""
    rows = [letter if letter in RESIDUES else UNKNOWN for letter in ascii_uppercase]
    return np.array([[ids[row + state] for state in STATES + UNKNOWN] for row in rows])


def _alone(ids: Mapping[str, int], unknown: int) -> NDArray[np.int64]:
    """Return the ids of 3Di letters, whatever the residue."""
    row = [*(ids[state] for state in STATES), unknown]
    return np.array([row] * len(ascii_uppercase))
