"""Ways to exchange between the branches. Adding a fusion is one file and one line here.

Importing this package loads no torch: the names below load when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from zoo.settings.registry import Registry

if TYPE_CHECKING:
    from zoo.fusion.base import Fused, Fusion

__all__ = ["FUSIONS", "Fused", "Fusion"]

FUSIONS: Registry[type[Fusion]] = Registry("fusion")
DEFAULT = "serial"
"""The fusion of two branches where none is named: the one that measured best at equal numbers of
parameters (docs/measurements/fusion.md)."""

_NO_EXCHANGE = "Baseline: no exchange; the branches' features are joined at the end."
for _name, _module, _about in (
    ("cross", "global_", "Baseline: one global exchange at the end, as in ESM-GearNet's `cross`."),
    ("global", "global_", "Multi-head self-attention over a protein's residues as both branches "
                          "see them."),
    ("local", "local", "A gate per residue weighs its sequence row against its structure row."),
    ("none", "baselines", _NO_EXCHANGE),
    ("parallel", "baselines", _NO_EXCHANGE),
    ("serial", "baselines", "Baseline: the language model's last rows enter the graph network's "
                            "input, one way."),
):  # fmt: skip
    FUSIONS.announce(_name, f"zoo.fusion.{_module}", _about)


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module("zoo.fusion.base"), name)
