"""Every name that a model can be made of, with what it means; nothing heavy is loaded for it."""

from __future__ import annotations

import json
import math
from typing import Any

from zoo import pretrained
from zoo.backbones import FACTS, STRUCTURE_BACKBONES
from zoo.backbones.plm import PRESETS, resolve
from zoo.backbones.weights import cached_folder
from zoo.fusion import FUSIONS
from zoo.settings.config import config_names
from zoo.settings.registry import Registry
from zoo.tasks import TASKS

NETWORK = ("about", "layers", "width", "parameters", "licence", "checked")
"""What is told of a graph network, in this order."""


def catalogue() -> dict[str, list[dict[str, Any]]]:
    """Return every name with what it means, by kind."""
    return {
        "sequence": [_shipped(name) for name in pretrained.language_models()] + [
            {
                "name": p.short, "hub id": p.hub_id, "layers": p.num_layers, "width": p.width,
                "parameters": p.parameters, "here": cached_folder(resolve(p.short)) is not None,
            } for p in PRESETS
        ],
        "structure": [_network(name) for name in STRUCTURE_BACKBONES],
        "fusion": _registered(FUSIONS),
        "task": [
            {
                "name": name, "about": TASKS[name].title, "level": TASKS[name].target.level,
                "outputs": TASKS[name].target.outputs,
            } for name in TASKS
        ],
        "model": [{"name": name} for name in pretrained.task_models()],
        "config": [{"name": name} for name in config_names()],
    }  # fmt: skip


def _shipped(name: str) -> dict[str, Any]:
    """Return the row of a language model that comes with the package."""
    folder = pretrained.HOME / name
    config = json.loads((folder / "config.json").read_text())
    with (folder / "model.safetensors").open("rb") as file:
        raw = file.read(1_000_000)
    header = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])
    shapes = [facts["shape"] for key, facts in header.items() if key.startswith("esm.")]
    return {
        "name": name, "hub id": "(in the package)", "layers": config["num_hidden_layers"],
        "width": config["hidden_size"], "parameters": sum(map(math.prod, shapes)), "here": True,
    }  # fmt: skip


def _network(name: str) -> dict[str, Any]:
    """Return the row of a graph network; that of a plug-in's says nothing of its licence."""
    if name in FACTS:
        facts = FACTS[name]._asdict()
        return {"name": name, **{key: facts[key] for key in NETWORK}}
    from zoo.models.arguments import without_memory
    from zoo.proteins.build_graph import FeatureWidths, GraphSpec

    row = {"name": name, **dict.fromkeys(NETWORK), "about": STRUCTURE_BACKBONES.about(name)}
    try:
        made = without_memory(STRUCTURE_BACKBONES[name], FeatureWidths.of(GraphSpec()))
    except Exception:  # a plug-in's constructor may raise anything, and listing builds nothing
        return row
    size = sum(p.numel() for p in made.parameters())
    return row | {"layers": made.num_layers, "width": made.width, "parameters": size}


def _registered(registry: Registry[Any]) -> list[dict[str, Any]]:
    """Return each name of a registry with one line on it."""
    return [{"name": name, "about": registry.about(name)} for name in registry]
