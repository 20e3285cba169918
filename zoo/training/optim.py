"""Parameter groups of the optimizer, and the schedule of the learning rates."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from torch import nn

from zoo.models.model import FusedModel
from zoo.settings.config import LearningRates

PARTS = {"plm": "seq.", "structure": "struct."}
"""Prefixes of parameter names by learning rate; all other parameters use that of "fusion"."""
ADAPTER = ".lora_"
"""What PEFT has in the name of each of an adapter's parameters."""


def part_of(name: str, *, adapters_apart: bool) -> str:
    """Return which learning rate a parameter has: "plm", "lora", "structure" or "fusion"."""
    part = next((part for part, begin in PARTS.items() if name.startswith(begin)), "fusion")
    return "lora" if part == "plm" and adapters_apart and ADAPTER in name else part


def groups(
    model: FusedModel, extra: nn.Module, rates: LearningRates, weight_decay: float
) -> list[dict[str, Any]]:
    """Return AdamW's groups: for each part, its matrices (with weight decay) and its vectors."""
    found: dict[tuple[str, bool], list[nn.Parameter]] = {}
    named = [*model.named_parameters(), *((f"loss.{n}", p) for n, p in extra.named_parameters())]
    for name, parameter in named:
        if parameter.requires_grad:
            part = part_of(name, adapters_apart=model.revision.adapters_apart)
            found.setdefault((part, parameter.dim() > 1), []).append(parameter)
    return [
        {
            "params": parameters, "name": part if matrices else f"{part}, vectors",
            "lr": getattr(rates, part), "weight_decay": weight_decay if matrices else 0.0,
        } for (part, matrices), parameters in sorted(found.items(), key=lambda item: item[0])
    ]  # fmt: skip


def describe(parameter_groups: list[dict[str, Any]]) -> list[tuple[str, int, float, float]]:
    """Return (name, parameters, learning rate, weight decay) of each group."""
    return [
        (g["name"], sum(p.numel() for p in g["params"]), g["lr"], g["weight_decay"])
        for g in parameter_groups
    ]


def factor(schedule: str, steps: int, warmup: float) -> Callable[[int], float]:
    """Return the function that gives the factor of the learning rates at each step.

    The factor rises linearly over the warm-up, then follows half a cosine to 0, or stays at 1.
    """
    rising = max(1, round(steps * warmup)) if warmup > 0 else 0

    def at(step: int) -> float:
        if step < rising:
            return (step + 1) / rising
        if schedule != "cosine":
            return 1.0
        share = min(1.0, (step - rising) / max(1, steps - rising))
        return 0.5 * (1.0 + math.cos(math.pi * share))

    return at
