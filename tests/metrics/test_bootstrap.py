"""Intervals cover, do not depend on the order of rows, and pair runs on the same resamples."""

from __future__ import annotations

import numpy as np
import pytest

from zoo.metrics.binary import ROC_AUC
from zoo.metrics.bootstrap import interval, paired, resampled
from zoo.metrics.regression import RMSE
from zoo.metrics.rows import Rows


def mean(data: Rows) -> float:
    return float(data["y_true"].mean())


def test_the_interval_of_a_mean_covers_it_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    hits, trials, size = 0, 120, 40
    for trial in range(trials):
        found = interval(
            mean, {"y_true": rng.normal(size=size)}, np.arange(size), n=200, seed=trial, level=0.9
        )
        hits += found.low <= 0 <= found.high
    assert 0.8 <= hits / trials <= 0.97


def test_groups_are_drawn_not_rows():
    groups = np.repeat(np.arange(10), 100)
    value = np.repeat(np.random.default_rng(0).normal(size=10), 100)
    by_group = interval(mean, {"y_true": value}, groups, n=300)
    by_row = interval(mean, {"y_true": value}, np.arange(1000), n=300)
    assert by_group.n_groups == 10
    assert by_group.high - by_group.low > 5 * (by_row.high - by_row.low)


def test_the_order_of_rows_does_not_matter():
    rng = np.random.default_rng(1)
    y, pred, groups = rng.normal(size=60), rng.normal(size=60), rng.integers(0, 9, 60)
    order = rng.permutation(60)
    before = interval(RMSE, {"y_true": y, "y_pred": pred}, groups, n=100)
    after = interval(RMSE, {"y_true": y[order], "y_pred": pred[order]}, groups[order], n=100)
    assert after.low == pytest.approx(before.low, abs=1e-12)
    assert after.high == pytest.approx(before.high, abs=1e-12)


def test_equal_seeds_draw_equal_resamples():
    data, groups = {"y_true": np.arange(20.0)}, np.arange(20)
    first = resampled(mean, data, groups, n=20, seed=3)
    assert (first == resampled(mean, data, groups, n=20, seed=3)).all()
    assert (first != resampled(mean, data, groups, n=20, seed=4)).any()


def test_identical_runs_differ_by_exactly_nothing():
    rng = np.random.default_rng(2)
    data = {"y_true": rng.normal(size=50), "y_pred": rng.normal(size=50)}
    found = paired(RMSE, data, dict(data), np.arange(50), n=100)
    assert (found.value, found.low, found.high, found.p) == (0, 0, 0, 1)


def test_a_clear_difference_is_found_and_signed():
    rng = np.random.default_rng(3)
    y = rng.normal(size=80)
    good = {"y_true": y, "y_pred": y + 0.1 * rng.normal(size=80)}
    bad = {"y_true": y, "y_pred": y + rng.normal(size=80)}
    found = paired(RMSE, good, bad, np.arange(80), n=200)
    assert 0 < found.low < found.value < found.high
    assert 0 < found.p < 0.02
    assert paired(RMSE, bad, good, np.arange(80), n=200).value == -found.value


def test_resamples_of_one_class_are_left_out_and_counted():
    y = np.array([1.0, 0.0, 0.0])
    found = interval(ROC_AUC, {"y_true": y, "y_pred": y}, np.arange(3), n=200)
    assert 0 < found.degenerate < 200
    assert (found.value, found.low, found.high) == (1, 1, 1)


@pytest.mark.parametrize("rows", [0, 1])
def test_fewer_than_two_groups_have_no_interval(rows):
    data = {"y_true": np.zeros(rows), "y_pred": np.ones(rows)}
    found = interval(RMSE, data, np.arange(rows), n=10)
    assert np.isnan([found.low, found.high]).all()
    assert found.n_groups == rows
    assert found.to_dict()["low"] is None
