"""`zoo compare`: the same examples, the same resamples, a table that fits."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from tests.metrics.samples import predictions
from tests.verbs import call
from zoo.metrics.predictions import write_predictions


@pytest.fixture
def runs(tmp_path):
    """Return folders of a good and a bad run on the same examples."""
    for name, noise in {"good": 0.3, "bad_run_with_a_long_name": 2.0}.items():
        one = predictions("regression", n=60, noise=noise, seed=len(name), grouped=True)
        write_predictions(tmp_path / name / "predictions.csv", [one])
    return [tmp_path / "good", tmp_path / "bad_run_with_a_long_name"]


def rewritten(folder, change):
    """Write a changed copy of the good run and return its folder."""
    one = change(predictions("regression", n=60, noise=0.3, seed=4, grouped=True))
    write_predictions(folder / "predictions.csv", [one])
    return folder


def test_the_table_fits_and_tells_the_better_run(capsys, runs, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    done = call(capsys, "compare", *runs, "--bootstrap", 50)
    assert done.code == 0, done.err
    assert max(map(len, done.out.splitlines())) <= 80
    for word in ("rmse", "spearman", "group_kendall", "good", "lower is better", "40 rows"):
        assert word in done.out


def test_json_has_intervals_and_paired_differences(capsys, runs):
    done = call(capsys, "compare", *runs, "--bootstrap", 50, "--metric", "rmse", "--json")
    (found,) = json.loads(done.out)
    assert list(found["metrics"]) == ["rmse"]
    good, bad = found["metrics"]["rmse"]["runs"]
    assert good["difference"] is None
    assert bad["difference"]["value"] == pytest.approx(bad["value"] - good["value"])
    assert 0 < bad["difference"]["low"] and bad["difference"]["p"] < 0.05


def test_identical_runs_do_not_differ(capsys, runs, tmp_path):
    other = rewritten(tmp_path / "copy", lambda one: one.take(np.arange(60)[::-1]))
    done = call(capsys, "compare", runs[0], other, "--bootstrap", 20, "--json")
    for entry in json.loads(done.out)[0]["metrics"].values():
        difference = entry["runs"][1]["difference"]
        assert (difference["value"], difference["low"], difference["p"]) == (0, 0, 1)


def test_other_examples_are_an_error_with_names(capsys, runs, tmp_path):
    fewer = rewritten(tmp_path / "fewer", lambda one: one.take(np.arange(60) > 4))
    done = call(capsys, "compare", runs[0], fewer)
    assert done.code == 1
    assert "3 only in good, 0 only in fewer" in done.err  # s1, s2, s4: s0 and s3 are validation
    assert "s1, s2, s4" in done.err
    done = call(capsys, "compare", runs[0], fewer, "--intersect", "--bootstrap", 10, "--json")
    assert json.loads(done.out)[0]["examples"] == 37


def test_other_true_values_are_an_error(capsys, runs, tmp_path):
    def moved(one):
        return dataclasses.replace(one, y_true=one.y_true + np.eye(60)[7])

    done = call(capsys, "compare", runs[0], rewritten(tmp_path / "moved", moved))
    assert done.code == 1
    assert "1 true values differ" in done.err and "s7" in done.err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--split", "tset"], 2, "'test'"),
        (["--metric", "rmsd"], 2, "Did you mean 'rmse'"),
        (["--bootstrap", "0"], 2, "bootstrap"),
    ],
)
def test_mistakes_have_messages(capsys, runs, arguments, code, message):
    done = call(capsys, "compare", *runs, *arguments)
    assert done.code == code
    assert message in done.err


def test_one_run_or_none_is_an_error(capsys, runs, tmp_path):
    assert call(capsys, "compare", runs[0]).code == 2
    missing = call(capsys, "compare", runs[0], tmp_path / "nothing")
    assert missing.code == 4 and "predictions.csv" in missing.err
    assert call(capsys, "compare", runs[0], runs[0]).code == 2


def test_a_metric_that_these_runs_cannot_give_is_an_error(capsys, tmp_path):
    for name in ("a", "b"):
        one = predictions("binary", n=30)
        write_predictions(tmp_path / name / "predictions.csv", [one.take(one.split == "test")])
    done = call(capsys, "compare", tmp_path / "a", tmp_path / "b", "--metric", "mcc")
    assert done.code == 2 and "validation" in done.err


@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel"])
def test_every_kind_compares(capsys, tmp_path, kind):
    for name, noise in {"a": 0.5, "b": 1.5}.items():
        one = predictions(kind, n=40, outputs=1 if kind == "binary" else 4, noise=noise)
        write_predictions(tmp_path / name / "predictions.csv", [one])
    done = call(capsys, "compare", tmp_path / "a", tmp_path / "b", "--bootstrap", 20)
    assert done.code == 0, done.err
