"""Lets attention heads start as a convolution: each looks at the residue some places away.

With random weights a head looks at all residues alike, and millions of tokens go by before heads
find their neighbours. Biases of queries and keys alone make a head look at one distance, because
rotary embeddings turn both by their positions: the score of two residues that are d apart is the
sum of cos(f (d - offset)) over the frequencies f, which is largest at d = offset. Training may
change that as everything else.
"""

from __future__ import annotations

from itertools import cycle
from typing import Any

import torch
from torch import Tensor

OFFSETS = (1, -1, 2, -2, 4, -4, 3, -3)
"""Residues from a residue to the one that a head looks at, dealt out over heads and layers."""
SHARE = 0.5
"""Share of the heads in each layer that start so; the others look at all residues."""
SHARPNESS = 30.0
"""Squared length of each pair of numbers; the score falls by about 3 from the offset to the next
residue."""


def look_nearby(model: Any) -> None:
    """Set the biases of queries and keys of a `transformers.EsmForMaskedLM` in place."""
    config = model.config
    size = config.hidden_size // config.num_attention_heads
    frequencies = 10000.0 ** (-torch.arange(0, size, 2) / size)
    offsets = cycle(OFFSETS)
    with torch.no_grad():
        for layer in model.esm.encoder.layer:
            own = layer.attention.self
            for head in range(int(SHARE * config.num_attention_heads)):
                rows = slice(head * size, (head + 1) * size)
                own.query.bias[rows] = _pairs(torch.zeros_like(frequencies))
                own.key.bias[rows] = _pairs(-next(offsets) * frequencies)


def _pairs(angle: Tensor) -> Tensor:
    """Return the pairs of each angle, all first numbers before all second ones."""
    return SHARPNESS**0.5 * torch.cat([angle.cos(), angle.sin()])
