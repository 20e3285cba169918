"""Accuracy, Fmax and micro-averaged precision against scikit-learn and plain loops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, average_precision_score, balanced_accuracy_score

from zoo.metrics.classification import (
    ACCURACY,
    FMAX,
    MACRO_ACCURACY,
    MICRO_AVERAGE_PRECISION,
    accuracy,
    fmax,
    macro_accuracy,
    micro_average_precision,
)  # fmt: skip

NAN = float("nan")


def slow_fmax(y: np.ndarray, score: np.ndarray) -> float:
    """Return Fmax as its definition reads."""
    best = NAN
    if not (y == 1).any():
        return best
    best = 0.0
    for threshold in np.unique(score[~np.isnan(y)]):
        precisions, recalls = [], []
        for labels, row in zip(y, score, strict=True):
            said = (row >= threshold) & ~np.isnan(labels)
            hits = float((labels[said] == 1).sum())
            if said.any():
                precisions.append(hits / said.sum())
            if (labels == 1).any():
                recalls.append(hits / (labels == 1).sum())
        p, r = np.mean(precisions), np.mean(recalls)
        best = max(best, 2 * p * r / (p + r) if p + r > 0 else 0.0)
    return best


def table(seed: int, n: int = 12, labels: int = 7, levels: int = 0, unknown: float = 0.0):
    """Return labels and scores; `levels` of score make ties, `unknown` is the share of NaN."""
    rng = np.random.default_rng(seed)
    y = (rng.random((n, labels)) < 0.3).astype(float)
    y[rng.random(y.shape) < unknown] = NAN
    score = rng.random((n, labels))
    return y, np.round(score * levels) / levels if levels else score


@pytest.mark.parametrize("levels", [0, 1, 3])
@pytest.mark.parametrize("unknown", [0.0, 0.3])
@pytest.mark.parametrize("seed", range(5))
def test_fmax_equals_its_definition(seed, unknown, levels):
    y, score = table(seed, unknown=unknown, levels=levels)
    assert fmax(y, score) == pytest.approx(slow_fmax(y, score), abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 6), st.integers(1, 5), st.integers(1, 4))
def test_fmax_equals_its_definition_on_small_tied_tables(seed, n, labels, levels):
    y, score = table(seed, n, labels, levels, unknown=0.2)
    assert fmax(y, score) == pytest.approx(slow_fmax(y, score), abs=1e-9, nan_ok=True)


def test_fmax_counts_a_protein_without_prediction_in_recall_only():
    y = np.array([[1.0, 0.0], [1.0, 0.0]])
    score = np.array([[0.9, 0.1], [0.2, 0.1]])
    # At 0.9: precision 1 over one protein, recall 1/2; at 0.2 both are right.
    assert fmax(y, score) == 1.0
    assert fmax(y, np.array([[0.9, 0.1], [0.1, 0.1]])) == pytest.approx(2 / 3)


def test_fmax_does_not_depend_on_the_order_of_ties():
    y, score = table(0, levels=1)
    order = np.random.default_rng(1).permutation(y.shape[1])
    assert fmax(y[:, order], score[:, order]) == pytest.approx(fmax(y, score), abs=1e-12)


def test_fmax_without_labels_or_rows_is_undefined():
    assert np.isnan(fmax(np.zeros((3, 2)), np.ones((3, 2))))
    assert np.isnan(fmax(np.zeros((0, 2)), np.ones((0, 2))))


@pytest.mark.parametrize("levels", [0, 2])
def test_micro_average_precision_equals_scikit_learn(levels):
    y, score = table(3, levels=levels)
    expected = average_precision_score(y.ravel(), score.ravel())
    assert micro_average_precision(y, score) == pytest.approx(expected, abs=1e-9)
    assert MICRO_AVERAGE_PRECISION({"y_true": y, "y_pred": score}) == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(3))
def test_accuracies_equal_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    y, score = rng.integers(0, 4, 40).astype(float), rng.random((40, 6))
    answer = score.argmax(1)
    hits = np.mean([np.mean(answer[y == each] == each) for each in np.unique(y)])
    assert accuracy(y, score) == pytest.approx(accuracy_score(y, answer))
    assert macro_accuracy(y, score) == pytest.approx(hits)
    seen = np.where(answer < 4, answer, (y + 1) % 4)  # scikit-learn warns of classes unseen in y
    assert hits == pytest.approx(balanced_accuracy_score(y, seen))


def test_an_unknown_class_is_left_out():
    y, score = np.array([0.0, NAN, 1.0]), np.eye(3)[[0, 1, 2]]
    assert accuracy(y, score) == 0.5
    assert macro_accuracy(y, score) == 0.5


def test_no_example_has_no_accuracy():
    none, scores = np.zeros(0), np.zeros((0, 3))
    assert np.isnan(accuracy(none, scores)) and np.isnan(macro_accuracy(none, scores))


@pytest.mark.parametrize("metric", [FMAX, MICRO_AVERAGE_PRECISION, ACCURACY, MACRO_ACCURACY])
def test_counting_a_row_twice_equals_repeating_it(metric):
    y, score = table(5)
    if metric in (ACCURACY, MACRO_ACCURACY):
        y = np.random.default_rng(0).integers(0, 7, len(y)).astype(float)
    count = np.random.default_rng(2).integers(0, 3, len(y))
    again = np.repeat(np.arange(len(y)), count)
    bound = metric.bind({"y_true": y, "y_pred": score})(count.astype(float))
    assert bound == pytest.approx(metric({"y_true": y[again], "y_pred": score[again]}), abs=1e-12)
