"""`python -m zoo.list`: list every name that other verbs accept."""

from __future__ import annotations

import fnmatch
import json as jsonlib
from typing import Annotated, Any

import typer
from rich.table import Table

from zoo.command.cli import run
from zoo.command.say import narrowest, say, show, width
from zoo.errors import ConfigError

TITLES = {
    "sequence": "language models (--seq; any Hugging Face encoder works too, by hub id or folder)",
    "structure": "graph networks (--struct)",
    "fusion": "fusions (--fusion)",
    "task": "tasks (--task)",
    "model": "trained models of the package (zoo.predict --model NAME)",
    "config": "configs (zoo.build NAME)",
}


LONG = ("commit", "commercial use", "paper", "checked", "weights", "target", "better", "warning")
"""What no column tells; --json tells all of it."""
LEAST = ("width", "layers", "here", "hub id", "MB", "metric", "best baseline", "task")
"""Columns to leave out in a narrow terminal, the first one first."""
UNITS = ((1_000_000_000, "B"), (1_000_000, "M"), (1_000, "k"))
"""Of parameters: billions, millions, thousands."""


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
    shown = [key for key in rows[0] if key not in LONG]
    left_out = []
    while narrowest(_table(rows, shown)) > width() and (less := _least(shown)):
        shown.remove(less)
        left_out.append(less)
    show(_table(rows, shown))
    barred = [row["name"] for row in rows if row.get("commercial use", True) is False]
    if barred:
        say(f"No commercial use: {', '.join(barred)}.")
    for row in rows:
        if known := row.get("warning"):
            say(f"{row['name']}: {known}")
    if left_out:
        say(f"Not shown for want of columns: {', '.join(left_out)}; a pipe and --json have all.")


def _least(shown: list[str]) -> str | None:
    """Return the column that is missed least."""
    return next((key for key in LEAST if key in shown), None)


def _table(rows: list[dict[str, Any]], shown: list[str]) -> Table:
    table = Table(
        box=None, pad_edge=False, padding=(0, 1, 0, 0), collapse_padding=True,
        header_style="dim", show_header=len(shown) > 1,
    )  # fmt: skip
    for key in shown:
        cells = [_cell(row[key], key) for row in rows]
        numbers = any(type(row[key]) is int for row in rows)
        least = None if key == "about" else max(map(len, (key, *cells)))
        table.add_column(key, min_width=least, justify="right" if numbers else "left")
    for row in rows:
        table.add_row(*(_cell(row[key], key) for key in shown))
    return table


def _cell(value: object, key: str) -> str:
    if value is None:
        return ""
    if isinstance(value, dict):
        from zoo.models.trained import interval

        return interval(value).told("+" * (key == "difference"))
    if isinstance(value, bool):
        return "yes" if value else "no"
    if type(value) is not int or value < 10_000:
        return str(value)
    size, unit = next((size, unit) for size, unit in UNITS if value >= size)
    return f"{value / size:.3g} {unit}"


if __name__ == "__main__":
    run(list_)
