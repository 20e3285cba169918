"""Fusions by name."""

from zoo.fusion import baselines, global_, local
from zoo.fusion.base import FUSIONS, Fused, Fusion

__all__ = ["FUSIONS", "Fused", "Fusion", "baselines", "global_", "local"]
