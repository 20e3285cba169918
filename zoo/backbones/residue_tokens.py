"""One token a residue, for any language model: a table from letters to the tokenizer's ids.

A table is exact and some seventy times faster than calling the tokenizer, and it cannot merge
letters, drop lower case or lose count, which ESM's and ProtT5's tokenizers do in silence. It is
read off a folder's own tokenizer, and taken only if that tokenizer gives the same ids for a chain.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from zoo.backbones import structure_tokens
from zoo.backbones.plm import Family
from zoo.backbones.structure_tokens import RESIDUES
from zoo.backbones.tokenizer import ResidueTokenizer, around
from zoo.errors import ConfigError, WeightsError

# The first ids of the two published vocabularies, for models built without the network.
_ESM2 = "<cls> <pad> <eos> <unk> L A G V S E R T I D P K Q N F Y M H W C X B U Z O".split()
_PROT_T5 = "<pad> </s> <unk> A L G V S R E D T I P K F Q N Y M H W C X B O U Z".split()
_AA2FOLD = 149
"""Id of ProstT5's prefix of residues."""
_RARE = "UZOB"
"""ProtT5, ProtBert and what was trained from them saw X in the place of these."""
_PROT_BERT = "LAGVESIKRDTPNQFYMHCWXUBZO"
"""The letters of ProtBert in the order of its ids, by which its vocabulary is known."""
_MARKS = ("", "\u2581", "\u0120")
"""Before a letter in vocabularies of ESM and BERT, of sentencepiece, and of byte-level BPE."""
PREFIXES = ("<AA2fold>", "[NLU]")
"""Tokens that the authors' code puts before the residues of a chain, where a vocabulary has them:
ProstT5's and Ankh3's. Their other tasks have the tokens <fold2AA> and [S2S]."""
_ROLES = re.compile(
    r"[<\[]?[|/]?(pad|unk|cls|sep|mask|bos|eos|eod|eop|endoftext|s|(extra_id|null|unused|sentinel)_?\d*)\|?[>\]]?"
    r"|<fold2AA>|\[S2S\]|[#\u2581\u0120]*[\x00-\x7f]?",
    re.IGNORECASE,
)
"""Words that a vocabulary may hold beside single residues without a chain needing them."""


def _table(
    ids: Mapping[str, int],
    before: Sequence[int],
    after: Sequence[int],
    pad: int,
    *,
    rare: bool,
) -> ResidueTokenizer:
    """Return the tokenizer of some letters; without `rare` U, Z, O and B read as X."""
    known = {letter: index for letter, index in ids.items() if rare or letter not in _RARE}
    table = np.array([[known.get(letter, ids["X"])] for letter in string.ascii_uppercase])
    return ResidueTokenizer(table, tuple(before), tuple(after), pad)


def published(family: Family) -> ResidueTokenizer:
    """Return the tokenizer of a family whose vocabulary is known without its files.

    Those of families that read 3Di letters are in `structure_tokens`.

    Raises:
        WeightsError: if it is not.
    """
    if family in ("esm2", "esmc"):  # the first ids of ESM C are those of ESM-2
        return _table(_numbered(_ESM2), before=(0,), after=(2,), pad=1, rare=True)
    if family == "prot_bert":
        return _table(_numbered(_PROT_BERT, 5), before=(2,), after=(3,), pad=0, rare=False)
    if family in ("t5", "prost_t5"):
        before = (_AA2FOLD,) if family == "prost_t5" else ()
        return _table(_numbered(_PROT_T5), before=before, after=(1,), pad=0, rare=False)
    raise WeightsError(
        f"The alphabet of {family} is read from its own files, which are not here. Run `python -m "
        "zoo.download NAME --out DIR` on a machine with internet and give --seq DIR."
    )


def _numbered(words: Sequence[str], start: int = 0) -> dict[str, int]:
    return {word: index for index, word in enumerate(words, start) if len(word) == 1}


def from_pretrained(folder: str, *, threedi: bool = False) -> ResidueTokenizer:
    """Return the table that a model's own tokenizer files give.

    Args:
        folder: with the files.
        threedi: whether the model is to read 3Di letters alone, as ProstT5 can.

    Raises:
        ConfigError: if the folder has no usable tokenizer, one without single residues, or one
            with tokens whose use is not known here.
    """
    tokenizer = _load(folder)
    vocabulary = tokenizer.get_vocab()
    if threedi or structure_tokens.has_pairs(vocabulary):
        return structure_tokens.read(tokenizer, vocabulary, folder, threedi=threedi)
    _check_alphabet(vocabulary, folder)
    # A BERT with vocab.txt alone is loaded as one that reads lower case, and knows no residue.
    found = _read(tokenizer, vocabulary) or _read(_load(folder, do_lower_case=False), vocabulary)
    if found is None:
        raise ConfigError(
            f"The tokenizer of {folder} gives no single token for each residue of {RESIDUES}, "
            "neither for letters in a row nor with spaces between them. Use a language model "
            "whose tokens are residues."
        )
    return found


def _load(folder: str, **options: Any) -> Any:
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False, **options
        )
    except Exception as error:  # transformers raises OSError, ValueError, KeyError, ImportError
        first = (str(error).strip().splitlines() or ["no reason given"])[0]
        raise ConfigError(
            f"{folder} has no tokenizer that transformers can load ({type(error).__name__}: "
            f"{first}). Put the model's tokenizer files into the folder."
        ) from error


def _check_alphabet(vocabulary: Mapping[str, int], folder: str) -> None:
    """Refuse a vocabulary that lacks residues, or that has words of an unknown use.

    A model that joins residues, or wants a token before a chain, runs without and is wrong.
    """
    bare = {word.lstrip("".join(_MARKS[1:])) for word in vocabulary}
    missing = sorted({*RESIDUES} - bare)
    if missing:
        raise ConfigError(f"The tokenizer of {folder} has no token for {', '.join(missing)}.")
    unknown = sorted(x for x in vocabulary if x not in PREFIXES and not _ROLES.fullmatch(x))
    if unknown:
        named = ", ".join(unknown[:5]) + (", ..." if len(unknown) > 5 else "")
        raise ConfigError(
            f"The tokenizer of {folder} has tokens that are no residue, and it is not known here "
            f"how its authors use them: {named}. A chain without them may be read wrongly, so it "
            "is not read. Use a language model whose tokens are residues, one of `zoo list`."
        )


def _read(tokenizer: Any, vocabulary: Mapping[str, int]) -> ResidueTokenizer | None:
    """Return the table, if the tokenizer gives its ids for a chain of the standard residues."""
    unknown = tokenizer.unk_token_id
    for mark, ids in _alphabets(vocabulary):
        if "X" not in ids and unknown is not None:
            ids["X"] = unknown
        words = [_prefix(vocabulary), *RESIDUES]
        special = around(tokenizer, words, [ids[letter] for letter in RESIDUES])
        if special is not None and "X" in ids:
            order = "".join(sorted((x for x in ids if ids[x] != unknown), key=ids.__getitem__))
            # Letters behind sentencepiece's mark are those of ProtT5 and its descendants.
            rare = mark != "\u2581" and order != _PROT_BERT
            return _table(ids, *special, tokenizer.pad_token_id or 0, rare=rare)
    return None


def _alphabets(vocabulary: Mapping[str, int]) -> Iterator[tuple[str, dict[str, int]]]:
    """Yield the marks before letters under which a vocabulary has all residues, with the ids."""
    for mark in _MARKS:
        letters = (x for x in string.ascii_uppercase if mark + x in vocabulary)
        ids = {x: vocabulary[mark + x] for x in letters}
        if {*RESIDUES} <= ids.keys():
            yield mark, ids


def _prefix(vocabulary: Mapping[str, int]) -> str:
    return next((word for word in PREFIXES if word in vocabulary), "")
