"""Runs an exchange in units of the states that it reads and writes.

The hidden states of a language model grow with depth, ESM-2's to a norm of 80 to 200, and a
fusion's rows are of size 1: added as they are, they are a few hundredths of the state. In units of
each row's own root mean square a change of 1 is as large as the state, whatever its size.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from zoo.fusion.base import Fused, Fusion


def fuse_in_units(
    fusion: Fusion, seq: Tensor, struct: Tensor, protein: Tensor, **options: Any
) -> Fused:
    """Return what `fusion.forward` does, for rows that are divided by their units and put back."""
    seq_unit, struct_unit = unit(seq), unit(struct)
    seq_in, struct_in = seq / seq_unit, struct / struct_unit
    fused = fusion(seq_in, struct_in, protein, **options)
    return Fused(
        # As a difference, so that a row which the fusion leaves alone is not even rounded.
        seq + seq_unit * (fused.seq - seq_in),
        struct + struct_unit * (fused.struct - struct_in),
        fused.weights,
    )


def unit(rows: Tensor) -> Tensor:
    """Return the root mean square (rows, 1) of each row; 1 for a row of zeros, which has none."""
    size = torch.linalg.vector_norm(rows, dim=-1, keepdim=True) / rows.shape[-1] ** 0.5
    return torch.where(size > 0, size, torch.ones_like(size))
