"""Protein language models, graph networks, and the fusion between them.

    import zoo

    sites = zoo.predict("structures/", "ppbs")  # a DataFrame, a row for each residue

    model = zoo.create_model("esm2_8m", "gvp", fusion="global", weights="random")
    batch = model.batch("protein.cif")
    features = model.features(batch)

Importing zoo loads nothing heavy: torch, dgl and transformers come with the first name used.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "create_model": "zoo.models.create",
    "Config": "zoo.settings.config",
    "Listener": "zoo.system.listener",
    "Embedder": "zoo.prediction.columns",
    "embed": "zoo.prediction.features",
    "evaluate": "zoo.prediction.scoring",
    "list_backbones": "zoo.models.lists",
    "list_fusions": "zoo.models.lists",
    "list_models": "zoo.models.lists",
    "list_tasks": "zoo.models.lists",
    "load_config": "zoo.settings.config",
    "load_ensemble": "zoo.prediction.ensemble",
    "load_model": "zoo.models.checkpoint",
    "Predictor": "zoo.prediction.columns",
    "predict": "zoo.prediction.predicting",
    "save_model": "zoo.models.checkpoint",
    "read_proteins": "zoo.proteins.records",
    "read_structure": "zoo.proteins.structure",
    "set_engine": "zoo.backbones.message_passing",
    "train": "zoo.training.call",
    "use_engine": "zoo.backbones.message_passing",
}

if TYPE_CHECKING:
    from zoo.backbones.message_passing import set_engine, use_engine
    from zoo.models.checkpoint import load_model, save_model
    from zoo.models.create import create_model
    from zoo.models.lists import list_backbones, list_fusions, list_models, list_tasks
    from zoo.prediction.columns import Embedder, Predictor
    from zoo.prediction.ensemble import load_ensemble
    from zoo.prediction.features import embed
    from zoo.prediction.predicting import predict
    from zoo.prediction.scoring import evaluate
    from zoo.proteins.records import read_proteins
    from zoo.proteins.structure import read_structure
    from zoo.settings.config import Config, load_config
    from zoo.system.listener import Listener
    from zoo.training.call import train

__all__ = [
    "Config", "Embedder", "Listener", "Predictor", "create_model", "embed", "evaluate",
    "list_backbones", "list_fusions", "list_models", "list_tasks", "load_config", "load_ensemble",
    "load_model", "predict", "read_proteins", "read_structure", "save_model", "set_engine",
    "train", "use_engine",
]  # fmt: skip


class _Package(ModuleType):
    """Keeps a function where a verb has its name: `zoo.predict` is called, never the module.

    Python sets a module that was imported, such as the verb `zoo.predict`, as an attribute of its
    package. It would take the function's place from then on, for whoever imports the verb.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _HOMES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


_PACKAGES = ("lightning", "sklearn")
"""Packages that are reached as attributes, without an import of their own."""


def __getattr__(name: str) -> Any:
    if name in _PACKAGES:
        return importlib.import_module(f"zoo.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'zoo' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES, *_PACKAGES])
