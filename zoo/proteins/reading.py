"""What a language model reads of a chain: a text of one character for each residue.

Most models read the sequence. For one that reads the structure too, a residue whose 3Di letter is
known is one character that stands for both letters; without a 3Di letter it stays its own letter.
So whatever counts the residues of a chain, sorts chains, or asks whether two are the same, needs
not know which of the two it has, and two structures of one sequence are two texts.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from string import ascii_uppercase
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from zoo.errors import StructureError
from zoo.proteins.protein import Protein
from zoo.proteins.threedi import STATES, SURE, UNKNOWN, structure_letters

Reads = Literal["sequence", "both", "structure"]
"""What a language model reads: letters of residues, these with 3Di letters, or 3Di letters alone.
"""
_FIRST = 0xE000
"""The first of the code points that Unicode leaves to private use."""
_STRIDE = 32
_A = ord("A")


def readings(protein: Protein, reads: Reads) -> list[str]:
    """Return what a language model reads of each chain of a protein.

    Raises:
        StructureError: If it reads 3Di letters alone, and the protein has none.
    """
    sequences = [chain.sequence for chain in protein.chains]
    if reads == "sequence":
        return sequences
    letters = structure_letters(protein)
    check_letters(letters, reads, protein.name)
    return paired(sequences, letters)


def check_letters(structure: Sequence[str], reads: Reads, name: str) -> None:
    """Warn, once for all proteins, of a protein of which not one 3Di letter is known.

    Args:
        structure: The 3Di letters of its chains.
        reads: What the language model reads beside them, if anything.
        name: Name of the protein.

    Raises:
        StructureError: If it reads nothing else.
    """
    if any(letters.strip(UNKNOWN) for letters in structure):
        return
    lacks = f"no residue with N, CA and C (of a pLDDT of {SURE:g} at least if it is predicted)"
    if reads == "structure":
        raise StructureError(
            f"{name} has {lacks}, and the language model reads nothing but 3Di letters. Give a "
            "file of the whole backbone, or use the language model's other direction: its name "
            "without ::3di."
        )
    warnings.warn(
        "the language model reads the structure beside the sequence, and of a protein with "
        f"{lacks} it reads {UNKNOWN!r} in the place of each 3Di letter; its states are poorer",
        stacklevel=3,
    )


def paired(sequences: Sequence[str], structure: Sequence[str]) -> list[str]:
    """Return the texts of some chains, from their letters and their 3Di letters."""
    return [_pair(*letters) for letters in zip(sequences, structure, strict=True)]


def _pair(sequence: str, structure: str) -> str:
    letters, states = _codes(sequence), _state_codes(structure)
    both = _FIRST + _STRIDE * (letters - _A) + states
    known = (states >= 0) & (letters >= _A) & (letters <= ord("Z"))
    return np.where(known, both, letters).astype("<u4").tobytes().decode("utf-32-le")


def unpaired(text: str) -> tuple[str, str]:
    """Return the letters and the 3Di letters of a chain's text.

    Examples:
        >>> unpaired(paired(["MKV"], ["#vd"])[0])
        ('MKV', '#vd')
    """
    letters, states = codes(text)
    structure = np.array([*STATES, UNKNOWN])[states]
    return letters.astype("<u4").tobytes().decode("utf-32-le"), "".join(structure)


def codes(text: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return two numbers a residue: its letter's code point, and its 3Di letter's place.

    That is its place in `STATES`, whose length stands for `UNKNOWN`.
    """
    found = _codes(text)
    known = found >= _FIRST
    letters = np.where(known, (found - _FIRST) // _STRIDE + _A, found)
    return letters, np.where(known, (found - _FIRST) % _STRIDE, len(STATES))


def every_pair() -> list[str]:
    """Return texts with each letter beside each 3Di letter, by which tokenizers are told apart."""
    return paired([ascii_uppercase] * len(STATES), [s * len(ascii_uppercase) for s in STATES])


def _codes(text: str) -> NDArray[np.int64]:
    return np.frombuffer(text.encode("utf-32-le"), "<u4").astype(np.int64)


def _state_codes(structure: str) -> NDArray[np.int64]:
    """Return (residues,) the place of each 3Di letter in `STATES`, -1 for `UNKNOWN`."""
    table = np.full(128, -1)
    table[[ord(letter) for letter in STATES]] = np.arange(len(STATES))
    return table[_codes(structure)]
