"""Scripts that open a written structure in the page's colours: PyMOL, ChimeraX and Mol*.

They lie beside the structure and name it without its folder, so they are opened from there.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from zoo.prediction.journal import Journal
from zoo.prediction.many import SUFFIXES
from zoo.prediction.table import NONE, Plain, Thresholds
from zoo.proteins.scored import BESIDE, attribute
from zoo.reporting.predicted import scales_of
from zoo.reporting.scales import UNKNOWN, Scale
from zoo.system.files import write_whole
from zoo.system.reading import content
from zoo.tasks import Target

STEPS = 100
"""Number of colours that a script tells apart; a step is too small to see."""
FORMATS = {".pdb": "pdb", ".cif": "mmcif"}
VERSION = "1.0"
"""Of the MolViewSpec format; all that is used here is in the first."""


class Place(NamedTuple):
    """A residue as the file names it: its chain ("" for a blank one), number and insertion code."""

    chain: str
    number: int
    insertion: str


def write_all_scenes(
    folder: Path, journal: Journal, names: Sequence[str], targets: Sequence[Target],
    thresholds: Thresholds = NONE,
) -> None:  # fmt: skip
    """Write the scripts of some proteins in a journal, in the colours of the page.

    Args:
        folder: Folder of the structures.
        journal: Predictions.
        names: Names of the proteins.
        targets: Targets of the model.
        thresholds: Probability from which a binary target counts as positive, by its name.
    """
    for name, scale in scales_of(journal, targets, thresholds).items():
        write_scenes(folder, ((key, journal[key]) for key in names), name, scale)


def write_scenes(
    folder: Path, results: Iterable[tuple[str, Plain]], name: str, scale: Scale
) -> list[Path]:
    """Write the scripts of each protein whose structure is in the folder, and return their paths.

    Args:
        folder: Folder of the structures.
        results: Name and prediction of each protein.
        name: Name of the target.
        scale: Colours of its values.
    """
    written = []
    for protein, result in results:
        stem = folder / protein
        structure = next((path for s in SUFFIXES if (path := _with(stem, s)).is_file()), None)
        if structure is None or not protein.isprintable():  # a line break would begin a command
            continue
        groups = by_colour(result, name, scale)
        attributes = _with(stem, BESIDE).name if _with(stem, BESIDE).is_file() else None
        texts = {
            ".pml": pymol(structure.name, groups),
            ".cxc": chimerax(structure.name, attributes, name, scale),
            ".mvsj": molstar(structure, groups),
        }
        for suffix, text in texts.items():
            write_whole(_with(stem, suffix), text)
            written.append(_with(stem, suffix))
    return written


def _with(stem: Path, suffix: str) -> Path:
    return stem.with_name(f"{stem.name}{suffix}")


def by_colour(result: Plain, name: str, scale: Scale) -> dict[str, list[Place]]:
    """Return the residues that have a score by their colour."""
    found: dict[str, list[Place]] = {}
    width = (scale.high - scale.low) / STEPS or 1.0
    for place, value in zip(_places(result), result["mean"][name], strict=True):
        if place is not None and value is not None:
            step = scale.low + width * round((value - scale.low) / width)
            found.setdefault(scale.colour(step), []).append(place)
    return found


def _places(result: Plain) -> Iterator[Place | None]:
    """Yield how the file names each residue; None for one without a number."""
    for chain, _, numbers in result["chains"]:
        for number in numbers:
            found = re.fullmatch(r"(-?\d+)(.*)", number, re.DOTALL)
            own = "" if chain == "_" else chain
            yield Place(own, int(found[1]), found[2].strip()) if found else None


def pymol(structure: str, groups: Mapping[str, Sequence[Place]]) -> str:
    """Return a PyMOL script; each colour is a line for each chain.

    Names stand in Python strings, so that none in a file can be a command.
    """
    lines = [
        "# Open it in PyMOL: File, Open; or `pymol FILE` in this folder.",
        "python",
        "import os",
        'folder = os.path.dirname(globals().get("__script__", ""))',
        f'cmd.load(os.path.join(folder, {json.dumps(structure)}), "prediction")',
        'cmd.hide("everything", "prediction")',
        'cmd.show("cartoon", "prediction")',
        'cmd.show("sticks", "prediction and organic")',
        f'cmd.color("0x{UNKNOWN[1:]}", "prediction and polymer")',
    ]
    for colour, places in groups.items():
        for chain in dict.fromkeys(place.chain for place in places):
            numbers = "+".join(_resi(place) for place in places if place.chain == chain)
            where = f"prediction and polymer and chain '{chain}' and resi {numbers}"
            lines.append(f'cmd.color("0x{colour[1:]}", {json.dumps(where)})')
    return "\n".join([*lines, 'cmd.orient("prediction and polymer")', "python end", ""])


def _resi(place: Place) -> str:
    """Return a residue's number for PyMOL, where a bare minus would be a range."""
    return f"{place.number}{place.insertion}".replace("-", "\\-")


def chimerax(structure: str, attributes: str | None, name: str, scale: Scale) -> str:
    """Return a ChimeraX script, which colours by the attributes beside the structure.

    Without them the scores stand in the place of the B-factors, probabilities times 100.
    """
    factor = 100.0 if attributes is None and 0 <= scale.low and scale.high <= 1 else 1.0
    what = "a:bfactor" if attributes is None else f"r:{attribute(name)}"
    ends = f"{scale.low * factor:g},{scale.high * factor:g}"
    lines = [f"open {_quoted(structure)}"]
    if attributes is not None:
        lines.append(f"open {_quoted(attributes)}")
    lines += [
        "hide atoms", "show cartoons", "show ligand atoms",
        f"color byattribute {what} target c palette {':'.join(scale.colours)} range {ends} "
        f"noValueColor {UNKNOWN}",
        "view",
    ]  # fmt: skip
    return "\n".join([*lines, ""])


def _quoted(name: str) -> str:
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def molstar(structure: Path, groups: Mapping[str, Sequence[Place]]) -> str:
    """Return a MolViewSpec state (MVSJ) for Mol*, which holds the structure itself.

    A page in a browser may not open the file next to another one, so the structure is in it.
    """
    data = base64.b64encode(content(structure)).decode()
    colours = [_node("color", {"color": UNKNOWN})] + [
        _node("color", {"color": colour, "selector": [_expression(place) for place in places]})
        for colour, places in groups.items()
    ]
    polymer = _node("representation", {"type": "cartoon"}, colours)
    ligand = _node("representation", {"type": "ball_and_stick"})
    model = _node("structure", {"type": "model"}, [
        _node("component", {"selector": "polymer"}, [polymer]),
        _node("component", {"selector": "ligand"}, [ligand]),
    ])  # fmt: skip
    parsed = _node("parse", {"format": FORMATS[structure.suffix]}, [model])
    download = _node("download", {"url": f"data:text/plain;base64,{data}"}, [parsed])
    state = {"kind": "single", "root": _node("root", None, [download]),
             "metadata": {"version": VERSION, "title": structure.stem,
                          "timestamp": "1970-01-01T00:00:00Z"}}  # fmt: skip
    return json.dumps(state, separators=(",", ":")) + "\n"


def _node(
    kind: str, params: Mapping[str, Any] | None, children: Sequence[Any] = ()
) -> dict[str, Any]:
    node: dict[str, Any] = {"kind": kind}
    if params is not None:
        node["params"] = params
    if children:
        node["children"] = list(children)
    return node


def _expression(place: Place) -> dict[str, Any]:
    found: dict[str, Any] = {"auth_asym_id": place.chain, "auth_seq_id": place.number}
    return found | ({"pdbx_PDB_ins_code": place.insertion} if place.insertion else {})
