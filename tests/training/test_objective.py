"""The loss in every kind of target, and where a head begins."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.training import runs
from zoo.models.heads import Units
from zoo.models.outputs import activate
from zoo.proteins.batch import collate
from zoo.tasks import Target
from zoo.training.examples import Examples
from zoo.training.objective import Objective, balance

KINDS = list(runs.TARGETS)


def values_of(target: Target, rows: int = 40) -> Tensor:
    rng = np.random.default_rng(3)
    if target.kind == "regression":
        values = rng.normal(20.0, 5.0, rows)
    elif target.kind == "multilabel":
        values = (rng.random((rows, target.outputs)) < 0.2).astype(float)
    else:
        values = rng.integers(0, target.outputs if target.kind == "multiclass" else 2, rows)
    values = values.astype(np.float32)
    values[::7] = np.nan
    return torch.from_numpy(values)


def examples(target: Target, values: Tensor, **facts: Tensor) -> Examples:
    batch = collate([runs.samples(target, count=1)[0].protein], None)
    ones = torch.ones(len(values))
    return Examples(
        batch, None, {target.name: values}, facts.get("weight", ones),
        facts.get("censored", 0 * ones), ("p",), (len(values),),
    )  # fmt: skip


def objective(target: Target, values: Tensor, **given: bool) -> Objective:
    facts = balance(target, [values], given.pop("censored", False))
    chosen = {"class_weights": False, "sample_weights": True, **given}
    return Objective((target,), {target.name: facts}, **chosen)


def start(target: Target, loss: Objective, rows: int) -> Tensor:
    units = Units(target.outputs)
    loss.set_units(units)
    return units(torch.zeros(rows, target.outputs))


@pytest.mark.parametrize("kind", KINDS)
def test_a_head_begins_at_the_best_constant(kind: str) -> None:
    target = runs.TARGETS[kind]
    values = values_of(target)
    loss, at = objective(target, values), examples(target, values)
    begin = start(target, loss, len(values))
    best = loss(begin, at)
    for _ in range(20):
        # A constant added to all logits of a softmax changes nothing; any other change costs.
        step = torch.randn(target.outputs)
        assert loss(begin + 0.5 * step * loss.balances[target.name].scale, at) > best - 1e-3


@pytest.mark.parametrize("kind", KINDS)
def test_unknown_rows_do_not_count(kind: str) -> None:
    target = runs.TARGETS[kind]
    values = values_of(target)
    loss, pred = objective(target, values), torch.randn(len(values), target.outputs)
    known = ~values.reshape(len(values), -1).isnan().any(1)
    shuffled = torch.where(known[:, None], pred, torch.full_like(pred, 9.0))
    assert torch.equal(
        loss(pred, examples(target, values)), loss(shuffled, examples(target, values))
    )


@pytest.mark.parametrize("kind", KINDS)
def test_weights_of_samples_count_as_often(kind: str) -> None:
    target = runs.TARGETS[kind]
    values = values_of(target)
    loss, pred = objective(target, values), torch.randn(len(values), target.outputs)
    double = torch.ones(len(values)).index_fill(0, torch.arange(5), 2.0)
    weighted = loss(pred, examples(target, values, weight=double))
    twice = torch.cat([torch.arange(5), torch.arange(len(values))])
    torch.testing.assert_close(weighted, loss(pred[twice], examples(target, values[twice])))
    plain = objective(target, values, sample_weights=False)
    assert plain(pred, examples(target, values, weight=double)) == plain(
        pred, examples(target, values)
    )


@pytest.mark.parametrize("kind", ["binary", "binary residue", "multiclass", "multilabel"])
def test_balanced_classes_have_equal_weight(kind: str) -> None:
    """At the constant 0 the loss's gradient then asks for nothing: all classes pull alike."""
    target = runs.TARGETS[kind]
    rng = np.random.default_rng(0)
    outputs = max(target.outputs, 2)
    chosen = rng.choice(outputs, 4000, p=[0.9, *[0.1 / (outputs - 1)] * (outputs - 1)])
    values = torch.from_numpy(chosen.astype(np.float32))
    if kind == "multilabel":
        values = torch.stack([values, values], 1)
    loss = objective(target, values, class_weights=True)
    pred = torch.zeros(len(values), target.outputs, requires_grad=True)
    loss(pred, examples(target, values)).backward()
    assert pred.grad is not None
    assert pred.grad.sum(0).abs().max() < 1e-3 < 0.4


def test_bounds_are_taken_as_bounds() -> None:
    target = runs.TARGETS["regression"]
    values = torch.tensor([5.0, 7.0, 9.0, 6.0])
    above = torch.tensor([0.0, 0.0, 1.0, 0.0])
    loss = objective(target, values, censored=True)
    low, high = (torch.tensor([[5.0], [7.0], [x], [6.0]]) for x in (9.0, 14.0))
    bound = examples(target, values, censored=above)
    assert loss(high, bound) < loss(low, bound)
    assert dict(loss.named_parameters()).keys() == {"log_sigma.pk"}


@pytest.mark.parametrize("kind", KINDS)
def test_probabilities_are_what_the_logits_say(kind: str) -> None:
    target = runs.TARGETS[kind]
    logits = np.random.default_rng(0).normal(0, 300, (50, target.outputs))
    values = activate(target, logits)
    assert np.isfinite(values).all() and values.shape[0] == 50
    if target.kind == "regression":
        assert np.array_equal(values, logits[:, 0])
        return
    assert ((values >= 0) & (values <= 1)).all()
    if target.kind == "multiclass":
        assert values.sum(1) == pytest.approx(1)
    missing = activate(target, np.full((3, target.outputs), np.nan))
    assert np.isnan(missing).all()
