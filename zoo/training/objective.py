"""The training loss: the sum of one loss per target, which depends on the kind of target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from zoo.metrics.losses import masked_bce, masked_cross_entropy, masked_mse, tobit
from zoo.models.heads import Units
from zoo.models.outputs import columns
from zoo.tasks import Target
from zoo.training.examples import Examples

FLOOR = 0.5
"""Count added to each class, so that a class without training samples has finite values."""


@dataclass(frozen=True)
class Balance:
    """Statistics of one target over the training data, in which samples count by their weights.

    Attributes:
        shift: (outputs,) mean of a regression target, or logits of the class frequencies.
        scale: (outputs,) standard deviation of a regression target, otherwise 1.
        weight: (classes,) weight of each class; for binary targets and labels, (outputs,) weight of
            a positive. All 1 unless classes are to weigh the same.
        unit: Mean of all weights (a sample's times its class's) over the known labels; divided by
            it, weights are 1 on average.
        censored: Whether some values are bounds instead of exact values.
        constant: Whether all known values are equal, so that there is nothing to learn.
    """

    shift: Tensor
    scale: Tensor
    weight: Tensor
    unit: float
    censored: bool
    constant: bool


def balance(
    target: Target,
    values: Sequence[Tensor],
    censored: bool = False,
    weights: Sequence[float] | None = None,
    balanced: bool = False,
) -> Balance:
    """Return the statistics of a target.

    Args:
        target: What the values are of.
        values: (rows,) or (rows, outputs) of each sample, NaN where unknown.
        censored: Whether some values are bounds.
        weights: Weight of each sample; None for 1.
        balanced: Whether all classes, or positives and negatives, are to weigh the same in total.
    """
    y = torch.cat([x.reshape(len(x), -1) for x in values]).double()
    own = torch.tensor([1.0] * len(values) if weights is None else list(weights))
    w = own.double().repeat_interleave(torch.tensor([len(x) for x in values]))[:, None].expand_as(y)
    known = ~y.isnan()
    constant = len(y[known].unique()) < 2
    w = torch.where(known, w, 0.0)
    mean = float(w.sum() / known.sum().clamp(min=1)) or 1.0
    w = w / mean
    y = y.nan_to_num(0.0)
    if target.kind == "regression":
        ones = torch.ones(target.outputs)
        return Balance(*_moments(y, w), ones, mean, censored, constant)
    shift, by_class, weight = _frequencies(target, y, w, balanced)
    unit = mean * float((w * by_class).sum() / known.sum().clamp(min=1))
    return Balance(shift, torch.ones(target.outputs), weight, unit or 1.0, False, constant)


def _moments(y: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
    """Return the weighted mean and standard deviation of each column; 1 for a constant one."""
    total = w.sum(0).clamp(min=1e-12)
    mean = (w * y).sum(0) / total
    spread = ((w * (y - mean) ** 2).sum(0) / total).sqrt()
    return mean.float(), torch.where(spread > 0, spread, 1.0).float()


def _frequencies(
    target: Target, y: Tensor, w: Tensor, balanced: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the logits to start at, the class weight of each entry, and that of each class."""
    if target.kind == "multiclass":
        index = y[:, 0].long()
        count = torch.bincount(index, weights=w[:, 0], minlength=target.outputs) + FLOOR
        share = count / count.sum()
        weight = 1 / (share * target.outputs) if balanced else torch.ones_like(share)
        return (share * weight).log().float(), weight[index][:, None], weight.float()
    positive = (w * (y > 0.5)).sum(0) + FLOOR
    share = positive / (w.sum(0) + 2 * FLOOR)
    weight = (1 - share) / share if balanced else torch.ones_like(share)
    by_class = torch.where(y > 0.5, weight, 1.0)
    start = share * weight / (share * weight + 1 - share)
    return start.logit().float(), by_class, weight.float()


class Part(NamedTuple):
    """The loss of one target in a batch: its weighted sum, and how many labels it is over."""

    total: Tensor
    known: Tensor


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
        """Return the loss of predictions (rows, columns) over the labels of one batch."""
        return self.mean(self.parts(logits, examples))

    def parts(self, logits: Tensor, examples: Examples) -> dict[str, Part]:
        """Return the loss of each target as a sum, for batches that make a step together."""
        return {
            target.name: Part(self._total(target, logits, examples), self._known(target, examples))
            for target in self.targets
        }

    def mean(self, parts: Mapping[str, Part], counts: Mapping[str, float] | None = None) -> Tensor:
        """Return the sum of the targets' losses, each by its number of labels.

        Args:
            parts: Loss of each target.
            counts: Labels of each target to divide by; None for those of the batch.
        """
        if counts is None:
            means = [part.total / part.known.clamp(min=1) for part in parts.values()]
        else:
            means = [part.total / max(counts[name], 1e-12) for name, part in parts.items()]
        return torch.stack(means).sum()

    @staticmethod
    def _known(target: Target, examples: Examples) -> Tensor:
        return (~examples.targets[target.name].isnan()).sum()

    def _total(self, target: Target, logits: Tensor, examples: Examples) -> Tensor:
        pred = logits[:, self.columns[target.name]].float()
        known, facts = examples.targets[target.name], self.balances[target.name]
        weight = self._weights(target, known, examples)
        if target.kind == "multiclass":
            return masked_cross_entropy(pred, known, weight, 1.0)
        pred = pred[:, 0] if target.outputs == 1 else pred
        if target.kind != "regression":
            return masked_bce(pred, known, weight, 1.0)
        scale = facts.scale.to(pred.device)
        scale = scale[0] if target.outputs == 1 else scale
        if facts.censored:
            sigma = self.log_sigma[target.name]
            return tobit(pred / scale, known / scale, examples.censored, sigma, weight, 1.0)
        return masked_mse(pred / scale, known / scale, weight, 1.0)

    def _weights(self, target: Target, known: Tensor, examples: Examples) -> Tensor | None:
        """Return the weight of each label, 1 on average over the training data; None for 1."""
        if not (self.class_weights or self.sample_weights):
            return None
        facts = self.balances[target.name]
        weight = torch.ones_like(known)
        if self.sample_weights:
            weight = examples.weight.view(-1, *[1] * (known.dim() - 1)).expand_as(known)
        if self.class_weights and target.kind != "regression":
            weight = weight * self._of_class(target, known, facts.weight.to(known.device))
        return weight / facts.unit

    @staticmethod
    def _of_class(target: Target, known: Tensor, weight: Tensor) -> Tensor:
        if target.kind == "multiclass":
            return weight[known.nan_to_num(0.0).long()]
        return torch.where(known > 0.5, weight, torch.ones_like(weight))
