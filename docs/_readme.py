"""The README's table of what there is, from the registries: `python docs/_readme.py` writes it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from zoo.list import catalogue

README = Path(__file__).parents[1] / "README.md"
BEGIN, END = "<!-- from docs/_readme.py -->\n", "<!-- end -->\n"
KINDS = {
    "sequence": "language models, `--seq`",
    "structure": "graph networks, `--struct`",
    "fusion": "fusions, `--fusion`",
    "task": "tasks, `--task`",
}
AFTERWORDS = {
    "sequence": "any encoder of the Hugging Face hub by its id or a folder; `none`",
    "structure": "`none`; graphs of residues (30 nearest CA, or a radius) or atoms, with ligands",
}


def table() -> str:
    """Return the table: a row for everything that can be chosen by name."""
    return "\n".join(["| | |", "|---|---|", *_rows()]) + "\n"


def _rows() -> Iterator[str]:
    found = catalogue()
    for kind, title in KINDS.items():
        yield f"| **{title}** | |"
        for row in found[kind]:
            yield f"| `{row['name']}` | {_about(row)} |"
        if kind in AFTERWORDS:
            yield f"| | {AFTERWORDS[kind]} |"


def _about(row: dict[str, Any]) -> str:
    if "hub id" in row:
        return f"{row['hub id']}; {row['layers']} layers, {_rounded(row['parameters'])} parameters"
    return str(row["about"]).replace("|", "\\|")


def _rounded(count: int) -> str:
    return f"{count / 1e9:.1f} billion" if count >= 1e9 else f"{count / 1e6:.3g} million"


def renewed(text: str) -> str:
    """Return the README with its table as it should be."""
    before, rest = text.split(BEGIN)
    return before + BEGIN + table() + END + rest.split(END)[1]


if __name__ == "__main__":
    README.write_text(renewed(README.read_text()))
