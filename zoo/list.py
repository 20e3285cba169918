"""`python -m zoo.list`: list every name that other verbs accept."""

from __future__ import annotations

import fnmatch
import json as jsonlib
from typing import Annotated, Any

import typer
from rich.table import Table

from zoo.command.cli import run
from zoo.command.say import say, show
from zoo.errors import ConfigError

TITLES = {
    "sequence": "language models (--seq; any Hugging Face encoder works too, by hub id or folder)",
    "structure": "graph networks (--struct)",
    "fusion": "fusions (--fusion)",
    "task": "tasks (--task)",
    "model": "trained models of the package (zoo.predict --model NAME)",
    "config": "configs (zoo.build NAME)",
}


def list_(
    pattern: Annotated[
        str,
        typer.Argument(help="Wildcard that names must match, e.g. '*ppbs*'; default: all names."),
    ] = "*",
    json: Annotated[bool, typer.Option("--json", help="Print the names as JSON.")] = False,
) -> None:
    """List language models, graph networks, fusions, tasks, trained models and configs.

    Example: python -m zoo.list "*ppbs*"
    """
    from zoo.models.catalogue import catalogue

    found = {
        kind: [row for row in rows if fnmatch.fnmatch(row["name"], pattern)]
        for kind, rows in catalogue().items()
    }
    if json:
        print(jsonlib.dumps(found, indent=2))
        return
    if not any(found.values()):
        raise ConfigError(f"No name matches {pattern!r}; `python -m zoo.list` shows all names.")
    for kind, rows in found.items():
        if rows:
            _show(kind, rows)


def _show(kind: str, rows: list[dict[str, Any]]) -> None:
    say(f"\n{TITLES[kind]}", style="bold")
    rows = [{key: x for key, x in row.items() if key != "checked"} for row in rows]  # too long
    table = Table(box=None, pad_edge=False, header_style="dim", show_header=len(rows[0]) > 1)
    for column in rows[0]:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(_cell(value) for value in row.values()))
    show(table)


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)


if __name__ == "__main__":
    run(list_)
