"""Protein language models, graph networks, and the fusion between them.

    import zoo

    model = zoo.create_model("esm2_8m", "gvp", fusion="global", weights="random")
    batch = model.batch([zoo.read_structure("protein.cif")])
    features = model.features(batch)

Importing zoo loads nothing heavy: torch, dgl and transformers come with the first name used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "create_model": "zoo.models.create",
    "list_backbones": "zoo.models.create",
    "list_models": "zoo.models.create",
    "load_model": "zoo.models.checkpoint",
    "save_model": "zoo.models.checkpoint",
    "read_proteins": "zoo.proteins.structure",
    "read_structure": "zoo.proteins.structure",
    "set_engine": "zoo.backbones.message_passing",
    "use_engine": "zoo.backbones.message_passing",
}

if TYPE_CHECKING:
    from zoo.backbones.message_passing import set_engine, use_engine
    from zoo.models.checkpoint import load_model, save_model
    from zoo.models.create import create_model, list_backbones, list_models
    from zoo.proteins.structure import read_proteins, read_structure

__all__ = [
    "create_model", "list_backbones", "list_models", "load_model", "read_proteins",
    "read_structure", "save_model", "set_engine", "use_engine",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'zoo' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
