"""Directions with a gradient everywhere, for the local frames of residues."""

from __future__ import annotations

import torch
from torch import Tensor

SMALLEST = 1e-8
"""Squared length below which a vector has no direction."""


def direction(x: Tensor) -> Tensor:
    """Return `x` (..., 3) at length one, and zeros without gradient for a vector near zero.

    Where a residue has no frame, dividing by its length would multiply gradients by 1e12.
    """
    square = x.square().sum(-1, keepdim=True)
    known = square > SMALLEST
    return torch.where(known, x, 0.0) / torch.where(known, square, 1.0).sqrt()
