"""Losses that leave unknown targets out, and one for values of which only a bound is known."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F


def masked_mse(pred: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
    """Return the mean squared error over the known entries.

    Args:
        pred: (n, ...).
        target: (n, ...), NaN where unknown.
        weight: (n,) of the samples.
    """
    mask, filled = _filled(target)
    return _mean((pred - filled) ** 2, mask, weight)


def masked_bce(pred: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
    """Return the binary cross-entropy over the known entries.

    Args:
        pred: (n, ...) logits.
        target: (n, ...) 0, 1 or between, NaN where unknown.
        weight: (n,) of the samples.
    """
    mask, filled = _filled(target)
    return _mean(F.binary_cross_entropy_with_logits(pred, filled, reduction="none"), mask, weight)


def masked_cross_entropy(pred: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
    """Return the cross-entropy over the samples whose class is known.

    Args:
        pred: (n, classes) logits.
        target: (n,) index of the class as a float, NaN where unknown.
        weight: (n,) of the samples.
    """
    mask, filled = _filled(target)
    return _mean(F.cross_entropy(pred, filled.long(), reduction="none"), mask, weight)


def tobit(
    pred: Tensor,
    target: Tensor,
    censored: Tensor,
    log_sigma: Tensor | float = 0.0,
    weight: Tensor | None = None,
) -> Tensor:
    """Return the negative log-likelihood of a normal distribution seen through bounds.

    The density for a measured value; for a bound, the probability of what lies beyond it (Tobin
    1958). With all values measured and `log_sigma` 0, half the squared error plus a constant.

    Args:
        pred: (n, ...) means.
        target: (n, ...) values or bounds, NaN where unknown.
        censored: like target, or (n,): 0 exact, +1 the true value is above, -1 below.
        log_sigma: logarithm of the standard deviation; a parameter, where it is learnt.
        weight: (n,) of the samples.
    """
    mask, filled = _filled(target)
    censored = _like(censored, pred)
    log_sigma = torch.as_tensor(log_sigma, dtype=pred.dtype, device=pred.device)
    z = (pred - filled) * torch.exp(-log_sigma)
    exact = -0.5 * z**2 - log_sigma - 0.5 * math.log(2 * math.pi)
    # Each branch gets only its own entries: a gradient of infinity in the other would be NaN here.
    side = torch.where(censored == 0, torch.zeros_like(z), z * censored)
    likelihood = torch.where(censored == 0, exact, torch.special.log_ndtr(side))
    return _mean(-likelihood, mask, weight)


def _filled(target: Tensor) -> tuple[Tensor, Tensor]:
    """Return where the target is known, and the target with zeros elsewhere."""
    mask = ~torch.isnan(target)
    return mask, torch.where(mask, target, torch.zeros_like(target))


def _like(column: Tensor, other: Tensor) -> Tensor:
    """Return (n,) or (n, ...) as broadcasting over (n, ...), in the other's type."""
    return column.to(other.dtype).reshape(column.shape + (1,) * (other.dim() - column.dim()))


def _mean(loss: Tensor, mask: Tensor, weight: Tensor | None) -> Tensor:
    """Return the weighted mean over the known entries; 0, with a gradient, if there are none."""
    share = mask.to(loss.dtype)
    if weight is not None:
        share = share * _like(weight, loss)
    total = share.sum()
    # `where` and not a product alone: an overflow in an unknown entry times 0 would be NaN.
    summed = torch.where(mask, loss * share, torch.zeros_like(loss)).sum()
    return summed / torch.where(total > 0, total, torch.ones_like(total))
