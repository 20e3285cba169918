"""What is dropped on the page or named there: checked, and held in memory alone."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from zoo.errors import StructureError, ZooError
from zoo.proteins.databases import FORMS, named, structure_file
from zoo.proteins.files.content import GZIP_MARK
from zoo.proteins.files.formats import detect
from zoo.proteins.files.unpack import gunzip
from zoo.proteins.structure import read_structure
from zoo.system.counting import counted
from zoo.system.reading import content

MB = 2**20
MOST_BYTES = 20 * MB
"""Largest file, as it is sent: that of a ribosome, packed, has half of it."""
MOST_UNPACKED = 100 * MB
"""Largest size that it may unpack to."""
MOST_LETTERS = 80
"""Longest name of a file; a file system allows about three times as much."""


class Given(NamedTuple):
    """A structure as it was given, whose content can be read.

    Attributes:
        name: Name of its file, without anything that a file system or a page could misread.
        data: Content of its file.
        chains: Name and number of residues of each protein chain.
        chosen: Names of the chains that its name asks for; all, if it asks for none.
    """

    name: str
    data: bytes
    chains: tuple[tuple[str, int], ...]
    chosen: tuple[str, ...]

    def told(self) -> str:
        """Return a sentence on what it is."""
        parts = ", ".join(
            f"{name} ({counted(residues, 'residue')})" for name, residues in self.chains
        )
        chains = "protein chains" if len(self.chains) > 1 else "protein chain"
        return f"{self.name} has the {chains} {parts}."


def given(name: str, data: bytes) -> Given:
    """Return a structure that was dropped on the page.

    Args:
        name: Name of the file, whatever a browser sends.
        data: Content of the file: PDB, mmCIF or BinaryCIF, plain or gzip.

    Raises:
        StructureError: If it is larger than the page takes, or no structure that can be read.
    """
    own = safe_name(name)
    _check_size(own, len(data))
    _check_content(own, data)
    with on_disk(own, data) as path:
        protein = read_structure(path)
    chains = tuple((chain.name, len(chain)) for chain in protein.chains)
    return Given(own, data, chains, tuple(chain for chain, _ in chains))


def fetched(text: str) -> Given:
    """Return a structure of the PDB or of AlphaFold DB by its name, which is never a path.

    Raises:
        StructureError: If the text has no form of such a name, or there is no such structure.
        FetchError: If it is not on this machine and cannot be fetched.
    """
    structure = named(text.strip())
    if structure is None:
        raise StructureError(f"{text.strip()!r} is no name of a structure. Valid: {FORMS}.")
    path = structure_file(structure)
    _check_size(path.name, path.stat().st_size)
    found = given(path.name, content(path))
    if structure.chains is None:
        return found
    return found._replace(chosen=checked_chains(found, structure.chains.split(",")))


def checked_chains(one: Given, wanted: list[str]) -> tuple[str, ...]:
    """Return the names of the chains to take, in the order of the file.

    Raises:
        StructureError: If none is named, or one that the structure does not have.
    """
    names = [name for name, _ in one.chains]
    lacking = [name for name in wanted if name not in names]
    if lacking:
        raise StructureError(
            f"{one.name} has no protein chain {', '.join(lacking)}. Valid: {', '.join(names)}."
        )
    if not wanted:
        raise StructureError(f"No chain is chosen. Choose one or more of {', '.join(names)}.")
    return tuple(name for name in names if name in wanted)


def safe_name(name: str) -> str:
    """Return the last part of a path as the name of a file, with "_" for what is no letter.

    Examples:
        >>> safe_name("../etc/my <b>.cif"), safe_name("..")
        ('my_b_.cif', 'structure')
    """
    last = re.split(r"[/\\]", name)[-1]
    return re.sub(r"[^\w.+-]+", "_", last)[-MOST_LETTERS:].lstrip(".-") or "structure"


@contextmanager
def on_disk(name: str, data: bytes) -> Iterator[Path]:
    """Yield the path of a file with this content, in a folder that is removed at the end.

    The folder is left out of the messages of errors, as nobody could find it.
    """
    with tempfile.TemporaryDirectory(prefix="zoo-app-") as made:
        path = Path(made, name)
        path.write_bytes(data)
        try:
            yield path
        except ZooError as error:
            raise type(error)(without_folder(str(error), path)) from None


def without_folder(text: str, path: Path) -> str:
    """Return a message on a file of `on_disk` that names it without its folder."""
    return text.replace(f"{path.parent}{os.sep}", "")


def _check_content(name: str, data: bytes) -> None:
    """Refuse what no reader should begin with: gzip bombs, and sequences."""
    try:
        text = gunzip(data, MOST_UNPACKED) if data.startswith(GZIP_MARK) else data
    except ValueError as error:
        raise StructureError(f"{name} {error}.") from None
    if not text.strip():
        raise StructureError(f"{name} is empty.")
    try:
        kind = detect(text)
    except StructureError as error:
        raise StructureError(f"{name} {error}.") from None
    if kind == "fasta":
        raise StructureError(
            f"{name} holds sequences, and this page shows structures. "
            "`python -m zoo.predict` takes FASTA files, for models that need no structure."
        )


def _check_size(name: str, size: int) -> None:
    if size > MOST_BYTES:
        raise StructureError(
            f"{name} has {size / MB:,.1f} MB, and this page takes at most {MOST_BYTES // MB} MB. "
            "`python -m zoo.predict FILE --model NAME --out DIR` has no such limit."
        )
