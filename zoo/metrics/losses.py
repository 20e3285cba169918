"""Losses that leave out unknown targets, and one for targets of which only a bound is known.

Each is a sum over the known entries, times their weights, divided by a number of entries that does
not depend on the weights. Weights that average 1 over the training set thus mean what they say in
every batch: a batch of one sample of weight 0.1 pulls a tenth as much as one of weight 1.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F


def masked_mse(
    pred: Tensor, target: Tensor, weight: Tensor | None = None, count: float | None = None
) -> Tensor:
    """Return the mean squared error over the known entries.

    Args:
        pred: (n, ...) predictions.
        target: (n, ...) targets, NaN where unknown.
        weight: (n,) or (n, ...) weights, 1 on average over the training set; None for 1.
        count: Number of entries to divide by; None for the known entries of this batch.
    """
    mask, filled = _filled(target)
    return _mean((pred - filled) ** 2, mask, weight, count)


def masked_bce(
    pred: Tensor, target: Tensor, weight: Tensor | None = None, count: float | None = None
) -> Tensor:
    """Return the binary cross-entropy over the known entries.

    Args:
        pred: (n, ...) logits.
        target: (n, ...) targets from 0 to 1, NaN where unknown.
        weight: (n,) or (n, ...) weights, 1 on average over the training set; None for 1.
        count: Number of entries to divide by; None for the known entries of this batch.
    """
    mask, filled = _filled(target)
    return _mean(
        F.binary_cross_entropy_with_logits(pred, filled, reduction="none"), mask, weight, count
    )


def masked_cross_entropy(
    pred: Tensor, target: Tensor, weight: Tensor | None = None, count: float | None = None
) -> Tensor:
    """Return the cross-entropy over the samples whose class is known.

    Args:
        pred: (n, classes) logits.
        target: (n,) index of the class as a float, NaN where unknown.
        weight: (n,) or (n, ...) weights, 1 on average over the training set; None for 1.
        count: Number of entries to divide by; None for the known entries of this batch.
    """
    mask, filled = _filled(target)
    return _mean(F.cross_entropy(pred, filled.long(), reduction="none"), mask, weight, count)


def tobit(
    pred: Tensor,
    target: Tensor,
    censored: Tensor,
    log_sigma: Tensor | float = 0.0,
    weight: Tensor | None = None,
    count: float | None = None,
) -> Tensor:
    """Return the negative log-likelihood of a normal distribution for values and bounds.

    The likelihood of a measured value is its density; that of a bound is the probability of the
    values beyond it (Tobin 1958). If all values are measured and `log_sigma` is 0, the loss is half
    the squared error plus a constant.

    Args:
        pred: (n, ...) means of the distribution.
        target: (n, ...) measured values or bounds, NaN where unknown.
        censored: (n, ...) or (n,) 0 for a measured value, +1 if the true value is above the target,
            -1 if it is below.
        log_sigma: Logarithm of the standard deviation; pass a parameter to learn it.
        weight: (n,) or (n, ...) weights, 1 on average over the training set; None for 1.
        count: Number of entries to divide by; None for the known entries of this batch.
    """
    mask, filled = _filled(target)
    censored = _like(censored, pred)
    log_sigma = torch.as_tensor(log_sigma, dtype=pred.dtype, device=pred.device)
    z = (pred - filled) * torch.exp(-log_sigma)
    exact = -0.5 * z**2 - log_sigma - 0.5 * math.log(2 * math.pi)
    # Each branch only gets its own entries: an infinite gradient in the other would become NaN.
    side = torch.where(censored == 0, torch.zeros_like(z), z * censored)
    likelihood = torch.where(censored == 0, exact, torch.special.log_ndtr(side))
    return _mean(-likelihood, mask, weight, count)


def _filled(target: Tensor) -> tuple[Tensor, Tensor]:
    """Return a mask of the known targets, and the targets with zeros where they are unknown."""
    mask = ~torch.isnan(target)
    return mask, torch.where(mask, target, torch.zeros_like(target))


def _like(column: Tensor, other: Tensor) -> Tensor:
    """Return (n,) or (n, ...) in the type of `other`, with axes added to broadcast against it."""
    return column.to(other.dtype).reshape(column.shape + (1,) * (other.dim() - column.dim()))


def _mean(loss: Tensor, mask: Tensor, weight: Tensor | None, count: float | None) -> Tensor:
    """Return the weighted sum over the known entries, by their number or `count`; 0 if none is."""
    if weight is not None:
        loss = loss * _like(weight, loss)
    # A product with the mask is not enough: infinity in an unknown entry times 0 would be NaN.
    summed = torch.where(mask, loss, torch.zeros_like(loss)).sum()
    return summed / (mask.sum().clamp(min=1) if count is None else count)
