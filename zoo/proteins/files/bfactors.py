"""Replaces B-factors in the text of a structure file; every other character stays as it was."""

from __future__ import annotations

from typing import Any

from gemmi import cif
from numpy.typing import NDArray

from zoo.errors import StructureError

#: Columns of the B-factor in a line of a PDB file.
START, STOP = 60, 66
TAG = "_atom_site.B_iso_or_equiv"
Rows = NDArray[Any]


def in_pdb(data: bytes, line: Rows, bfactor: Rows) -> bytes:
    """Return PDB text with other B-factors.

    Args:
        data: ASCII text.
        line: (A,) lines of atoms, from 1.
        bfactor: (A,) their new B-factors.

    Raises:
        StructureError: If a value does not fit into the six columns.
    """
    lines = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    for at, value in zip(line.tolist(), bfactor.tolist(), strict=True):
        old = lines[at - 1].ljust(STOP)
        lines[at - 1] = old[:START] + _six_columns(value).encode() + old[STOP:]
    return b"\n".join(lines)


def _six_columns(value: float) -> str:
    texts = (f"{value:6.{places}f}" for places in (2, 1, 0))
    fitting = next((text for text in texts if len(text) == STOP - START), None)
    if fitting is None:
        raise StructureError(
            f"the score {value:.6g} does not fit into the six columns of a PDB file's B-factor. "
            "Leave out --bfactors."
        )
    return fitting


def in_mmcif(data: bytes, row: Rows, bfactor: Rows) -> bytes:
    """Return mmCIF text with other B-factors; its values stay, its layout may change.

    Args:
        data: ASCII text; the first block with atoms is changed.
        row: (A,) rows of `_atom_site`, from 1.
        bfactor: (A,) their new B-factors.
    """
    document = cif.read_string(data)
    block = next(block for block in document if block.find_mmcif_category("_atom_site."))
    if not len(block.find_values(TAG)):
        loop = block.find_mmcif_category("_atom_site.").loop
        if loop is None:  # of a single atom
            block.set_pair(TAG, "?")
        else:
            loop.add_columns([TAG], "?")
    column = block.find_values(TAG)
    for at, value in zip(row.tolist(), bfactor.tolist(), strict=True):
        column[at - 1] = f"{value:.2f}"
    return str(document.as_string()).encode()
