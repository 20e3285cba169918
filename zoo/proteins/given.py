"""Proteins as people give them: a path, a `Protein`, or several of these."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from zoo.errors import ConfigError
from zoo.proteins.protein import Protein

Given = str | os.PathLike[str] | Protein
VALID = "Valid: the path of a structure or FASTA file, a Protein, or a list of these."


def given_proteins(given: Given | Iterable[Given]) -> list[Protein]:
    """Return the proteins that are given, and those of the files that are named.

    Raises:
        ConfigError: If something is neither a path nor a protein.
        StructureError: If a file cannot be read; names the file and the cause.
    """
    return [protein for one in each_given(given, VALID) for protein in _read(one)]


def each_given(given: Given | Iterable[Given], valid: str) -> Iterator[Given]:
    """Yield what is given, which may be one thing or several.

    Args:
        given: What a caller gave.
        valid: A sentence on what is valid, for the error.

    Raises:
        ConfigError: If something is neither a path nor a protein.
    """
    alone = isinstance(given, str | os.PathLike | Protein) or not isinstance(given, Iterable)
    for one in [given] if alone else given:
        if not isinstance(one, str | os.PathLike | Protein):
            raise ConfigError(f"{one!r:.80} ({type(one).__name__}) is not an input. {valid}")
        yield one


def _read(one: Given) -> Iterable[Protein]:
    from zoo.proteins.structure import read_proteins  # brings the parser, which few need

    return [one] if isinstance(one, Protein) else read_proteins(os.fspath(one))
