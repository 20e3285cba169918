"""Proteins as people give them: a path, a `Protein`, or several of these."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import zoo
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
    found: list[Protein] = []
    for one in each_given(given, VALID):
        # By the public name, which loads the parser when it is used: a training reads no file.
        found += [one] if isinstance(one, Protein) else zoo.read_proteins(os.fspath(one))
    return found


def each_given(given: Given | Iterable[Given], valid: str) -> Iterator[Given]:
    """Yield what is given, which may be one thing or several.

    Args:
        given: What a caller gave.
        valid: A sentence on what is valid, for the error.

    Raises:
        ConfigError: If something is neither a path nor a protein.
    """
    alone = isinstance(given, str | os.PathLike | Protein | Mapping)
    alone = alone or not isinstance(given, Iterable)
    things: Any = [given] if alone else given
    for one in things:
        if not isinstance(one, str | os.PathLike | Protein):
            raise ConfigError(f"{one!r:.80} ({type(one).__name__}) is not an input. {valid}")
        yield one
