"""`python -m zoo.inspect`: show what structure files contain, chain by chain."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from zoo.command.cli import run
from zoo.command.say import say, show, warn
from zoo.errors import StructureError

#: Lists in a chain's report: the table has their lengths, the lines below it their contents.
LISTS = (
    "unresolved", "modified", "unknown", "missing_atoms", "without_ca", "ligands", "notes",
)  # fmt: skip
#: Keys of a chain's report and their headings, short enough for a table of 80 characters.
COLUMNS = {
    "name": "chain", "label": "label", "length": "length", "resolved": "resolved",
    "breaks": "breaks", "modified": "modified", "missing_atoms": "missing", "altlocs": "alt",
    "insertions": "ins", "hydrogens": "H", "waters": "water", "ligands": "ligand",
}  # fmt: skip


def inspect(
    files: Annotated[
        list[Path], typer.Argument(help="PDB, mmCIF, BinaryCIF or FASTA files, plain or gzipped.")
    ],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a JSON list of the proteins instead of tables.")
    ] = False,
) -> None:
    """Show how each file is read: chains, breaks, modified residues, missing atoms, ligands.

    Example: python -m zoo.inspect protein.cif.gz
    """
    described, failed = [], 0
    for file in files:
        try:
            described += describe(file)
        except StructureError as error:
            warn(f"error: {error}", style="")
            failed = error.exit_code
    if as_json:
        print(json.dumps(described, indent=2))
    else:
        for protein in described:
            _show(protein)
    if failed:
        raise typer.Exit(failed)


def describe(file: Path) -> list[dict[str, Any]]:
    """Return each protein of a file as plain values, ready for JSON.

    Raises:
        StructureError: if the file cannot be read.
    """
    from zoo.proteins.structure import read_proteins  # so that --help loads no parser

    return [
        {
            "name": protein.name,
            "source": protein.source,
            "chains": [
                {"name": chain.name, "label": chain.label, "length": len(chain)}
                | {"sequence": chain.sequence, **chain.report.to_dict()}
                for chain in protein.chains
            ],
            "notes": list(protein.notes),
        }
        for protein in read_proteins(file)
    ]


def _show(protein: dict[str, Any]) -> None:
    """Print a table of counts, followed by the full lists."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, collapse_padding=True, header_style="dim")
    for heading in COLUMNS.values():
        table.add_column(heading, justify="left" if heading in ("chain", "label") else "right")
    for chain in protein["chains"]:
        table.add_row(*(_cell(chain[key]) for key in COLUMNS))
    say(f"{protein['name']} ({protein['source']})", style="bold")
    show(table)
    for chain in protein["chains"]:
        say(f"{chain['name']}: sequence from {chain['sequence_source']}")
        if chain["ca_only"]:
            say(f"{chain['name']}: CA atoms only")
        for key in LISTS:
            if chain[key]:
                say(f"{chain['name']}: {key.replace('_', ' ')}: {', '.join(chain[key])}")
    for note in protein["notes"]:
        say(f"note: {note}")


def _cell(value: object) -> str:
    return str(len(value) if isinstance(value, list | tuple) else value)


if __name__ == "__main__":
    run(inspect)
