"""`zoo baseline`: the floor under every model, from prepared data to numbers."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.data.test_store import sample
from tests.verbs import call
from zoo.data.preparing import index_record
from zoo.data.rounds import rounds
from zoo.data.samples import Sample
from zoo.data.store import Store, pack
from zoo.errors import DataError
from zoo.metrics.baseline import Baseline
from zoo.metrics.floor import predict_all
from zoo.metrics.weibull import WeibullAFT
from zoo.proteins.protein import from_sequence
from zoo.tasks import Target

LABEL = Target("label", "binary", "residue")


@pytest.fixture
def prepared(capsys, tmp_path):
    """A table of 24 unrelated sequences whose activity grows with length; two are bounds."""
    return prepare(capsys, tmp_path, bounds=(3, 9))


def prepare(capsys, tmp_path, bounds=()):
    rng = np.random.default_rng(0)
    rows = ["id,sequence,split,activity"]
    for i in range(24):
        split = ("train", "train", "test")[i % 3]
        letters = "".join(rng.choice(list("ACDEFGHIKLMNPQRSTVWY"), 2 * i + 7))
        value = f"{'>' * (i in bounds)}{i / 24 + 0.2 * (i * 7 % 5)}"
        rows.append(f"p{i},{letters},{split},{value}")
    (tmp_path / "labels.csv").write_text("\n".join(rows) + "\n")
    out = tmp_path / "out"
    assert call(capsys, "prepare", "table", "--data", tmp_path, "--out", out).code == 0
    return out


def test_baselines_are_scored_with_intervals(capsys, prepared):
    done = call(capsys, "baseline", prepared, "--bootstrap", 50, "--json")
    (report,) = json.loads(done.out)
    parts = {part["model"]: part["values"] for part in report["parts"]}
    assert {"mean", "chain_length", "weibull_aft"} <= set(parts)
    # Length tells the activity here, and the mean knows nothing of it.
    assert parts["weibull_aft"]["rmse"]["value"] < parts["mean"]["rmse"]["value"]
    assert parts["mean"]["rmse"]["low"] <= parts["mean"]["rmse"]["value"]


def test_baselines_that_cannot_be_are_not_offered(capsys, tmp_path):
    out = prepare(capsys, tmp_path)  # sequences without ligands, and no bounds
    done = call(capsys, "baseline", out, "--bootstrap", 5, "--json")
    (report,) = json.loads(done.out)
    names = {part["model"] for part in report["parts"]}
    assert "chain_length" in names and not names & {"ligand_size", "weibull_aft"}


def test_trees_on_named_sets_have_a_row_of_their_own(capsys, prepared, tmp_path):
    done = call(capsys, "baseline", prepared, "--bootstrap", 5, "--json",
                "--out", tmp_path / "runs", "--features", "secondary_structure",
                "--features", "density")  # fmt: skip
    assert done.code == 0, done.err
    (report,) = json.loads(done.out)
    names = {part["model"] for part in report["parts"]}
    assert {"trees_on_density+secondary_structure", "boosted_trees", "mean"} <= names
    assert (tmp_path / "runs" / "activity_trees_on_density+secondary_structure").is_dir()


def test_an_unknown_feature_set_names_the_nearest(capsys, prepared):
    done = call(capsys, "baseline", prepared, "--features", "densty")
    assert done.code == 2 and "Did you mean 'density'?" in done.err


def test_runs_are_written_and_can_be_compared(capsys, prepared, tmp_path):
    runs = tmp_path / "runs"
    done = call(capsys, "baseline", prepared, "--bootstrap", 20, "--out", runs)
    assert "activity" in done.out
    names = [runs / "activity_mean", runs / "activity_weibull_aft"]
    compared = call(capsys, "compare", *names, "--metric", "rmse", "--bootstrap", 20)
    assert compared.code == 0, compared.err
    assert "activity_weibull_aft" in compared.out


def test_a_folder_that_is_not_prepared_is_told(capsys, tmp_path):
    done = call(capsys, "baseline", tmp_path)
    assert done.code == 4
    assert "zoo.prepare" in done.err


def store_of(folder, samples: list[Sample]) -> Store:
    store = Store(folder, write=True)
    store.put({s.id: (index_record(s, (LABEL,)), pack(s)) for s in samples})
    return store


def test_every_fold_is_predicted_by_a_round_that_did_not_see_it(tmp_path):
    samples = [
        sample(f"p{k}{i}", from_sequence("x", "ACDEFGHIKL"), subset=f"fold{k}")
        for k in range(1, 6) for i in range(2)
    ]  # fmt: skip
    with store_of(tmp_path, samples) as store:
        for plan in rounds(store.index()):
            assert not set(plan.train) & {*plan.test, *plan.validation}
            assert not set(plan.validation) & set(plan.test)
        predictions = predict_all(store, LABEL)["prior"]
    assert set(predictions.id) == {s.id for s in samples}
    assert set(predictions.split) == {"test"}


def test_baselines_are_fitted_once_for_the_same_data_and_again_for_others(tmp_path, monkeypatch):
    fits, fit = [], Baseline.fit
    monkeypatch.setattr(Baseline, "fit", lambda self, x: (fits.append(1), fit(self, x))[1])

    def made(name: str, letters: str) -> Store:
        samples = [sample(f"{split}{i}", from_sequence("x", letters), split=split)
                   for split in ("train", "test") for i in range(2)]  # fmt: skip
        return store_of(tmp_path / name, samples)

    with made("one", "ACDEFGHIKL") as one:
        first = predict_all(one, LABEL)
        count = len(fits)
        again = predict_all(one, LABEL)
        assert count == len(fits) == len(first)
        assert all(np.array_equal(again[name].y_pred, first[name].y_pred) for name in first)
        one.put({"train0": (one.index()["train0"], None)})
        predict_all(one, LABEL)
        assert len(fits) == 2 * count
    with made("two", "LKIHGFEDCA") as two:
        predict_all(two, LABEL)
        assert len(fits) == 3 * count


def test_data_without_split_or_folds_is_told(tmp_path):
    with store_of(tmp_path, [sample("a", from_sequence("a", "ACDE"))]) as store:
        with pytest.raises(DataError, match=r"zoo\.split"):
            predict_all(store, LABEL)


def test_the_weibull_baseline_uses_a_bound_as_a_bound():
    rng = np.random.default_rng(0)
    target = Target("pk", "regression", "protein")

    def of(i: int, value: float, censored: int) -> Sample:
        protein = from_sequence(f"p{i}", "A" * int(20 * 1.05**i))
        return Sample(f"p{i}", protein, {"pk": np.float32(value)}, "train", censored=censored)

    values = np.linspace(4, 9, 40) + rng.normal(0, 0.6, 40)
    exact = [of(i, v, 0) for i, v in enumerate(values)]
    capped = [of(i, min(v, 7.0), int(v > 7.0)) for i, v in enumerate(values)]
    as_exact = [of(i, min(v, 7.0), 0) for i, v in enumerate(values)]
    top = [exact[-1]]
    truth, bounded, fooled = (
        float(WeibullAFT(target).fit(train).predict(top)[0]) for train in (exact, capped, as_exact)
    )
    assert abs(bounded - truth) < abs(fooled - truth)
