"""The structure viewer of a run's page, with proteins coloured by prediction, label or gate."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from zoo.explanation.colours import LEGEND
from zoo.metrics.rows import Array
from zoo.proteins.protein import BACKBONE, Protein

HERE = Path(__file__).parent
CHAINS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
"""Names of chains in the page's PDB text, which has room for one letter."""
STYLE = """
#viewer { position: relative; width: 100%; height: 24rem; border: 1px solid var(--line); }
.choices { display: flex; flex-wrap: wrap; gap: .4rem 1.4rem; margin: .6rem 0; }
select { font: inherit; max-width: 100%; }
#strip { font: .8rem/1.35rem ui-monospace, monospace; overflow-wrap: anywhere; }
#strip span { display: inline-block; width: 1.05em; text-align: center; cursor: default; }
#strip .lit { outline: 2px solid #d6249f; } #told { min-height: 3em; }
"""


def describe(protein: Protein, title: str, columns: Mapping[str, Array]) -> dict[str, Any] | None:
    """Return one protein as plain values; None if it is too large for the PDB format.

    Args:
        protein: protein with coordinates.
        title: title of the protein in the list of the viewer.
        columns: values (residues,) by name, by which it can be coloured; NaN if unknown.
    """
    if len(protein.chains) > len(CHAINS) or max(map(len, protein.chains), default=0) > 9999:
        return None
    coords = np.concatenate([chain.coords for chain in protein.chains])
    places = [(CHAINS[at], row, chain.name, number)
              for at, chain in enumerate(protein.chains)
              for row, number in enumerate(chain.numbers, 1)]  # fmt: skip
    return {
        "title": title,
        "sequence": "".join(chain.sequence for chain in protein.chains),
        "places": places,
        "pdb": _pdb(places, coords),
        "columns": {name: _plain(values) for name, values in columns.items()},
    }


def _plain(values: Array) -> list[float | None]:
    return [round(float(x), 4) if np.isfinite(x) else None for x in values]


def _pdb(places: list[tuple[str, int, str, str]], coords: Array) -> str:
    lines: list[str] = []
    for (chain, row, _, _), atoms in zip(places, coords, strict=True):
        for name, (x, y, z) in zip(BACKBONE, atoms, strict=True):
            if np.isfinite((x, y, z)).all() and max(map(abs, (x, y, z))) < 9999:
                lines.append(
                    f"ATOM  {len(lines) % 99999 + 1:5d}  {name:<3} ALA {chain}{row:4d}    "
                    f"{x:8.3f}{y:8.3f}{z:8.3f}  1.00  0.00           {name[0]}"
                )
    return "\n".join([*lines, "END", ""])


def section(proteins: Mapping[str, dict[str, Any]]) -> str:
    """Return the section with the viewer, its script and its data."""
    # "<" is escaped so that no name can end the element.
    data = json.dumps(proteins, separators=(",", ":")).replace("<", "\\u003c")
    library = (HERE / "3Dmol-min.js").read_text(encoding="utf-8").replace("</script", "<\\/script")
    script = (HERE / "viewer.js").read_text(encoding="utf-8")
    return (
        "<h2>Structures</h2><div class=choices><label>protein <select id=protein></select></label>"
        "<label>coloured by <select id=by></select></label></div><div id=viewer></div>"
        "<p class=soft>Predictions and labels: darker is higher, from 0 to 1, or from the lowest "
        f"to the highest of other values; grey is unknown. Gates: {LEGEND}.</p>"
        "<p id=told></p><div id=strip></div>"
        f'<script type="application/json" id="proteins">{data}</script>'
        f"<script>{library}</script><script>{script}</script>"
    )
