"""Temperature scaling and calibration error: what must hold whatever the numbers."""

from __future__ import annotations

import numpy as np
import pytest

from zoo.metrics.calibration import (
    RANGE,
    calibration_error,
    fit_shared_temperature,
    fit_temperature,
    negative_log_likelihood,
)
from zoo.models.outputs import activate
from zoo.tasks import Target

KINDS = {
    "binary": Target("y", "binary", "residue"),
    "multiclass": Target("y", "multiclass", "protein", 5),
    "multilabel": Target("y", "multilabel", "protein", 4),
}
each_kind = pytest.mark.parametrize("target", KINDS.values(), ids=list(KINDS))


def calibrated(target: Target, n: int = 20_000, seed: int = 0):
    """Return logits (n, outputs), and labels drawn from the very probabilities they mean."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (n, target.outputs))
    p = activate(target, logits)
    if target.kind == "multiclass":
        above = rng.random((n, 1)) > np.cumsum(p, axis=1)[:, :-1]
        return logits, above.sum(axis=1).astype(float)
    return logits, (rng.random(p.shape) < p).astype(float)


@each_kind
@pytest.mark.parametrize("factor", [0.4, 1.0, 3.0])
def test_the_factor_that_logits_were_scaled_by_is_recovered(target, factor):
    logits, y = calibrated(target)
    assert fit_temperature(target, factor * logits, y) == pytest.approx(factor, rel=0.06)


@each_kind
def test_what_is_calibrated_has_no_error_and_what_is_too_sure_has(target):
    logits, y = calibrated(target)
    assert calibration_error(target, activate(target, logits), y) < 0.015
    sharp = activate(target, 4 * logits)
    assert calibration_error(target, sharp, y) > 0.08
    fitted = activate(target, 4 * logits, fit_temperature(target, 4 * logits, y))
    assert calibration_error(target, fitted, y) < 0.015


@each_kind
@pytest.mark.parametrize("seed", range(5))
def test_the_fit_never_raises_the_cost_of_its_own_data(target, seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(3, 40))
    logits = rng.normal(0, 10 ** rng.uniform(-3, 3), (n, target.outputs))
    if target.kind == "multiclass":
        y = rng.integers(0, target.outputs, n).astype(float)
        costs = (logits, y.astype(int))
    else:
        y = rng.integers(0, 2, logits.shape).astype(float)
        logits_of_pairs = logits.reshape(-1)
        costs = (logits_of_pairs, y.reshape(-1).astype(int))
        y = y[:, 0] if target.outputs == 1 else y
    found = fit_temperature(target, logits, y)
    assert RANGE[0] <= found <= RANGE[1]
    before = negative_log_likelihood(*costs)
    assert negative_log_likelihood(costs[0] / found, costs[1]) <= before + 1e-12


@each_kind
def test_the_order_of_rows_does_not_count_also_with_ties(target):
    logits, y = calibrated(target, 400)
    logits = np.round(logits)
    order = np.random.default_rng(3).permutation(len(y))
    p = activate(target, logits)
    assert calibration_error(target, p, y) == pytest.approx(
        calibration_error(target, p[order], y[order]), abs=1e-12
    )
    assert fit_temperature(target, logits, y) == pytest.approx(
        fit_temperature(target, logits[order], y[order]), rel=1e-6
    )


@each_kind
def test_unknown_labels_are_left_out(target):
    logits, y = calibrated(target, 600)
    holes = y.copy()
    holes[::3] = np.nan
    rest = np.arange(len(y)) % 3 != 0
    p = activate(target, logits)
    assert fit_temperature(target, logits, holes) == fit_temperature(target, logits[rest], y[rest])
    assert calibration_error(target, p, holes) == calibration_error(target, p[rest], y[rest])


@each_kind
def test_one_class_fits_nothing_and_no_rows_have_no_error(target):
    logits, y = calibrated(target, 30)
    assert fit_temperature(target, logits, np.ones_like(y)) == 1.0
    assert fit_temperature(target, logits, np.full_like(y, np.nan)) == 1.0
    none = activate(target, logits)[:0], y[:0]
    assert np.isnan(calibration_error(target, *none))


def test_a_regression_has_no_temperature():
    target = Target("y", "regression", "protein")
    values = np.arange(5.0)
    assert fit_temperature(target, values[:, None], values) == 1.0
    assert np.isnan(calibration_error(target, values, values))


def test_the_error_equals_a_count_by_hand():
    target = KINDS["binary"]
    p, y = np.array([0.1, 0.1, 0.6, 0.9]), np.array([0.0, 1.0, 1.0, 1.0])
    # Two bins of two: |0.1 - 0.5| and |0.75 - 1|, each half of the rows.
    assert calibration_error(target, p, y, bins=2) == pytest.approx(0.5 * 0.4 + 0.5 * 0.25)
    assert calibration_error(target, np.full(4, 0.75), y) == pytest.approx(0.0)


def test_separable_data_give_a_finite_temperature():
    logits = np.array([[-3.0], [-2.0], [2.0], [3.0]])
    found = fit_temperature(KINDS["binary"], logits, np.array([0.0, 0, 1, 1]))
    assert found == pytest.approx(RANGE[0], rel=0.05)


@each_kind
def test_members_that_are_equal_share_the_temperature_of_one(target):
    logits, y = calibrated(target, n=2_000)
    alone = fit_temperature(target, 3 * logits, y)
    assert fit_shared_temperature(target, [3 * logits] * 3, y) == pytest.approx(alone, rel=1e-3)


@each_kind
def test_it_is_the_mean_of_the_members_that_is_calibrated(target):
    logits, y = calibrated(target)
    rng = np.random.default_rng(1)
    members = [logits + rng.normal(0, 3, logits.shape) for _ in range(4)]

    def error(temperatures):
        pairs = zip(members, temperatures, strict=True)
        return calibration_error(target, np.mean([activate(target, *x) for x in pairs], axis=0), y)

    own = error([fit_temperature(target, one, y) for one in members])
    shared = error([fit_shared_temperature(target, members, y)] * 4)
    assert own > 0.05 and shared < own / 2
