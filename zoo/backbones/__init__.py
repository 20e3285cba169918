"""Backbones by name. Adding a graph network is one file and one line here.

They load when the first of the names below is used: language models have names that need no torch.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoo.backbones.base import (
        STRUCTURE_BACKBONES,
        NodeState,
        SequenceBackbone,
        StructureBackbone,
    )

__all__ = ["STRUCTURE_BACKBONES", "NodeState", "SequenceBackbone", "StructureBackbone"]


def _load() -> None:
    import zoo.backbones.egnn
    import zoo.backbones.gat
    import zoo.backbones.gearnet
    import zoo.backbones.gvp
    import zoo.backbones.schnet  # noqa: F401
    from zoo.plugins import load_plugins

    load_plugins()


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    _load()
    from zoo.backbones import base

    return getattr(base, name)
