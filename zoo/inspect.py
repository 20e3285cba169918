"""`python -m zoo.inspect`: show what structure files contain, chain by chain."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zoo.command.cli import run
from zoo.command.options import Offline
from zoo.command.say import note, say, show, warn
from zoo.command.sums import Sum, grouped, show_sum
from zoo.errors import StructureError

if TYPE_CHECKING:
    from zoo.proteins.protein import Protein

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
        list[str],
        typer.Argument(
            help="PDB, mmCIF, BinaryCIF or FASTA files, plain or gzipped, or names: 1abc, 1abc_A, "
            "AF-P12345-F1, P12345."
        ),
    ],
    offline: Offline = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a JSON list of the proteins instead of tables.")
    ] = False,
) -> None:
    """Show how each file is read: chains, breaks, modified residues, missing atoms, ligands.

    Example: python -m zoo.inspect protein.cif.gz
    """
    from zoo.system.offline import stay_offline

    if offline:
        stay_offline()
    described, failed = [], []
    for file in files:
        for found in describe(file):
            if isinstance(found, StructureError):
                warn(f"error: {found}", style="")
                failed.append(found)
            else:
                described.append(found)
    total = Sum("proteins", len(described) + len(failed), len(described),
                grouped(map(str, failed)))  # fmt: skip
    if as_json:
        print(json.dumps(described, indent=2))
    else:
        for protein in described:
            _show(protein)
    if len(files) > 1 or failed:
        show_sum(total, tell=note if as_json else say)
    if failed:
        raise typer.Exit(1 if described else failed[0].exit_code)


def describe(file: str) -> Iterator[dict[str, Any] | StructureError]:
    """Yield each protein of a file as plain values, ready for JSON, or why it cannot be read."""
    from zoo.prediction.paths import one_input  # so that --help loads no parser
    from zoo.proteins.records import read_records

    try:
        given = one_input(file, note)
        for record in read_records(given.path, given.chains):
            yield record if isinstance(record, StructureError) else _plain(record)
    except StructureError as error:
        yield error


def _plain(protein: Protein) -> dict[str, Any]:
    return {
        "name": protein.name,
        "source": protein.source,
        "chains": [
            {"name": chain.name, "label": chain.label, "length": len(chain)}
            | {"sequence": chain.sequence, **chain.report.to_dict()}
            for chain in protein.chains
        ],
        "notes": list(protein.notes),
        "atoms": _atoms(protein),
    }


def _atoms(protein: Protein) -> dict[str, Any]:
    """Return what became of the atoms of the model that was read."""
    chains = len(protein.atoms)
    ligands = sum(len(ligand.atoms) for ligand in protein.ligands)
    total = chains + ligands + sum(protein.left_out.values())
    return {"in": total, "chains": chains, "ligands": ligands, "left_out": dict(protein.left_out)}


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
    if protein["atoms"]["in"]:
        say(_atom_sum(protein["atoms"]))
    for remark in protein["notes"]:
        say(f"note: {remark}")


def _atom_sum(atoms: dict[str, Any]) -> str:
    left = atoms["left_out"]
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in left.items())
    kept = f"{atoms['chains']:,} in chains + {atoms['ligands']:,} in ligands"
    end = f" ({reasons})" if left else ""
    return f"{atoms['in']:,} atoms in = {kept} + {sum(left.values()):,} left out{end}"


def _cell(value: object) -> str:
    return str(len(value) if isinstance(value, list | tuple) else value)


if __name__ == "__main__":
    run(inspect)
