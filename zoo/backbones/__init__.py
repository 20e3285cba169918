"""Language models and graph networks. Adding a graph network is one file and one line here.

Importing this package loads no torch: the names below load when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from zoo.settings.registry import Registry

if TYPE_CHECKING:
    from zoo.backbones.base import NodeState, SequenceBackbone, StructureBackbone

__all__ = ["STRUCTURE_BACKBONES", "NodeState", "SequenceBackbone", "StructureBackbone"]

STRUCTURE_BACKBONES: Registry[type[StructureBackbone]] = Registry("graph network")

for _name, _about in {
    "egnn": "E(n)-equivariant network; its one vector is how far a node has moved.",
    "gat": "Graph attention (GATv2) with scalar edge features; invariant.",
    "gearnet": "Relational convolutions, GearNet-Edge with `edge_messages`; invariant.",
    "gvp": "Geometric vector perceptrons: the published MQA model up to its readout; equivariant.",
    "schnet": "Continuous-filter convolutions over distances; invariant.",
}.items():
    STRUCTURE_BACKBONES.announce(_name, f"zoo.backbones.{_name}", _about)


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module("zoo.backbones.base"), name)
