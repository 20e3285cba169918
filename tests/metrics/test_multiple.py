"""Many differences: Holm's correction, and resamples enough for it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.metrics.samples import predictions
from tests.verbs import call
from zoo.metrics.comparison import compare_targets
from zoo.metrics.multiple import ALPHA, correct, enough, holm, told
from zoo.metrics.predictions import write_predictions
from zoo.metrics.suite import ONE_SAMPLE, without_intervals

NAN = float("nan")


def test_holm_multiplies_the_smallest_p_by_the_number_and_keeps_the_order():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([0.2]) == [0.2]
    assert holm([]) == []


def test_differences_that_are_not_defined_do_not_count():
    assert holm([None, 0.01, NAN, 0.02]) == [None, 0.02, None, 0.02]


def test_equal_p_are_equal_after_correction():
    assert holm([0.01, 0.01, 0.01]) == pytest.approx([0.03, 0.03, 0.03])


@pytest.mark.parametrize("count", [1, 5, 10, 11, 40, 300])
def test_there_are_resamples_enough_for_the_smallest_p(count):
    n = enough(count)
    assert n >= 1000
    assert 2 * 2 / (n + 1) * count < ALPHA  # even if one resample contradicts
    found = [{"p": 2 / (n + 1), "resamples": n} for _ in range(count)]
    correct(found)
    assert all(one["p_holm"] < ALPHA for one in found)
    assert "too few" not in told(found)


def test_too_few_resamples_are_told_with_the_number_that_is_enough():
    text = told([{"p": 0.1, "resamples": 20}] * 30)
    assert "30 differences, 20 resamples:" in text and "3,000 are enough" in text
    assert told([]) == told([{"p": None}]) == ""
    assert "for 1 difference," in told([{"p": 0.1}])


def test_of_many_runs_that_do_not_differ_few_are_clear():
    """Without correction, in most trials one of twenty differences is below 0.05."""
    by_itself = corrected = 0
    for trial in range(10):
        runs = {
            str(run): predictions("regression", n=60, noise=1.0, seed=100 * trial + run)
            for run in range(21)
        }
        (found,) = compare_targets([runs], "test", ["rmse"], n=900, seed=trial)
        p = np.array([(moved["p"], moved["p_holm"]) for moved in found.differences])
        assert len(p) == 20
        by_itself += (p[:, 0] < ALPHA).any()
        corrected += (p[:, 1] < ALPHA).any()
    assert by_itself >= 4 and corrected <= 2


def test_compare_corrects_for_all_that_it_prints(capsys, tmp_path):
    for seed, name in enumerate("abcd"):
        one = predictions("regression", n=30, noise=0.3 + seed, seed=seed)
        write_predictions(tmp_path / name / "predictions.csv", [one])
    runs = [tmp_path / name for name in "abcd"]
    done = call(capsys, "compare", *runs, "--json")
    (found,) = json.loads(done.out)
    moved = [
        one["difference"] for metric in found["metrics"].values() for one in metric["runs"][1:]
    ]
    assert len(moved) == 3 * len(found["metrics"]) > 10
    assert {one["resamples"] for one in moved} == {100 * len(moved)}
    assert [one["p_holm"] for one in moved] == holm([one["p"] for one in moved])
    shown = call(capsys, "compare", *runs, "--bootstrap", 30)
    assert f"{len(moved)} differences, 30 resamples: too few" in " ".join(shown.out.split())


def test_runs_of_one_family_have_no_interval_and_that_is_told(capsys, tmp_path):
    for seed, name in enumerate("ab"):
        one = predictions("regression", n=30, seed=seed)
        one = one.with_kin(dict.fromkeys(one.id.tolist(), "s0"))
        write_predictions(tmp_path / name / "predictions.csv", [one])
    done = call(capsys, "compare", tmp_path / "a", tmp_path / "b")
    assert done.code == 0
    assert "There are no intervals" in done.err + done.out
    assert "to the first run\n\n" not in done.out


def test_one_protein_is_not_advised_to_take_groups_of_its_own():
    assert without_intervals(1) == ONE_SAMPLE != without_intervals(2)
