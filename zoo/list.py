"""What there is to choose from."""

from __future__ import annotations

import fnmatch
import json as jsonlib
import math
from typing import Annotated, Any

import typer
from rich.table import Table

from zoo import pretrained
from zoo.cli import console, run
from zoo.errors import ConfigError

TITLES = {
    "sequence": "language models (--seq; also any Hugging Face encoder by hub id or folder)",
    "structure": "graph networks (--struct)",
    "fusion": "fusions (--fusion)",
    "task": "tasks (--task)",
    "model": "trained models of the package (zoo.predict --model NAME)",
    "config": "configs (zoo.build NAME)",
}


def list_(
    pattern: Annotated[str, typer.Argument(help="Wildcard over all names.")] = "*",
    json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """List language models, graph networks, fusions, tasks and shipped configs.

    Example: python -m zoo.list "*ppbs*"
    """
    found = {
        kind: [row for row in rows if fnmatch.fnmatch(row["name"], pattern)]
        for kind, rows in catalogue().items()
    }
    if json:
        print(jsonlib.dumps(found, indent=2))
        return
    if not any(found.values()):
        raise ConfigError(f"Nothing is called {pattern!r}; `python -m zoo.list` shows all names.")
    for kind, rows in found.items():
        if rows:
            _show(kind, rows)


def catalogue() -> dict[str, list[dict[str, Any]]]:
    """Return every name with what it means, by kind, read off the registries."""
    from zoo.backbones import STRUCTURE_BACKBONES
    from zoo.backbones.plm import PRESETS
    from zoo.backbones.weights import cached_folder
    from zoo.config import config_names
    from zoo.fusion import FUSIONS
    from zoo.tasks import TASKS

    return {
        "sequence": [_shipped(name) for name in pretrained.language_models()] + [
            {
                "name": p.short, "hub id": p.hub_id, "layers": p.num_layers, "width": p.width,
                "parameters": p.parameters, "here": cached_folder(p.hub_id) is not None,
            } for p in PRESETS
        ],
        "structure": [
            {"name": name, "about": _about(STRUCTURE_BACKBONES[name])}
            for name in STRUCTURE_BACKBONES
        ],
        "fusion": [{"name": name, "about": _about(FUSIONS[name])} for name in FUSIONS],
        "task": [
            {
                "name": name, "about": TASKS[name].title, "level": TASKS[name].level,
                "outputs": TASKS[name].outputs,
            } for name in TASKS
        ],
        "model": [{"name": name} for name in pretrained.task_models()],
        "config": [{"name": name} for name in config_names()],
    }  # fmt: skip


def _shipped(name: str) -> dict[str, Any]:
    """Return the row of a language model that comes with the package."""
    folder = pretrained.HOME / name
    config = jsonlib.loads((folder / "config.json").read_text())
    raw = (folder / "model.safetensors").open("rb").read(1_000_000)
    header = jsonlib.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])
    shapes = [facts["shape"] for key, facts in header.items() if key.startswith("esm.")]
    return {
        "name": name, "hub id": "(in the package)", "layers": config["num_hidden_layers"],
        "width": config["hidden_size"], "parameters": sum(map(math.prod, shapes)), "here": True,
    }  # fmt: skip


def _about(cls: type) -> str:
    return (cls.__doc__ or "").strip().splitlines()[0]


def _show(kind: str, rows: list[dict[str, Any]]) -> None:
    console.print(f"\n[bold]{TITLES[kind]}[/]")
    table = Table(box=None, pad_edge=False, header_style="dim", show_header=len(rows[0]) > 1)
    for column in rows[0]:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(_cell(value) for value in row.values()))
    console.print(table)


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)


if __name__ == "__main__":
    run(list_)
