"""Errors, correlations, group means and concordance against scipy, lifelines and loops."""

from __future__ import annotations

import numpy as np
import pytest
from lifelines.utils import concordance_index as lifelines_index
from scipy import stats
from sklearn.metrics import mean_absolute_error, root_mean_squared_error

from zoo.metrics import ranking, regression, survival

NAN = float("nan")


def numbers(seed: int, n: int = 60, levels: int = 0):
    rng = np.random.default_rng(seed)
    y = rng.normal(size=n)
    pred = y + rng.normal(size=n)
    if levels:
        y, pred = np.round(y * levels), np.round(pred * levels)
    return y, pred, rng.integers(-1, 2, n)


@pytest.mark.parametrize("levels", [0, 1])
@pytest.mark.parametrize("seed", range(3))
def test_global_scores_equal_scipy(seed, levels):
    y, pred, _ = numbers(seed, levels=levels)
    expected = {
        "rmse": root_mean_squared_error(y, pred),
        "mae": mean_absolute_error(y, pred),
        "pearson": np.corrcoef(y, pred)[0, 1],
        "spearman": np.corrcoef(stats.rankdata(y), stats.rankdata(pred))[0, 1],
        "kendall": slow_tau(y, pred),
    }
    data = {"y_true": y, "y_pred": pred}
    with_hole = np.append(y, NAN), np.append(pred, 100.0)
    for name, value in expected.items():
        assert getattr(regression, name)(*with_hole) == pytest.approx(value, abs=1e-9), name
        assert getattr(regression, name.upper())(data) == pytest.approx(value, abs=1e-9), name


def slow_tau(x: np.ndarray, y: np.ndarray) -> float:
    upper = np.triu_indices(len(x), 1)
    a, b = np.sign(x[:, None] - x)[upper], np.sign(y[:, None] - y)[upper]
    return float((a * b).sum() / np.sqrt((a != 0).sum() * (b != 0).sum()))


@pytest.mark.parametrize("name", ["pearson", "spearman", "kendall"])
def test_a_constant_has_no_correlation(name):
    score, ramp = getattr(regression, name), np.arange(5.0)
    assert np.isnan(score(ramp, np.ones(5)))
    assert np.isnan(score(np.ones(5), ramp))
    assert np.isnan(score(ramp[:1], ramp[:1]))
    assert np.isnan(score(ramp[:0], ramp[:0]))


def test_no_example_has_no_error():
    assert np.isnan(regression.rmse(np.zeros(0), np.zeros(0)))
    assert np.isnan(regression.mae(np.full(2, NAN), np.zeros(2)))


@pytest.mark.parametrize("name", ["rmse", "mae", "pearson", "spearman", "kendall"])
def test_bounds_enter_no_error_and_no_correlation(name):
    y, pred, censored = numbers(1)
    kept = censored == 0
    score, metric = getattr(regression, name), getattr(regression, name.upper())
    data = {"y_true": y, "y_pred": pred, "censored": censored}
    assert metric(data) == pytest.approx(score(y[kept], pred[kept]))


def test_a_mean_over_groups_counts_what_it_leaves_out():
    y, pred, _ = numbers(2)
    group = np.repeat(np.arange(6), 10)
    pred[group == 1] = 0.0
    group = np.append(group, 99)  # alone
    y, pred = np.append(y, 1.0), np.append(pred, 1.0)
    values = [stats.spearmanr(y[group == g], pred[group == g]).statistic for g in (0, 2, 3, 4, 5)]
    found = ranking.group_mean(regression.spearman, y, pred, group)
    assert found.value == pytest.approx(np.mean(values), abs=1e-9)
    assert (found.groups, found.excluded) == (5, 2)
    data = {"y_true": y, "y_pred": pred, "group": group}
    assert ranking.GROUP_SPEARMAN(data) == pytest.approx(found.value)
    assert ranking.GROUP_SPEARMAN.excluded(data) == 2


def test_no_group_has_no_mean():
    found = ranking.group_mean(regression.pearson, np.zeros(0), np.zeros(0), np.zeros(0))
    assert np.isnan(found.value) and found.excluded == 0


def test_top1_loss_is_what_the_choice_costs():
    y = np.array([0.9, 0.5, 0.3, 0.8, 0.2])
    assert ranking.top1_loss(y, np.array([0.0, 2.0, 1.0, 0.0, 0.0])) == pytest.approx(0.4)
    assert ranking.top1_loss(y, np.array([0.0, 2.0, 2.0, 0.0, 0.0])) == pytest.approx(0.5)
    assert np.isnan(ranking.top1_loss(y[:1], y[:1]))


def slow_concordance(y, pred, censored) -> float:
    """Return the index pair by pair, from the sets that the true values may be in."""
    right = pairs = 0.0
    for i in range(len(y)):
        for j in range(len(y)):
            top = y[i] if censored[i] <= 0 else np.inf
            bottom = y[j] if censored[j] >= 0 else -np.inf
            open_ends = censored[i] != 0 or censored[j] != 0
            if top < bottom or (top == bottom and open_ends):
                pairs += 1
                right += 1.0 if pred[i] < pred[j] else 0.5 if pred[i] == pred[j] else 0.0
    return right / pairs if pairs else NAN


@pytest.mark.parametrize("levels", [0, 2])
@pytest.mark.parametrize("seed", range(4))
def test_concordance_equals_a_plain_loop_and_lifelines(seed, levels):
    y, pred, censored = numbers(seed, levels=levels)
    found = survival.concordance_index(y, pred, censored)
    assert found == pytest.approx(slow_concordance(y, pred, censored), abs=1e-9)
    above = np.maximum(censored, 0)
    assert survival.concordance_index(y, pred, above) == pytest.approx(
        lifelines_index(y, pred, above == 0), abs=1e-9
    )
    assert survival.concordance_index(y, pred, -above) == pytest.approx(
        lifelines_index(-y, -pred, above == 0), abs=1e-9
    )


def test_concordance_in_many_blocks_is_the_same(monkeypatch):
    y, pred, censored = numbers(0, n=100, levels=3)
    whole = survival.concordance_index(y, pred, censored)
    monkeypatch.setattr(survival, "_BLOCK", 7)
    monkeypatch.setattr(survival, "MAX_KEPT", 10)
    assert survival.concordance_index(y, pred, censored) == pytest.approx(whole)


def test_concordance_of_nothing_known_is_undefined():
    one, above = np.ones(1), np.ones(3, int)
    assert np.isnan(survival.concordance_index(one, one, np.zeros(1, int)))
    assert np.isnan(survival.concordance_index(np.arange(3.0), np.arange(3.0), above))
    assert np.isnan(survival.concordance_index(np.zeros(0), np.zeros(0), np.zeros(0, int)))


def test_weibull_baseline_learns_through_bounds():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 2))
    truth = 6 + x[:, 0] + 0.3 * np.log(rng.exponential(size=300))
    censored = np.where(truth > 7, 1, np.where(truth < 5, -1, 0))
    seen = np.clip(truth, 5, 7)
    features = np.column_stack([x, np.full(300, 3.7)])  # a constant column does no harm
    found = survival.weibull_aft(features[:200], seen[:200], censored[:200], features[200:])
    assert found.shape == (100,)
    assert stats.pearsonr(found, truth[200:]).statistic > 0.9
    assert np.abs(found - truth[200:]).mean() < 0.5


def test_weibull_baseline_of_constant_features_predicts_the_middle():
    rng = np.random.default_rng(1)
    y = rng.normal(5, 1, 80)
    found = survival.weibull_aft(np.ones((80, 2)), y, np.zeros(80, int), np.ones((3, 2)))
    assert np.ptp(found) < 1e-9
    assert abs(found[0] - np.median(y)) < 0.5


@pytest.mark.parametrize(
    "metric",
    [
        regression.RMSE, regression.SPEARMAN, ranking.GROUP_PEARSON, ranking.TOP1_LOSS,
        survival.CONCORDANCE,
    ],
    ids=lambda metric: metric.name,
)  # fmt: skip
def test_counting_groups_twice_equals_repeating_them(metric):
    y, pred, censored = numbers(7, levels=2)
    group = np.repeat(np.arange(6), 10)
    drawn = np.array([2, 0, 1, 1, 3, 0])
    data = {"y_true": y, "y_pred": pred, "censored": censored, "group": group}
    rows = np.concatenate([np.flatnonzero(group == g) for g in np.repeat(np.arange(6), drawn)])
    again = {name: values[rows] for name, values in data.items()}
    again["group"] = np.repeat(np.arange(drawn.sum()), 10)  # drawn twice, it is two groups
    found = metric.bind(data)(drawn[group].astype(float))
    assert found == pytest.approx(metric(again), abs=1e-12)
