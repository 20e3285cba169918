"""Fusions by name."""

from zoo.fusion import baselines, global_, local
from zoo.fusion.base import FUSIONS, Fused, Fusion
from zoo.plugins import load_plugins

load_plugins()

__all__ = ["FUSIONS", "Fused", "Fusion", "baselines", "global_", "local"]
