"""The training loss: the sum of one loss per target, which depends on the kind of target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.metrics.losses import masked_bce, masked_cross_entropy, masked_mse, tobit
from zoo.models.heads import Units
from zoo.models.outputs import columns
from zoo.tasks import Target
from zoo.training.examples import Examples

FLOOR = 0.5
"""Count added to each class, so that a class without training samples has finite values."""


@dataclass(frozen=True)
class Balance:
    """Statistics of one target over the training data.

    Attributes:
        shift: (outputs,) mean of a regression target, or logits of the class frequencies.
        scale: (outputs,) standard deviation of a regression target, otherwise 1.
        weight: (classes,) weights that make every class count the same; for binary targets and
            labels, the weight of a positive.
        censored: whether some values are bounds instead of exact values.
        constant: whether all known values are equal, so that there is nothing to learn.
    """

    shift: Tensor
    scale: Tensor
    weight: Tensor
    censored: bool
    constant: bool


def balance(target: Target, values: list[Tensor], censored: bool) -> Balance:
    """Return the statistics of values (rows,) or (rows, outputs), in which NaN is unknown."""
    joined = torch.cat([x.reshape(len(x), -1) for x in values]).double()
    constant = len(joined[~joined.isnan()].unique()) < 2
    ones = torch.ones(target.outputs)
    if target.kind == "regression":
        mean = joined.nanmean(0).nan_to_num(0.0)
        spread = ((joined - mean) ** 2).nanmean(0).sqrt().nan_to_num(1.0)
        scale = torch.where(spread > 0, spread, 1.0)
        return Balance(mean.float(), scale.float(), ones, censored, constant)
    known = ~joined.isnan()
    if target.kind == "multiclass":
        index = joined[known].long()
        count = torch.bincount(index, minlength=target.outputs).double() + FLOOR
        share = count / count.sum()
        weight = (1 / (share * target.outputs)).float()
        return Balance(share.log().float(), ones, weight, False, constant)
    positive = (joined.nan_to_num(0.0) > 0.5).double().sum(0) + FLOOR
    share = positive / (known.sum(0) + 2 * FLOOR)
    weight = ((1 - share) / share).float()
    return Balance(share.logit().float(), ones, weight, False, constant)


class Objective(nn.Module):
    """The sum of the targets' losses, each in units of standard deviations or nats.

    Args:
        targets: targets in the order of the head's columns.
        balances: training statistics of each target, by name.
        class_weights: whether all classes, or positives and negatives, weigh the same in total.
        sample_weights: whether samples are weighted by their own weights.
    """

    def __init__(
        self, targets: tuple[Target, ...], balances: Mapping[str, Balance], *,
        class_weights: bool, sample_weights: bool,
    ) -> None:  # fmt: skip
        super().__init__()
        self.targets, self.balances = targets, balances
        self.class_weights, self.sample_weights = class_weights, sample_weights
        self.columns = columns(targets)
        self.constant = [name for name, one in balances.items() if one.constant]
        """Names of targets that have only one value in the training data."""
        bounds = [target.name for target in targets if balances[target.name].censored]
        # Tobit's own standard deviation, in units of the training data's.
        self.log_sigma = nn.ParameterDict({name: nn.Parameter(torch.zeros(())) for name in bounds})

    def set_units(self, units: Units) -> None:
        """Make a head start at the mean or the class frequencies of the training data."""
        found = [self.balances[target.name] for target in self.targets]
        units.shift.copy_(torch.cat([one.shift for one in found]))
        units.scale.copy_(torch.cat([one.scale for one in found]))

    def forward(self, logits: Tensor, examples: Examples) -> Tensor:
        """Return the loss of predictions (rows, columns)."""
        weight = examples.weight if self.sample_weights else None
        losses = [self._loss(target, logits, examples, weight) for target in self.targets]
        return torch.stack(losses).sum()

    def _loss(
        self, target: Target, logits: Tensor, examples: Examples, weight: Tensor | None
    ) -> Tensor:
        pred = logits[:, self.columns[target.name]].float()
        known, facts = examples.targets[target.name], self.balances[target.name]
        if target.kind == "multiclass":
            return masked_cross_entropy(pred, known, self._weigh_classes(known, facts, weight))
        pred = pred[:, 0] if target.outputs == 1 else pred
        if target.kind != "regression":
            return self._binary(pred, known, facts, weight)
        scale = facts.scale.to(pred.device)
        scale = scale[0] if target.outputs == 1 else scale
        if facts.censored:
            sigma = self.log_sigma[target.name]
            return tobit(pred / scale, known / scale, examples.censored, sigma, weight)
        return masked_mse(pred / scale, known / scale, weight)

    def _weigh_classes(self, known: Tensor, facts: Balance, weight: Tensor | None) -> Tensor | None:
        if not self.class_weights:
            return weight
        by_class = facts.weight.to(known.device)[known.nan_to_num(0.0).long()]
        return by_class if weight is None else by_class * weight

    def _binary(self, pred: Tensor, known: Tensor, facts: Balance, weight: Tensor | None) -> Tensor:
        if not self.class_weights:
            return masked_bce(pred, known, weight)
        positive = facts.weight.to(pred.device)
        own = torch.where(known > 0.5, positive, torch.ones_like(positive))
        shaped = weight.view(-1, *[1] * (own.dim() - 1)) if weight is not None else 1.0
        return _weighted_bce(pred, known, own * shaped)


def _weighted_bce(pred: Tensor, known: Tensor, weight: Tensor) -> Tensor:
    """Return the weighted mean of the cross-entropy over known entries."""
    filled = known.nan_to_num(0.0)
    share = weight * (~known.isnan())
    loss = F.binary_cross_entropy_with_logits(pred, filled, reduction="none")
    return (loss * share).sum() / share.sum().clamp(min=1e-12)
