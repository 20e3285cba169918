"""The site's made pages: what is registered tells of itself, so no list here can be out of date."""

from __future__ import annotations

import functools
import html
import importlib
import inspect
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import typer

import zoo
import zoo.tasks.layouts
from zoo.__main__ import VERBS
from zoo.backbones import STRUCTURE_BACKBONES
from zoo.config import config_names
from zoo.fusion import FUSIONS
from zoo.list import catalogue
from zoo.tasks import TASKS
from zoo.tasks.samples import LAYOUTS


@dataclass(frozen=True)
class Page:
    """A page's place in the navigation, and its Markdown."""

    section: str
    text: str


@functools.cache
def pages() -> dict[str, Page]:
    """Return every made page by its path."""
    networks = {f"backbones/{name}.md": network(name) for name in STRUCTURE_BACKBONES}
    tasks = {f"tasks/{name}.md": task(name) for name in TASKS}
    return (
        {"backbones/language_models.md": Page("Backbones", language_models())}
        | {path: Page("Backbones", text) for path, text in networks.items()}
        | {"fusions.md": Page("Backbones", fusions())}
        | {path: Page("Tasks", text) for path, text in tasks.items()}
        | {"verbs.md": Page("Reference", verbs()), "api.md": Page("Reference", api())}
    )


def table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """Return a Markdown table."""
    head = list(head)
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(_cell(x) for x in line) + " |" for line in lines)


def _cell(value: object) -> str:
    text = f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
    return " ".join(text.split()).replace("|", "\\|")


def network(name: str) -> str:
    """Return the page of a graph network."""
    kind = STRUCTURE_BACKBONES[name]
    model = zoo.create_model("none", name, fusion="none", weights="random")
    count = sum(p.numel() for p in model.struct.parameters())
    configs = [one for one in config_names() if name in one.split("_")]
    return "\n\n".join([
        f"# {name}", _about(kind), "## Source", inspect.getdoc(inspect.getmodule(kind)) or "",
        "## Size", f"{count:,} parameters, {model.struct.num_layers} layers, {model.struct.width} "
        "scalar features a node, as built by default on residue graphs.",
        "## Arguments", _arguments(kind), "## Use",
        f"```bash\npython -m zoo.build --seq esm2_8m --struct {name} --fusion local\n```",
        f"Shipped configs: {', '.join(f'`{one}`' for one in configs) or 'none'}.",
    ])  # fmt: skip


def _about(kind: Any) -> str:
    return re.split(r"\n(?:Args|Attributes):", inspect.getdoc(kind) or "")[0].strip()


def _arguments(kind: Any) -> str:
    """Return keyword arguments with defaults, told of by the docstring's Args."""
    told = _told(inspect.getdoc(kind) or "")
    rows = [
        (f"`{p.name}`", f"`{p.default}`", told.get(p.name, ""))
        for p in inspect.signature(kind).parameters.values()
        if p.kind is p.KEYWORD_ONLY and p.default is not p.empty
    ]
    return table(("argument", "default", ""), rows) if rows else "None."


def _told(doc: str) -> dict[str, str]:
    """Return what the Args of a docstring say of each argument."""
    _, _, block = doc.partition("Args:\n")
    found = re.findall(r"^ {4}(\w+): (.*(?:\n {5,}.*)*)", block, re.M)
    return dict(found)


def language_models() -> str:
    """Return the page of the language models."""
    rows = catalogue()["sequence"]
    head = ("name", "hub id", "layers", "width", "parameters")
    return (
        "# Language models\n\nAny encoder of the Hugging Face hub works by its id or a folder; "
        "these have short names. `--seq none` leaves the sequence out.\n\n"
        + table(head, ([f"`{row['name']}`", *(row[key] for key in head[1:])] for row in rows))
        + "\n\n```bash\n"
        "python -m zoo.download esm2_650m --out esm2_650m      # where there is internet\n"
        "python -m zoo.build --seq esm2_650m/ --struct gvp     # where there is none\n```\n"
    )


def fusions() -> str:
    """Return the page of the fusions."""
    parts = [
        "# Fusions",
        "The equations, and what of them is the paper's: [how the parts fit](model.md).",
    ]
    for name in FUSIONS:
        parts += [f"## {name}", _about(FUSIONS[name]), _arguments(FUSIONS[name])]
    return "\n\n".join(parts)


def task(name: str) -> str:
    """Return the page of a task: what is asked, its data and where they are to be had."""
    asked = TASKS[name]
    ligands = " Ligand atoms are nodes of the graph." if asked.ligands else ""
    parts = [f"# {name}: {asked.title}",
             f"One prediction a {asked.level}, {asked.outputs} "
             f"output{'s' * (asked.outputs > 1)}.{ligands}", "## Data"]  # fmt: skip
    for layout in (LAYOUTS[one] for one in LAYOUTS):
        if layout.task == name:
            parts += [
                f"**{_about(layout)}** Needs {html.escape(layout.needs)}. "
                f"From {_linked(layout.source)}."
            ]
    configs = [one for one in config_names() if one.split("_")[0] == name]
    first = next((one for one in configs if "8m" in one), configs[0] if configs else None)
    parts += ["## Use", f"```bash\npython -m zoo.prepare {name} --data DATA --out prepared/{name}\n"
              f"python -m zoo.baseline prepared/{name} --out runs"
              + (f"\npython -m zoo.train {first} --data prepared/{name} --out runs/{name}" if first
                 else "") + "\n```"]  # fmt: skip
    parts += [f"Shipped configs: {', '.join(f'`{one}`' for one in configs) or 'none'}."]
    return "\n\n".join(parts)


def _linked(text: str) -> str:
    return re.sub(r"(https?://[^\s,;)]+)", r"<\1>", text)


def verbs() -> str:
    """Return every verb with its options, as its `--help` has them."""
    parts = ["# Commands", "Every verb is `python -m zoo.VERB` and `zoo VERB`."]
    for verb in VERBS:
        call = getattr(importlib.import_module(f"zoo.{verb}"), "list_" if verb == "list" else verb)
        app = typer.Typer(add_completion=False)
        app.command()(call)
        options = [
            (
                ", ".join(f"`{one}`" for one in param.opts),
                _default(param),
                getattr(param, "help", ""),
            )
            for param in typer.main.get_command(app).params
        ]
        about, _, example = (inspect.getdoc(call) or "").partition("Example: ")
        parts += [f"## zoo {verb}", about.strip(), table(("option", "default", ""), options)]
        parts += [f"```bash\n{example.strip()}\n```"] if example else []
    return "\n\n".join(parts)


def _default(param: Any) -> str:
    empty = param.default is None or callable(param.default) or param.default in ((), [], False)
    return "required" if param.required else "" if empty else f"`{param.default}`"


def api() -> str:
    """Return the page of the Python interface."""
    names = [f"::: {zoo._HOMES[name]}.{name}" for name in zoo.__all__]
    parts = ["# Python", *names, "::: zoo.model.FusedModel", "::: zoo.proteins.protein.Protein",
             "::: zoo.proteins.protein.Chain", "::: zoo.proteins.graph.Graph",
             "::: zoo.backbones.base.StructureBackbone", "::: zoo.fusion.base.Fusion"]  # fmt: skip
    return "\n\n".join(parts)
