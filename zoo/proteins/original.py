"""Finds the text of the file that a protein was read from, to be written again with scores."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zoo.errors import StructureError
from zoo.proteins.files.bcif_text import bcif_as_text
from zoo.proteins.files.bfactors import in_mmcif, in_pdb
from zoo.proteins.files.content import read_bytes
from zoo.proteins.files.entry import Entry
from zoo.proteins.files.formats import as_ascii, detect, parse
from zoo.proteins.files.hybrid36 import four_columns
from zoo.proteins.files.strands import strands
from zoo.proteins.protein import Chain, Protein
from zoo.proteins.structure import assemble, contents, rows_of_chains

Values = NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class Original:
    """The text of a structure file, unpacked.

    BinaryCIF is written as mmCIF, residue numbers of five digits in PDB in hybrid-36.
    """

    text: bytes
    suffix: str
    """".pdb" or ".cif", by the content."""
    entry: Entry
    """Atoms and sequences of the model that was read."""


def original(protein: Protein) -> Original | None:
    """Return the text of a protein's file; None if there is no such file.

    That is so for a protein that a program made or changed, one of a pipe, which can be read only
    once, and one whose file has changed. Reads all chains of the first model.

    Raises:
        StructureError: If a part of the file that reading does not need is damaged BinaryCIF.
    """
    if not Path(protein.source).is_file():
        return None
    try:
        data = read_bytes(protein.source)
        entry, _ = parse(data, 1)
        again = assemble(entry, protein.name, protein.source)
    except StructureError:
        return None
    if not _same(protein, again):
        return None
    kind = detect(data)
    if kind == "pdb":
        return Original(four_columns(data), ".pdb", entry)
    return Original(bcif_as_text(data) if kind == "bcif" else data, ".cif", entry)


def _same(one: Protein, other: Protein) -> bool:
    return len(one.chains) == len(other.chains) and all(
        (a.name, a.sequence, a.numbers) == (b.name, b.sequence, b.numbers)
        and np.array_equal(a.coords, _known_to(a, b) if one.plddt else b.coords, equal_nan=True)
        for a, b in zip(one.chains, other.chains, strict=True)
    )


def _known_to(one: Chain, other: Chain) -> Values:
    """Return the coordinates of the other where one has any: `without_unsure` leaves some out."""
    return np.where(np.isfinite(one.coords), other.coords, np.nan)


def with_bfactors(found: Original, bfactor: Values) -> bytes:
    """Return the text with other B-factors in the chains; those of ligands and waters stay.

    Args:
        found: Text of a file.
        bfactor: (residues,) B-factors over all chains end to end, for the atoms of all conformers.

    Raises:
        StructureError: If a value does not fit into PDB's columns.
    """
    content = contents(found.entry)
    residue = rows_of_chains(content, strands(content, None, True))[content.found.place]
    mine = residue >= 0
    replaced = in_pdb if found.suffix == ".pdb" else in_mmcif
    text = found.text if found.text.isascii() else as_ascii(found.text)
    return replaced(text, found.entry.atoms.line[mine], bfactor[residue[mine]])
