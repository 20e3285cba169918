"""The viewer of structures and sequences that the pages of predictions and reports share."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.metrics.rows import Array
from zoo.proteins.protein import Chain, Protein
from zoo.proteins.secondary_structure import HELIX, STRAND, states
from zoo.reporting.scales import Scale

HERE = Path(__file__).parent
FILES = ("3Dmol-min.js", "3Dmol-LICENSE.txt", "viewer.js", "viewer.css", "viewer.html")
DIGITS = 6
"""Significant digits of values, as in the tables that `zoo predict` writes."""
STYLE = (HERE / "viewer.css").read_text(encoding="utf-8")
HINT = "Structure: drag or use the arrow keys to turn it, the wheel or + and - to zoom"


def describe(
    protein: Protein, columns: Mapping[str, Array], name: str = "", cells: Sequence[Any] = ()
) -> dict[str, Any]:
    """Return one protein as plain values.

    Args:
        protein: protein, with coordinates or without.
        columns: values (residues,) by name, by which it can be coloured; NaN if unknown.
        name: its name on the page; "" for the protein's own.
        cells: its cells in the table.
    """
    values = {key: _plain(column) for key, column in columns.items()}
    return {
        "name": name or protein.name, "cells": list(cells), **geometry(protein.chains, protein),
        "values": values,
    }  # fmt: skip


def geometry(chains: Sequence[Chain], protein: Protein) -> dict[str, Any]:
    """Return chains of a protein with their secondary structure and coordinates.

    Each chain is its name, sequence, residue numbers joined by commas, and states joined (h, e or
    c). The coordinates are those of CA and O of all residues, in tenths of an angstrom about their
    middle, turned so that the longest extent is from left to right; None where unknown, and None as
    a whole without a structure.
    """
    letter = {HELIX: "h", STRAND: "e"}
    found = states(protein).tolist() if protein.has_structure else [-1] * len(protein)
    starts = np.cumsum([0, *(len(chain) for chain in protein.chains)]).tolist()
    start = dict(zip(map(id, protein.chains), starts[:-1], strict=True))
    parts = []
    for chain in chains:
        own = found[start[id(chain)] : start[id(chain)] + len(chain)]
        drawn = "".join(letter.get(state, "c") for state in own)
        parts.append([chain.name, chain.sequence, ",".join(chain.numbers), drawn])
    return {"chains": parts, "xyz": _xyz(chains)}


def _xyz(chains: Sequence[Chain]) -> list[int | None] | None:
    coords = np.concatenate([chain.coords[:, (1, 3)] for chain in chains]).astype(np.float64)
    known: NDArray[np.bool_] = np.all(np.isfinite(coords), axis=-1)
    known[:, 1] &= known[:, 0]
    if not known.any():
        return None
    centred = coords - coords[known].mean(axis=0)
    axes = np.linalg.svd(centred[known], full_matrices=False)[2] if known.sum() > 2 else np.eye(3)
    axes[2] *= np.sign(np.linalg.det(axes)) or 1.0  # no mirror image
    tenths = np.round(10 * (centred @ axes.T))
    flat = np.where(known[..., None], tenths, np.nan).ravel().tolist()
    return [None if x != x else int(x) for x in flat]


def _plain(values: Array) -> list[float | None]:
    return [float(f"{x:.{DIGITS}g}") if np.isfinite(x) else None for x in values.tolist()]


def dumped(value: Any) -> str:
    """Return compact JSON that can stand in an element, as no name in it can end the element."""
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")


def section(
    proteins: Sequence[Mapping[str, Any] | str], scales: Mapping[str, Scale],
    cells: Sequence[str] = (), remark: str = "",
) -> str:  # fmt: skip
    """Return the viewer with its script and its data.

    Args:
        proteins: proteins, see `describe`, each also as what `dumped` returns of it; those without
            "chains" are in the table only.
        scales: colours of each column of values.
        cells: names of the cells in the table.
        remark: what is to be known of the table; escaped here.
    """
    each = (one if isinstance(one, str) else dumped(one) for one in proteins)
    colours = {name: scale.to_dict() for name, scale in scales.items()}
    data = f'{{"scales":{dumped(colours)},"cells":{dumped(list(cells))},"proteins":['
    licence = _read("3Dmol-LICENSE.txt").replace("*/", "* /").replace("</", "< /")
    library = _read("3Dmol-min.js").replace("</script", "<\\/script")
    script = _read("viewer.js")
    return (
        _read("viewer.html").replace("REMARK", html.escape(remark)).replace("HINT", HINT)
        + f'<script type="application/json" id="proteins">{data}{",".join(each)}]}}</script>'
        + f"<script>/* 3Dmol.js\n{licence}*/\n{library}</script><script>{script}</script>"
    )


def fixed_size() -> int:
    """Return the bytes of a page without proteins: the library, its licence, scripts and styles."""
    return sum(len(_read(name)) for name in FILES)


def _read(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")
