"""What a probe tells the search: a config whose language model ends at the best layer.

A search's first trial is the config that it is given, so the answer is a config. Its language model
runs as far as the best layer, and exchanges are placed anew over the layers that are left.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from zoo.probing.probe import Probed
from zoo.settings.config import Config

NAME = "best.yaml"


def config_of(config: Config, layer: int) -> Config:
    """Return a config whose language model ends at a layer.

    The places of its exchanges are those that its fusion has by default, if they were in layers
    that are left out; otherwise they stay. Those counted from the end are counted from its new end.
    """
    after = config.fusion.after
    fits = after is not None and _fit([pair[0] for pair in after], layer)
    return dataclasses.replace(
        config,
        sequence=dataclasses.replace(config.sequence, layers=layer),
        fusion=dataclasses.replace(config.fusion, after=after if fits else None),
    )


def _fit(after: Sequence[int], layer: int) -> bool:
    """Return whether layers of exchanges are there and increase if so many layers run."""
    numbers = [k + layer + 1 if k < 0 else k for k in after]
    increase = all(one < other for one, other in itertools.pairwise(numbers))
    return increase and all(1 <= k <= layer for k in numbers)


def text_of(config: Config, told: str) -> str:
    """Return the config as YAML that says where it comes from in its first lines."""
    data: Mapping[str, Any] = config.to_dict()
    return f"# {told}\n{yaml.safe_dump(dict(data), sort_keys=False)}"


def common_layer(probed: Sequence[Sequence[Probed]], source: str) -> int:
    """Return the layer with the best mean rank over several targets; of equal ones the lowest.

    Layers of equal scores have one rank, so a target that all tell alike has no say.

    Args:
        probed: What was probed for each target.
        source: The language model.
    """
    total: dict[int, int] = {}
    for one in probed:
        merits = {
            x.part.layer: x.merit
            for x in one if x.part.source == source and x.part.layer is not None
        }  # fmt: skip
        for layer, merit in merits.items():
            better = sum(other > merit for other in merits.values())
            total[layer] = total.get(layer, 0) + better
    return min(total, key=lambda layer: (total[layer], layer))
