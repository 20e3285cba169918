"""Which layers exchange, as numbers that a sampler can learn from.

A set of exchanges is their count and, for each, a depth in either branch. Exchange 1 is the last
one, nearest the output; a depth is a share, from 0 to 1, of the layers that are still free below
the exchange above. With six layers and two exchanges, exchange 1 has layers 2 to 6 to choose from:
a depth of 0.9 is layer 6, and exchange 2 then has layers 1 to 5.

So every draw is valid (the language model's layers increase, the graph network's never decrease),
a number means the same whatever the count, and the same numbers fit a language model of another
depth.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from optuna.trial import BaseTrial

if TYPE_CHECKING:
    from zoo.fusion.base import Pairs

COUNT = "exchanges"


def depth_names(number: int) -> tuple[str, str]:
    """Return the names of the depths of an exchange, from 1, the last one."""
    return f"exchange{number}.seq", f"exchange{number}.struct"


def draw(trial: BaseTrial, fewest: int, most: int, seq_layers: int, struct_layers: int) -> Pairs:
    """Return exchanges (language model layer, graph network layer), ascending.

    Args:
        trial: asked for the count and for the depths.
        fewest: exchanges.
        most: exchanges; as many as the language model has layers can be made.
        seq_layers: layers of the language model, of which each exchanges once at most.
        struct_layers: layers of the graph network; 0 is its input.
    """
    count = min(trial.suggest_int(COUNT, fewest, most), seq_layers)
    pairs: list[tuple[int, int]] = []
    for number, free in enumerate(_free(count, seq_layers, struct_layers, pairs), start=1):
        names = depth_names(number)
        shares = [trial.suggest_float(name, 0.0, 1.0) for name in names]
        k, j = (layers[_at(u, layers)] for u, layers in zip(shares, free, strict=True))
        pairs.insert(0, (k, j))
    return tuple(pairs)


def numbers(
    pairs: Sequence[Sequence[int]], seq_layers: int, struct_layers: int
) -> dict[str, float]:
    """Return the numbers that `draw` makes these exchanges of."""
    found: dict[str, float] = {COUNT: len(pairs)}
    below: list[tuple[int, int]] = []
    free = _free(len(pairs), seq_layers, struct_layers, below)
    for number, (pair, ranges) in enumerate(zip(reversed(pairs), free, strict=True), start=1):
        for name, layer, layers in zip(depth_names(number), pair, ranges, strict=True):
            found[name] = (layers.index(layer) + 0.5) / len(layers)
        below.insert(0, (pair[0], pair[1]))
    return found


def _free(
    count: int, seq_layers: int, struct_layers: int, pairs: Sequence[tuple[int, int]]
) -> Iterator[tuple[range, range]]:
    """Yield the layers that each exchange can have, given those already in `pairs`."""
    for below in range(count - 1, -1, -1):
        k, j = pairs[0] if pairs else (seq_layers + 1, struct_layers)
        yield range(below + 1, k), range(j + 1)


def _at(share: float, layers: range) -> int:
    return min(int(share * len(layers)), len(layers) - 1)
