"""Encode the layers that exchange as numbers that a sampler can learn from.

A set of exchanges is encoded by their count and, for each exchange, by a depth in both branches.
Exchange 1 is the last one, nearest to the output. A depth is a share, from 0 to 1, of the layers
that are still free below the previous exchange. For example, with six layers and two exchanges,
exchange 1 can have layers 2 to 6; a depth of 0.9 is layer 6, and exchange 2 can then have layers 1
to 5.

Every draw is therefore valid (the language model's layers increase, the graph network's never
decrease), a number means the same for every count, and the same numbers fit a language model of
another depth.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from optuna.trial import BaseTrial

if TYPE_CHECKING:
    from zoo.fusion.base import Pairs

COUNT = "exchanges"


def depth_names(number: int) -> tuple[str, str]:
    """Return the parameter names of the two depths of an exchange; number 1 is the last one."""
    return f"exchange{number}.seq", f"exchange{number}.struct"


def draw(trial: BaseTrial, fewest: int, most: int, seq_layers: int, struct_layers: int) -> Pairs:
    """Return exchanges (language model layer, graph network layer) in ascending order.

    Args:
        trial: trial that draws the count and the depths.
        fewest: minimum number of exchanges.
        most: maximum number of exchanges; the language model's layers limit it too.
        seq_layers: number of layers of the language model, each of which exchanges at most once.
        struct_layers: number of layers of the graph network; its layer 0 is the input.
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
    """Return the numbers from which `draw` makes these exchanges."""
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
    """Yield the layers that are free for each exchange, given those already in `pairs`."""
    for below in range(count - 1, -1, -1):
        k, j = pairs[0] if pairs else (seq_layers + 1, struct_layers)
        yield range(below + 1, k), range(j + 1)


def _at(share: float, layers: range) -> int:
    return min(int(share * len(layers)), len(layers) - 1)
