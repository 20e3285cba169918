"""Curves, MCC and within-chain means against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import (
    auc,
    average_precision_score,
    matthews_corrcoef,
    precision_recall_curve,
    roc_auc_score,
)  # fmt: skip

from zoo.metrics import binary, chains, curves, scannet
from zoo.metrics.rows import Metric

NAN = float("nan")


def residues(seed: int, n: int = 200, levels: int = 0):
    """Return labels, scores (tied with `levels`), weights and chains of n residues."""
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < 0.3).astype(float)
    score = rng.normal(size=n) + y
    chain = np.sort(rng.integers(0, 8, n))
    weight = rng.random(8)[chain]
    return y, np.round(score * levels) / levels if levels else score, weight, chain


@pytest.mark.parametrize("levels", [0, 2])
@pytest.mark.parametrize("seed", range(4))
def test_the_area_under_the_points_of_a_curve_is_the_metric(seed, levels):
    y, score, _, _ = residues(seed, levels=levels)
    rows = {"y_true": y, "y_pred": score}
    false, true = curves.roc(rows)
    assert (false[0], true[0], false[-1], true[-1]) == (0, 0, 1, 1)
    assert np.trapezoid(true, false) == pytest.approx(binary.ROC_AUC(rows))
    recall, precision = curves.precision_recall(rows)
    assert np.diff(recall) @ precision[1:] == pytest.approx(binary.AVERAGE_PRECISION(rows))


@pytest.mark.parametrize("levels", [0, 2])
@pytest.mark.parametrize("seed", range(4))
def test_curves_equal_scikit_learn(seed, levels):
    y, score, weight, chain = residues(seed, levels=levels)
    precision, recall, _ = precision_recall_curve(y, score, sample_weight=weight)
    expected = {
        binary.WEIGHTED_AUCPR: auc(recall, precision),
        binary.AVERAGE_PRECISION: average_precision_score(y, score),
        binary.ROC_AUC: roc_auc_score(y, score),
    }
    data = {"y_true": y, "y_pred": score, "weight": weight, "id": chain}
    for metric, value in expected.items():
        assert metric(data) == pytest.approx(value, abs=1e-9), metric.name
    assert binary.weighted_aucpr(y, score, weight) == pytest.approx(auc(recall, precision))
    assert binary.average_precision(y, score) == pytest.approx(average_precision_score(y, score))
    assert binary.roc_auc(y, score) == pytest.approx(roc_auc_score(y, score))
    assert binary.fast_roc_auc(y, score) == pytest.approx(roc_auc_score(y, score))


METRICS = [
    binary.WEIGHTED_AUCPR, binary.AVERAGE_PRECISION, binary.ROC_AUC, binary.MCC,
]  # fmt: skip


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
@pytest.mark.parametrize("levels", [0, 1])
def test_counting_a_row_twice_equals_repeating_it(metric: Metric, levels):
    y, score, weight, _ = residues(9, levels=levels)
    data = {"y_true": y, "y_pred": score, "weight": weight, "positive": score >= 0.5}
    count = np.random.default_rng(1).integers(0, 3, len(y))
    count[np.argsort(-score)[:5]] = 0  # also the highest scores may be absent
    again = {name: np.repeat(values, count) for name, values in data.items()}
    assert metric.bind(data)(count.astype(float)) == pytest.approx(metric(again), abs=1e-12)


def test_unlabelled_residues_are_left_out():
    y, score, weight, _ = residues(0)
    some = y.copy()
    some[::3] = NAN
    keep = ~np.isnan(some)
    assert binary.weighted_aucpr(some, score, weight) == pytest.approx(
        binary.weighted_aucpr(y[keep], score[keep], weight[keep])
    )
    assert binary.roc_auc(some, score) == pytest.approx(binary.roc_auc(y[keep], score[keep]))
    assert binary.mcc(some, score, 0.5) == pytest.approx(binary.mcc(y[keep], score[keep], 0.5))
    assert binary.best_threshold(some, score) == binary.best_threshold(y[keep], score[keep])


@pytest.mark.parametrize("label", [0.0, 1.0])
@pytest.mark.parametrize("n", [0, 1, 5])
def test_one_class_has_no_roc_and_no_threshold(label, n):
    y, score = np.full(n, label), np.arange(n, dtype=float)
    assert np.isnan(binary.roc_auc(y, score))
    assert np.isnan(binary.fast_roc_auc(y, score))
    assert np.isnan(binary.best_threshold(y, score))
    defined = label == 1 and n > 0
    assert np.isnan(binary.average_precision(y, score)) != defined
    assert np.isnan(binary.weighted_aucpr(y, score, np.ones(n))) != defined


@pytest.mark.parametrize("levels", [0, 2])
def test_mcc_equals_scikit_learn_and_its_threshold_is_the_best(levels):
    y, score, *_ = residues(2, levels=levels)
    found = {at: matthews_corrcoef(y, score >= at) for at in np.unique(score)}
    for at in list(found)[::20]:
        assert binary.mcc(y, score, at) == pytest.approx(found[at], abs=1e-9)
    assert found[binary.best_threshold(y, score)] == pytest.approx(max(found.values()))


def test_within_chain_means_equal_a_plain_loop():
    y, score, _, chain = residues(3)
    y[chain == 2] = 0  # has no ROC-AUC: left out and counted
    rocs = [
        roc_auc_score(y[chain == c], score[chain == c])
        for c in np.unique(chain)
        if len(np.unique(y[chain == c])) == 2
    ]
    order = np.random.default_rng(0).permutation(len(y))
    data = {"y_true": y[order], "y_pred": score[order], "id": chain[order]}
    assert chains.CHAIN_ROC_AUC(data) == pytest.approx(np.mean(rocs), abs=1e-9)
    assert chains.CHAIN_ROC_AUC.excluded(data) == 1
    assert chains.CHAIN_AVERAGE_PRECISION.excluded(data) == 1
    precisions = [
        average_precision_score(y[chain == c], score[chain == c])
        for c in np.unique(chain)
        if y[chain == c].any()
    ]
    assert chains.CHAIN_AVERAGE_PRECISION(data) == pytest.approx(np.mean(precisions), abs=1e-9)


def test_scannets_script_has_its_peculiarities():
    y, score, weight, chain = residues(4)
    clean = binary.weighted_aucpr(y, score, weight)
    assert scannet.scannet_protocol(y, score, weight, chain) == pytest.approx(clean)
    unlabelled, holes = y.copy(), score.copy()
    unlabelled[::7] = NAN
    holes[5] = NAN
    place = np.concatenate([np.arange((chain == c).sum()) for c in np.unique(chain)])
    keep = place < 10
    expected = binary.weighted_aucpr(
        np.nan_to_num(unlabelled)[keep],
        np.where(np.isnan(holes), np.nanmedian(holes), holes)[keep],
        weight[keep],
    )
    found = scannet.scannet_protocol(unlabelled, holes, weight, chain, length=10)
    assert found == pytest.approx(expected)
    assert scannet.position_in_chain(chain).tolist() == place.tolist()
