"""Every name that a model can be made of, with what it means; nothing heavy is loaded for it."""

from __future__ import annotations

import json
import math
from typing import Any

from zoo import pretrained
from zoo.backbones import FACTS, STRUCTURE_BACKBONES
from zoo.backbones.plm import CHECKED, NOW, PRESETS, Preset, resolve
from zoo.backbones.weights import cached_folder
from zoo.fusion import FUSIONS
from zoo.models.trained import TrainedModel
from zoo.settings.config import config_names
from zoo.settings.registry import Registry
from zoo.tasks import TASKS, Task

NETWORK = ("about", "layers", "width", "parameters", "licence", "paper", "checked")
"""What is told of a graph network, in this order."""


def catalogue() -> dict[str, list[dict[str, Any]]]:
    """Return every name with what it means, by kind.

    Returns:
        A list of rows for each kind. Of a language model: its hub id and commit (None where the
        name stands for what the hub has now), layers, width, parameters of the encoder, licence of
        its weights, whether that allows commercial use (None: not known), whether the weights are
        on this machine, and how it was checked. Of a graph network: its size, licence, paper, how
        it was checked, and where its published weights are from, with the SHA-256 of that file. Of
        a trained model: its task and target, metric and score with a 95 % interval, the paired
        difference to the best baseline, and its size.
    """
    return {
        "sequence": [
            *(_shipped(name) for name in pretrained.language_models()), *map(_preset, PRESETS)
        ],
        "structure": [_network(name) for name in STRUCTURE_BACKBONES],
        "fusion": _registered(FUSIONS),
        "task": [_task(name, TASKS[name]) for name in TASKS],
        "model": [TrainedModel.of(name).row() for name in pretrained.task_models()],
        "config": [{"name": name} for name in config_names()],
    }  # fmt: skip


def _task(name: str, task: Task) -> dict[str, Any]:
    level = "residue or protein" if task.open else task.target.level
    outputs = "any" if task.open else task.target.outputs
    return {"name": name, "about": task.title, "level": level, "outputs": outputs}


def _shipped(name: str) -> dict[str, Any]:
    """Return the row of a language model that comes with the package."""
    folder = pretrained.HOME / name
    config = json.loads((folder / "config.json").read_text())
    with (folder / "model.safetensors").open("rb") as file:
        raw = file.read(1_000_000)
    header = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])
    shapes = [facts["shape"] for key, facts in header.items() if key.startswith("esm.")]
    return {
        "name": name, "hub id": "(in the package)", "commit": None,
        "layers": config["num_hidden_layers"], "width": config["hidden_size"],
        "parameters": sum(map(math.prod, shapes)), "licence": pretrained.OUR_LICENCE,
        "commercial use": True, "here": True,
        "checked": "trained by this project; its weights run in the tests",
    }  # fmt: skip


def _preset(preset: Preset) -> dict[str, Any]:
    """Return the row of a language model of the hub."""
    return {
        "name": preset.short, "hub id": preset.hub_id,
        "commit": None if preset.revision == NOW else preset.revision,
        "layers": preset.num_layers, "width": preset.width, "parameters": preset.parameters,
        "licence": preset.licence, "commercial use": preset.commercial,
        "here": cached_folder(resolve(preset.short)) is not None,
        "checked": CHECKED[preset.family],
    }  # fmt: skip


def _network(name: str) -> dict[str, Any]:
    """Return the row of a graph network; that of a plug-in's says nothing of its licence."""
    if name in FACTS:
        facts = FACTS[name]._asdict()
        row = {"name": name, **{key: facts[key] for key in NETWORK}}
        return row | {"weights": _weights(name)}
    from zoo.models.arguments import without_memory
    from zoo.proteins.build_graph import FeatureWidths, GraphSpec

    row = {
        "name": name,
        **dict.fromkeys((*NETWORK, "weights")),
        "about": STRUCTURE_BACKBONES.about(name),
    }
    try:
        made = without_memory(STRUCTURE_BACKBONES[name], FeatureWidths.of(GraphSpec()))
    except Exception:  # a plug-in's constructor may raise anything, and listing builds nothing
        return row
    size = sum(p.numel() for p in made.parameters())
    return row | {"layers": made.num_layers, "width": made.width, "parameters": size}


def _weights(name: str) -> dict[str, Any] | None:
    """Return where a graph network's published weights are from; None for one without any."""
    found = pretrained.source(name)
    return {"from": found["weights"], "sha256": found["sha256"]} if found else None


def _registered(registry: Registry[Any]) -> list[dict[str, Any]]:
    """Return each name of a registry with one line on it."""
    return [{"name": name, "about": registry.about(name)} for name in registry]
