"""The places of exchanges: after which layers the two branches exchange."""

from __future__ import annotations

from collections.abc import Sequence

from zoo.errors import ConfigError
from zoo.fusion.base import Pairs


def places(after: Sequence[Sequence[int]], depths: tuple[int, int]) -> Pairs:
    """Return where exchanges are made, negative layers counted from the end.

    Examples:
        >>> places([[11, 1], [-1, -1]], (33, 3))
        ((11, 1), (33, 3))

    Args:
        after: Pairs of layers, as a config has them in `fusion.after`.
        depths: Number of layers of the language model and of the graph network.

    Raises:
        ConfigError: for a layer that is not there, or layers that do not increase.
    """
    pairs = tuple(_pair(pair, *depths) for pair in after)
    for (k, j), (next_k, next_j) in zip(pairs, pairs[1:], strict=False):
        if next_k <= k or next_j < j:
            raise ConfigError(
                f"fusion.after goes from {k}:{j} to {next_k}:{next_j}. The language model's layers "
                "must increase, and the graph network's must not decrease."
            )
    return pairs


def _pair(pair: Sequence[int], seq_layers: int, struct_layers: int) -> tuple[int, int]:
    if len(pair) != 2:
        raise ConfigError(
            f"fusion.after has {list(pair)}; each entry is two layers, as in [11, 1]."
        )
    k = pair[0] + seq_layers + 1 if pair[0] < 0 else pair[0]
    j = pair[1] + struct_layers + 1 if pair[1] < 0 else pair[1]
    if not 1 <= k <= seq_layers:
        raise ConfigError(
            f"fusion.after names layer {pair[0]} of the language model; it has 1 to {seq_layers}."
        )
    if not 0 <= j <= struct_layers:
        raise ConfigError(
            f"fusion.after names layer {pair[1]} of the graph network; it has 0 (its input) to "
            f"{struct_layers}."
        )
    return k, j
