"""Losses against torch's own and scipy's; what is unknown has no effect and no gradient."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import norm
from torch.nn import functional as F  # noqa: N812

from zoo.metrics.losses import masked_bce, masked_cross_entropy, masked_mse, tobit

NAN = float("nan")
PLAIN = {
    masked_mse: F.mse_loss,
    masked_bce: F.binary_cross_entropy_with_logits,
    masked_cross_entropy: lambda pred, target: F.cross_entropy(pred, target.long()),
}


def example(loss, n: int = 6):
    pred = torch.randn(n, 3, requires_grad=True)
    if loss is masked_cross_entropy:
        return pred, torch.arange(n).remainder(3).float()
    return pred, torch.rand(n, 3)


@pytest.mark.parametrize("loss", PLAIN, ids=lambda loss: loss.__name__)
def test_with_all_known_it_is_torchs_own(loss):
    pred, target = example(loss)
    torch.testing.assert_close(loss(pred, target), PLAIN[loss](pred, target))
    light = loss(pred, target, torch.full((6,), 0.3))
    torch.testing.assert_close(light, 0.3 * PLAIN[loss](pred, target))
    entries = 6 if loss is masked_cross_entropy else target.numel()
    torch.testing.assert_close(loss(pred, target, None, 2 * entries), loss(pred, target) / 2)


@pytest.mark.parametrize("loss", PLAIN, ids=lambda loss: loss.__name__)
def test_an_unknown_row_is_as_if_absent(loss):
    pred, target = example(loss)
    target[2] = NAN
    keep = [0, 1, 3, 4, 5]
    value = loss(pred, target)
    torch.testing.assert_close(value, PLAIN[loss](pred[keep], target[keep]))
    value.backward()
    assert torch.isfinite(pred.grad).all()
    assert (pred.grad[2] == 0).all()
    weight = torch.ones(6)
    weight[3] = 0
    keep.remove(3)
    weighted = loss(pred, target, weight)  # divided by the five that are known all the same
    torch.testing.assert_close(weighted, PLAIN[loss](pred[keep], target[keep]) * 4 / 5)


@pytest.mark.parametrize("loss", [*PLAIN, tobit], ids=lambda loss: loss.__name__)
def test_nothing_known_is_no_loss(loss):
    pred, target = example(loss)
    arguments = (torch.zeros(6),) if loss is tobit else ()
    value = loss(pred, torch.full_like(target, NAN), *arguments)
    value.backward()
    assert value.item() == 0
    assert (pred.grad == 0).all()


def test_tobit_equals_scipy():
    rng = np.random.default_rng(0)
    pred, target = rng.normal(size=50) * 3, rng.normal(size=50)
    censored, sigma = rng.integers(-1, 2, 50), 0.7
    z = (pred - target) / sigma
    expected = np.where(
        censored == 0,
        norm.logpdf(target, pred, sigma),
        np.where(censored > 0, norm.logcdf(z), norm.logcdf(-z)),
    )
    found = tobit(
        torch.tensor(pred), torch.tensor(target), torch.tensor(censored), float(np.log(sigma))
    )
    assert found.item() == pytest.approx(-expected.mean(), abs=1e-12)


def test_tobit_has_the_gradient_of_its_value():
    pred = torch.randn(9, dtype=torch.float64, requires_grad=True)
    log_sigma = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    target = torch.randn(9, dtype=torch.float64)
    censored = torch.arange(9) % 3 - 1
    assert torch.autograd.gradcheck(
        lambda p, s: tobit(p, target, censored, s), (pred, log_sigma)
    )  # fmt: skip


@pytest.mark.parametrize("far", [-1e4, -40.0, 40.0, 1e4])
@pytest.mark.parametrize("censored", [-1, 0, 1])
def test_tobit_stays_finite_far_out(far, censored):
    pred = torch.tensor([far], requires_grad=True)
    log_sigma = torch.zeros((), requires_grad=True)
    value = tobit(pred, torch.zeros(1), torch.tensor([censored]), log_sigma)
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(pred.grad).all() and torch.isfinite(log_sigma.grad)


def test_tobit_takes_an_own_censoring_for_every_sample_of_several_outputs():
    pred, target = torch.randn(4, 2), torch.randn(4, 2)
    censored = torch.tensor([0, 1, -1, 0])
    each = tobit(pred, target, censored[:, None].expand(4, 2))
    torch.testing.assert_close(tobit(pred, target, censored), each)
