"""What there is to choose from."""

from __future__ import annotations

import ast
import fnmatch
import json as jsonlib
import math
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from zoo import pretrained
from zoo.cli import console, run
from zoo.errors import ConfigError
from zoo.plugins import plugin_files

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
    """Return every name with what it means, by kind."""
    from zoo.backbones.plm import PRESETS, resolve
    from zoo.backbones.weights import cached_folder
    from zoo.config import config_names
    from zoo.tasks import TASKS

    return {
        "sequence": [_shipped(name) for name in pretrained.language_models()] + [
            {
                "name": p.short, "hub id": p.hub_id, "layers": p.num_layers, "width": p.width,
                "parameters": p.parameters, "here": cached_folder(resolve(p.short)) is not None,
            } for p in PRESETS
        ],
        "structure": _registered("backbones", "STRUCTURE_BACKBONES"),
        "fusion": _registered("fusion", "FUSIONS"),
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
    with (folder / "model.safetensors").open("rb") as file:
        raw = file.read(1_000_000)
    header = jsonlib.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])
    shapes = [facts["shape"] for key, facts in header.items() if key.startswith("esm.")]
    return {
        "name": name, "hub id": "(in the package)", "layers": config["num_hidden_layers"],
        "width": config["hidden_size"], "parameters": sum(map(math.prod, shapes)), "here": True,
    }  # fmt: skip


def _registered(package: str, registry: str) -> list[dict[str, Any]]:
    """Return name and first line of the docstring of the classes of a package, and of plugins.

    Read off the source: importing it would load torch, which takes seconds.
    """
    found: dict[str, str] = {}
    for path in [*(Path(__file__).parent / package).glob("*.py"), *plugin_files()]:
        source = path.read_text(encoding="utf-8")
        if ".register(" not in source:  # parsing is what takes time
            continue
        for node in ast.parse(source).body:
            if isinstance(node, ast.ClassDef):
                about = (ast.get_docstring(node) or "").splitlines()[:1]
                found |= {name: "".join(about) for name in _names(node, registry)}
    return [{"name": name, "about": found[name]} for name in sorted(found)]


def _names(node: ast.ClassDef, registry: str) -> list[str]:
    """Return the names that a class is registered under."""
    calls = [x for x in node.decorator_list if isinstance(x, ast.Call)]
    return [
        ast.literal_eval(call.args[0])
        for call in calls
        if ast.unparse(call.func) == f"{registry}.register"
    ]


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
