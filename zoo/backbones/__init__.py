"""Backbones by name. Adding a graph network is one file and one line here."""

import zoo.backbones.egnn  # noqa: F401
import zoo.backbones.gat  # noqa: F401
import zoo.backbones.gearnet  # noqa: F401
import zoo.backbones.gvp  # noqa: F401
import zoo.backbones.schnet  # noqa: F401
from zoo.backbones.base import STRUCTURE_BACKBONES, NodeState, SequenceBackbone, StructureBackbone

__all__ = ["STRUCTURE_BACKBONES", "NodeState", "SequenceBackbone", "StructureBackbone"]
