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


def objective(
    target: Target, values: Tensor, weights: Tensor | None = None, **given: bool
) -> Objective:
    facts = balance(
        target, values.split(1), given.pop("censored", False),
        None if weights is None else weights.tolist(), given.get("class_weights", False),
    )  # fmt: skip
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


@pytest.mark.parametrize("balanced", [False, True], ids=["", "balanced"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_weight_of_two_counts_twice(kind: str, balanced: bool) -> None:
    target = runs.TARGETS[kind]
    values = values_of(target).nan_to_num(1.0)
    pred = torch.randn(len(values), target.outputs)
    double = torch.ones(len(values)).index_fill(0, torch.arange(5), 2.0)
    twice = torch.cat([torch.arange(5), torch.arange(len(values))])
    weighted = objective(target, values, double, class_weights=balanced)
    repeated = objective(target, values[twice], class_weights=balanced)
    tolerance = {"atol": 2e-2, "rtol": 2e-2} if balanced else {"atol": 1e-5, "rtol": 1e-5}
    torch.testing.assert_close(
        weighted(pred, examples(target, values, weight=double)),
        repeated(pred[twice], examples(target, values[twice])), **tolerance,
    )  # fmt: skip
    starts = [start(target, one, 1) for one in (weighted, repeated)]
    torch.testing.assert_close(*starts, atol=0.05, rtol=0.01)  # FLOOR is one of 40, and of 45
    plain = objective(target, values, sample_weights=False)
    assert plain(pred, examples(target, values, weight=double)) == plain(
        pred, examples(target, values)
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_of_one_sample_pulls_by_its_weight(kind: str) -> None:
    """Divided by the batch's own sum of weights, it would pull the same whatever its weight."""
    target = runs.TARGETS[kind]
    values = values_of(target).nan_to_num(1.0)
    weights = torch.linspace(0.01, 2.0, len(values))
    loss, pred = objective(target, values, weights), torch.randn(1, target.outputs)
    alone = [loss(pred, examples(target, values[:1], weight=torch.tensor([w]))) for w in (0.1, 1.0)]
    torch.testing.assert_close(alone[1], 10 * alone[0])


@pytest.mark.parametrize("balanced", [False, True], ids=["", "balanced"])
@pytest.mark.parametrize("kind", KINDS)
def test_weights_average_one_over_the_training_set(kind: str, balanced: bool) -> None:
    target = runs.TARGETS[kind]
    values = values_of(target)
    weights = torch.rand(len(values)) + 0.1
    loss = objective(target, values, weights, class_weights=balanced)
    found = loss._weights(target, values, examples(target, values, weight=weights))
    assert found is not None
    assert found[~values.isnan()].mean() == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_batches_of_a_step_add_up_to_one_large_batch(kind: str) -> None:
    target = runs.TARGETS[kind]
    values, weights = values_of(target), torch.rand(40)
    loss, pred = objective(target, values, weights), torch.randn(40, target.outputs)
    whole = loss(pred, examples(target, values, weight=weights))
    runs_of = [(0, 1), (1, 20), (20, 40)]
    count = float((~values.isnan()).sum()) / len(runs_of)
    parts = [
        loss.mean(
            loss.parts(pred[a:b], examples(target, values[a:b], weight=weights[a:b])),
            {target.name: count},
        )
        for a, b in runs_of
    ]
    torch.testing.assert_close(torch.stack(parts).mean(), whole)


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
