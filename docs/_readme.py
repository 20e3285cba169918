"""The README's table of names, made from the registries: `python docs/_readme.py` writes it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from zoo.models.catalogue import catalogue

README = Path(__file__).parents[1] / "README.md"
BEGIN, END = "<!-- from docs/_readme.py -->\n", "<!-- end -->\n"
KINDS = {
    "sequence": "language models, `--seq`",
    "structure": "graph networks, `--struct`",
    "fusion": "fusions, `--fusion`",
    "task": "tasks, `--task`",
    "model": "trained models, `--model`",
}
AFTERWORDS = {
    "sequence": "encoders of the Hugging Face hub with a token a residue, by id or folder; `none`",
    "structure": "`none`; on graphs of residues or atoms, with ligands",
}


def table() -> str:
    """Return the table: a row for each kind of name."""
    return "\n".join(["| | |", "|---|---|", *_rows()]) + "\n"


def _rows() -> Iterator[str]:
    found = catalogue()
    for kind, title in KINDS.items():
        names = ", ".join(_named(kind, row) for row in found[kind])
        yield f"| {title} | {names}{'; ' * (kind in AFTERWORDS)}{AFTERWORDS.get(kind, '')} |"


def _named(kind: str, row: dict[str, Any]) -> str:
    """Return a name; a task's with what it predicts, as its letters do not show it."""
    about = f" ({row['about'].partition(' (')[0]})" if kind == "task" else ""
    return f"`{row['name']}`{about}"


def renewed(text: str) -> str:
    """Return the README with its table as it should be."""
    before, rest = text.split(BEGIN)
    return before + BEGIN + table() + END + rest.split(END)[1]


if __name__ == "__main__":
    README.write_text(renewed(README.read_text()))
