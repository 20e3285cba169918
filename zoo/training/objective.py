"""What is minimised: one loss a target, in the target's own kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.heads import Units
from zoo.metrics.losses import masked_bce, masked_cross_entropy, masked_mse, tobit
from zoo.prediction.outputs import columns
from zoo.tasks.samples import Target
from zoo.training.examples import Examples

FLOOR = 0.5
"""Counts added to each class, so that one that training lacks has a logit and a weight."""


@dataclass(frozen=True)
class Balance:
    """What training data say of one target.

    Attributes:
        shift: (outputs,) mean, or logits of how frequent each class is.
        scale: (outputs,) standard deviation; 1 unless a regression.
        weight: (classes,) so that every class counts the same; for binary targets of a positive.
        censored: whether some values are bounds.
        constant: whether there is one value only, so that there is nothing to learn.
    """

    shift: Tensor
    scale: Tensor
    weight: Tensor
    censored: bool
    constant: bool


def balance(target: Target, values: list[Tensor], censored: bool) -> Balance:
    """Return what the training data's values say: (rows,) or (rows, outputs), NaN unknown."""
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
    """The sum of the targets' losses, each in standard deviations or nats.

    Args:
        targets: in the order of the head's columns.
        balances: of each of them.
        class_weights: whether classes, or positives and negatives, weigh the same.
        sample_weights: whether samples count by their own weights.
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
        """Targets of which training data hold one value only."""
        bounds = [target.name for target in targets if balances[target.name].censored]
        # Tobit's own standard deviation, in units of the training data's.
        self.log_sigma = nn.ParameterDict({name: nn.Parameter(torch.zeros(())) for name in bounds})

    def set_units(self, units: Units) -> None:
        """Let a head start at the training data's mean, or at how frequent classes are."""
        found = [self.balances[target.name] for target in self.targets]
        units.shift.copy_(torch.cat([one.shift for one in found]))
        units.scale.copy_(torch.cat([one.scale for one in found]))

    def forward(self, logits: Tensor, examples: Examples) -> Tensor:
        """Return the loss of (rows, columns) predictions."""
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
    """Return the mean cross-entropy over known entries, each with a weight of its own."""
    filled = known.nan_to_num(0.0)
    share = weight * (~known.isnan())
    loss = F.binary_cross_entropy_with_logits(pred, filled, reduction="none")
    return (loss * share).sum() / share.sum().clamp(min=1e-12)
