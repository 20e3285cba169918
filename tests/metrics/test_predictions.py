"""`predictions.csv` goes round, whatever the kind of target."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tests.metrics.samples import predictions, sample
from zoo.errors import DataError
from zoo.metrics.predictions import from_samples, read_predictions, write_predictions
from zoo.tasks import Target

NAN = float("nan")
CASES = {
    "regression": predictions("regression", grouped=True, subsets=("a", "b")),
    "binary": predictions("binary", "residue", per=5),
    "multiclass": predictions("multiclass", outputs=4),
    "multilabel": predictions("multilabel", outputs=3),
}


def named(one, name):
    return dataclasses.replace(one, target=dataclasses.replace(one.target, name=name))


def assert_equal(found, expected):
    assert found.target == expected.target
    for name, values in vars(expected).items():
        if name in ("y_true", "y_pred", "weight"):
            np.testing.assert_allclose(getattr(found, name), values, rtol=1e-8)
        elif name != "target":
            np.testing.assert_array_equal(getattr(found, name), values)


@pytest.mark.parametrize("kind", CASES)
def test_a_file_goes_round(kind, tmp_path):
    one = CASES[kind]
    one.y_true[3] = NAN
    write_predictions(tmp_path / "predictions.csv", [one])
    assert_equal(read_predictions(tmp_path)["y"], one)


def test_several_targets_share_a_file(tmp_path):
    path = tmp_path / "predictions.csv"
    write_predictions(path, [named(one, name) for name, one in CASES.items()])
    found = read_predictions(path)
    assert list(found) == list(CASES)
    for name, one in CASES.items():
        assert_equal(found[name], named(one, name))


def test_single_precision_goes_round_bit_for_bit(tmp_path):
    one = predictions("regression")
    one = dataclasses.replace(one, y_pred=one.y_pred.astype(np.float32).astype(np.float64))
    write_predictions(tmp_path / "p.csv", [one])
    found = read_predictions(tmp_path / "p.csv")["y"].y_pred
    assert (found.astype(np.float32) == one.y_pred.astype(np.float32)).all()


def test_awkward_names_go_round(tmp_path):
    one = predictions("regression", n=4)
    one = dataclasses.replace(one, id=np.array(["NA", "nan", 'a,"b"', "007"]))
    write_predictions(tmp_path / "p.csv", [one])
    assert read_predictions(tmp_path / "p.csv")["y"].id.tolist() == one.id.tolist()


def test_long_tables_are_written_in_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr("zoo.metrics.predictions._CHUNK", 7)
    one = CASES["binary"]
    write_predictions(tmp_path / "p.csv", [one])
    assert_equal(read_predictions(tmp_path / "p.csv")["y"], one)


def test_what_is_no_table_of_predictions_is_an_error(tmp_path):
    with pytest.raises(DataError, match=r"predictions\.csv"):
        read_predictions(tmp_path / "nothing")
    (tmp_path / "other.csv").write_text("id,value\na,1\n")
    with pytest.raises(DataError, match="lacks the columns group"):
        read_predictions(tmp_path / "other.csv")
    path = tmp_path / "p.csv"
    write_predictions(path, [CASES["regression"]])
    path.write_text(path.read_text().replace("regression,protein,", "regression,protein,x", 1))
    with pytest.raises(DataError, match="not a table"):
        read_predictions(path)


def test_samples_become_rows():
    at_residues = [
        sample("a", {"y": [0, 1, NAN]}, length=3, group="g", weight=0.5, split="test"),
        sample("b", {"y": [1, 1]}, length=2, subset="hard"),
    ]
    found = from_samples(
        Target("y", "binary", "residue"), at_residues, [np.zeros(3), np.ones(2)]
    )  # fmt: skip
    assert found.id.tolist() == ["a", "a", "a", "b", "b"]
    assert found.residue.tolist() == [0, 1, 2, 0, 1]
    assert found.weight.tolist() == [0.5, 0.5, 0.5, 1, 1]
    assert found.cluster.tolist() == ["g", "g", "g", "b", "b"]
    assert found.y_pred.tolist() == [0, 0, 0, 1, 1]
    proteins = [sample("a", {"c": 2}, censored=1), sample("b", {"c": 0})]
    found = from_samples(Target("c", "multiclass", "protein", 3), proteins, np.eye(3)[:2])
    assert found.y_true.tolist() == [2, 0]
    assert found.y_pred.shape == (2, 3)
    assert found.censored.tolist() == [1, 0]


def test_no_sample_is_an_error():
    with pytest.raises(DataError, match="no sample"):
        from_samples(Target("y", "regression", "protein"), [], [])
