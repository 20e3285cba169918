"""`zoo evaluate`: the scores are those of the predictions, and of nothing that was seen before."""

from __future__ import annotations

import csv
import dataclasses
import importlib.util
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, softmax
from sklearn.metrics import accuracy_score, average_precision_score, matthews_corrcoef

import zoo
from tests import shelf
from tests.metrics.samples import sample
from tests.verbs import call
from zoo.data.preparing import STORE, index_record, write_manifest
from zoo.data.rounds import Round, rounds
from zoo.data.samples import Sample
from zoo.data.store import Store, pack
from zoo.errors import ConfigError, DataError
from zoo.metrics.binary import best_threshold
from zoo.metrics.multiple import ALPHA, differences_in, holm
from zoo.metrics.predictions import Predictions, read_predictions
from zoo.models.checkpoint import load_model
from zoo.models.inference import predict_logits
from zoo.models.runs import FACTS, read_run
from zoo.prediction.evaluation import Settings, evaluate_run
from zoo.prediction.held_out import labelled
from zoo.system.files import write_json
from zoo.tasks import Target

SITE = Target("site", "binary", "residue")
TARGETS = {
    "binary": (SITE,),
    "regression": (Target("pk", "regression", "protein"),),
    "multiclass": (Target("class", "multiclass", "protein", 3),),
    "multilabel": (Target("labels", "multilabel", "protein", 4),),
    "two": (Target("pk", "regression", "protein"), Target("active", "binary", "protein")),
}
TASKS = {"binary": "ppbs", "regression": "lba", "multiclass": "react", "multilabel": "ec",
         "two": "table"}  # fmt: skip
SPLIT_OF = ("train", "train", "validation", "test", "test")
QUICK = Settings(bootstrap=20)


# ------------------------------------------------------------------------ tiny data, tiny runs


def truth(target: Target, length: int, rng: np.random.Generator) -> object:
    shape = (length,) if target.level == "residue" else ()
    if target.kind == "regression":
        return rng.normal(5, 2, shape)
    if target.kind == "multiclass":
        return rng.integers(0, target.outputs, shape)
    found = (rng.random((*shape, *([target.outputs] if target.outputs > 1 else []))) < 0.4) * 1.0
    if target.level == "residue":
        found[:2], found[2] = (0.0, 1.0), np.nan  # both classes, and one unknown
    return found


def some_samples(targets: tuple[Target, ...], folds: bool = False) -> list[Sample]:
    """Return 30 samples of different lengths, in splits with two subsets, or in five folds."""
    rng = np.random.default_rng(0)
    found = []
    for i in range(30):
        length = int(rng.integers(5, 30))
        where = {"subset": f"fold{i % 5 + 1}"} if folds else {
            "split": SPLIT_OF[i % 5], "subset": f"part{i % 2}"}  # fmt: skip
        values = {target.name: truth(target, length, rng) for target in targets}
        found.append(sample(f"p{i:02}", values, length=length, heavy=i % 7, seed=i, **where))
    return found


def prepare(folder: Path, samples: list[Sample], targets: tuple[Target, ...], inputs: str = "abc"):
    """Write what `zoo.prepare` leaves."""
    folder.mkdir(parents=True, exist_ok=True)
    with Store(folder / STORE, write=True) as store:
        store.put({s.id: (index_record(s, targets), pack(s)) for s in samples})
    facts = {"inputs": inputs, "complete": True, "task": "any",
             "targets": [dataclasses.asdict(target) for target in targets]}  # fmt: skip
    write_manifest(folder, facts)
    return folder


def train(
    folder: Path,
    seq: str,
    data: Path,
    kind: str,
    *,
    seeds: int = 1,
    folds: tuple[int, ...] = (),
    temperature: float = 2.0,
    **options,
):
    """Write what `zoo.train` leaves, of models that never were trained."""
    facts = [dataclasses.asdict(target) for target in TARGETS[kind]]
    with Store(data / STORE) as store:
        plan = rounds(store.index())
    members = []
    for fold in folds or (None,):
        for seed in range(seeds):
            name = f"f{fold}s{seed}"
            model = shelf.small_model(
                seq, "gat", "local", task=TASKS[kind], seed=10 * (fold or 0) + seed,
                **{**options, "values": {"targets": facts, **options.get("values", {})}},
            )  # fmt: skip
            model.head.units.scale.fill_(20.0)  # logits far from 0, so that temperatures show
            zoo.save_model(model, folder / name)
            write_json(folder / name / "splits.json", plan[fold or 0]._asdict())
            found = {target.name: {"temperature": temperature + seed} for target in TARGETS[kind]}
            write_json(folder / name / "calibration.json", found)
            members.append({"folder": name, "name": name, "fold": fold, "seed": seed})
    run = {"task": TASKS[kind], "data": str(data), "inputs": "abc", "targets": facts,
           "members": members}  # fmt: skip
    write_json(folder / FACTS, run)
    return folder


@pytest.fixture(scope="module")
def seq(tmp_path_factory):
    return shelf.save_plm("esm", tmp_path_factory.mktemp("esm"))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Prepared data of each kind."""
    root = tmp_path_factory.mktemp("data")
    return {kind: prepare(root / kind, some_samples(targets), targets)
            for kind, targets in TARGETS.items()}  # fmt: skip


@pytest.fixture(scope="module")
def folded(tmp_path_factory):
    return prepare(tmp_path_factory.mktemp("folds"), some_samples((SITE,), folds=True), (SITE,))


@pytest.fixture(scope="module")
def runs(tmp_path_factory, seq, data):
    """A run of each kind."""
    root = tmp_path_factory.mktemp("runs")
    return {kind: train(root / kind, seq, data[kind], kind) for kind in TARGETS}


@pytest.fixture
def run(runs, tmp_path):
    """A copy of the run with a label a residue, to write into."""
    return shutil.copytree(runs["binary"], tmp_path / "run")


def evaluated(folder: Path, data: Path | None = None, settings: Settings = QUICK, **more):
    found = read_run(folder)
    return evaluate_run(found, data or found.data, settings, **more)[:2]


def by_hand(member: Path, data: Path, target: Target, at: slice, temperature: float, split: str):
    """Return each sample's prediction and truth, one protein at a time."""
    model, found = load_model(member), {}
    with Store(data / STORE) as store:
        for one in store:
            if one.split == split:
                logits = predict_logits(model, [one.protein], "cpu")[0][..., at]
                if target.kind == "multiclass":
                    values = softmax(logits / temperature, axis=-1)
                elif target.kind == "regression":
                    values = logits
                else:
                    values = expit(logits / temperature)
                found[one.id] = (values, one.targets[target.name])
    return found


def of_model(metrics: dict, target: str, metric: str, subset: str = "all", model: str = "model"):
    (part,) = (part for part in metrics["targets"][target]["parts"]
               if (part["model"], part["subset"]) == (model, subset))  # fmt: skip
    return part["values"][metric]["value"]


def rows(predictions: Predictions, split: str = "test") -> Predictions:
    return predictions.take(predictions.split == split)


# -------------------------------------------------------------------------- scores, predictions


CASES = [
    ("binary", 0, slice(0, 1), "average_precision", average_precision_score),
    ("multiclass", 0, slice(0, 3), "accuracy", lambda y, p: accuracy_score(y, p.argmax(axis=-1))),
    ("multilabel", 0, slice(0, 4), "micro_average_precision",
     lambda y, p: average_precision_score(y.ravel(), p.ravel())),
    ("regression", 0, slice(0, 1), "rmse", lambda y, p: np.sqrt(np.mean((y - p) ** 2))),
    ("two", 0, slice(0, 1), "mae", lambda y, p: np.abs(y - p).mean()),
    ("two", 1, slice(1, 2), "average_precision", average_precision_score),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "which", "at", "metric", "score"), CASES)
def test_scores_are_those_of_the_predictions_made_by_hand(
    runs, data, kind, which, at, metric, score
):
    target = TARGETS[kind][which]
    metrics, predictions = evaluated(runs[kind])
    found = by_hand(runs[kind] / "fNones0", data[kind], target, at, 2.0, "test")
    shape = (-1, target.outputs) if target.outputs > 1 else (-1,)
    pred = np.concatenate([values.reshape(shape) for values, _ in found.values()])
    y = np.concatenate([np.atleast_1d(y) for _, y in found.values()]).reshape(
        shape if target.kind == "multilabel" else (-1,)
    )
    test = rows(predictions[which])
    assert list(dict.fromkeys(test.id)) == list(found)
    np.testing.assert_allclose(test.y_pred, pred, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(test.y_true, y)
    known = np.isfinite(y.reshape(len(y), -1)).all(axis=1)
    assert of_model(metrics, target.name, metric) == pytest.approx(score(y[known], pred[known]))
    parts = metrics["targets"][target.name]["parts"]
    assert parts[0]["examples"] == parts[1]["examples"] + parts[2]["examples"] == known.sum()


@pytest.mark.parametrize("kind", ["binary", "regression"])
def test_batches_do_not_change_a_prediction(runs, kind):
    together, alone = (
        evaluated(runs[kind], settings=dataclasses.replace(QUICK, tokens=tokens))[1][0]
        for tokens in (4096, 1)
    )
    assert together.id.tolist() == alone.id.tolist()
    np.testing.assert_allclose(together.y_pred, alone.y_pred, rtol=1e-4, atol=1e-5)


def test_an_ensemble_predicts_the_mean_of_its_members(tmp_path, seq, data):
    folder = train(tmp_path / "run", seq, data["multiclass"], "multiclass", seeds=3)
    (found,) = evaluated(folder)[1]
    target = TARGETS["multiclass"][0]
    each = [
        by_hand(folder / f"fNones{seed}", data["multiclass"], target, slice(0, 3), 2.0 + seed,
                "test") for seed in range(3)
    ]  # fmt: skip
    mean = np.mean([[values for values, _ in one.values()] for one in each], axis=0)
    np.testing.assert_allclose(rows(found).y_pred, mean, rtol=1e-4, atol=1e-6)
    assert not np.allclose(rows(found).y_pred, [values for values, _ in each[0].values()])


def test_the_threshold_is_that_of_validation_and_of_nothing_else(runs, data, tmp_path):
    metrics, (one,) = evaluated(runs["binary"])
    validation, test = (rows(one, split) for split in ("validation", "test"))
    threshold = metrics["targets"]["site"]["threshold"]
    assert threshold == best_threshold(validation.y_true, validation.y_pred)
    known = np.isfinite(test.y_true)
    expected = matthews_corrcoef(test.y_true[known], test.y_pred[known] >= threshold)
    assert of_model(metrics, "site", "mcc") == pytest.approx(expected)
    # Other labels in test, and fewer samples: the threshold does not move.
    turned = [
        dataclasses.replace(s, targets={"site": 1 - s.targets["site"]}) if s.split == "test" else s
        for s in some_samples((SITE,)) if s.id != "p03"
    ]  # fmt: skip
    other, _ = evaluated(runs["binary"], prepare(tmp_path, turned, (SITE,)))
    assert other["targets"]["site"]["threshold"] == threshold
    assert of_model(other, "site", "roc_auc") != of_model(metrics, "site", "roc_auc")


def test_calibration_is_told_before_and_after_the_temperature(runs, tmp_path, seq, data):
    found = evaluated(runs["binary"])[0]["targets"]["site"]["calibration_error"]
    cold = train(tmp_path / "run", seq, data["binary"], "binary", temperature=1.0)
    as_is = evaluated(cold)[0]["targets"]["site"]["calibration_error"]
    assert as_is["before"] == as_is["after"] == found["before"] != found["after"]
    assert evaluated(runs["regression"])[0]["targets"]["pk"]["calibration_error"] is None


def test_differences_are_to_the_best_baseline_and_paired(runs):
    metrics, _ = evaluated(runs["regression"])
    target = metrics["targets"]["pk"]
    for metric, found in target["differences"].items():
        better = max if found["better"] == "higher" else min
        values = {part["model"]: part["values"][metric]["value"] for part in target["parts"]
                  if part["subset"] == "all" and part["model"] != "model"}  # fmt: skip
        known = {name: value for name, value in values.items() if value is not None}
        assert found["baseline"] == better(known, key=known.get)
        model = of_model(metrics, "pk", metric)
        assert found["value"] == pytest.approx(model - known[found["baseline"]])
        assert found["low"] <= found["value"] <= found["high"]
    assert {"rmse", "spearman"} <= set(target["differences"])


@pytest.mark.parametrize("kind", ["binary", "regression"])
def test_the_headline_has_the_difference_to_every_baseline(runs, kind):
    from zoo.metrics.verdict import headlines

    (name,) = (target.name for target in TARGETS[kind])
    found = evaluated(runs[kind])[0]["targets"][name]
    for metric in headlines(TARGETS[kind][0].kind, found["differences"]):
        best = found["differences"][metric]["baseline"]
        scores = {part["model"]: part["values"][metric]["value"] for part in found["parts"]
                  if part["subset"] == "all"}  # fmt: skip
        model = scores.pop("model")
        known = {one for one, value in scores.items() if value is not None}
        others = found["others"][metric]
        assert set(others) == known - {best} and others
        for one, moved in others.items():
            assert moved["value"] == pytest.approx(model - scores[one])
            assert moved["low"] <= moved["value"] <= moved["high"] and "p" not in moved


def test_the_best_baselines_can_be_compared_with_the_run(capsys, run):
    assert call(capsys, "evaluate", run, "--bootstrap", 10).code == 0
    found = json.loads((run / "metrics.json").read_text())["targets"]["site"]
    best = {moved["baseline"] for moved in found["differences"].values()}
    assert {path.name for path in (run / "baselines").iterdir()} == {f"site_{one}" for one in best}
    moved = found["differences"]["average_precision"]
    other = run / "baselines" / f"site_{moved['baseline']}"
    done = call(capsys, "compare", other, run, "--metric", "average_precision", "--json")
    _, ours = json.loads(done.out)[0]["metrics"]["average_precision"]["runs"]
    assert ours["difference"]["value"] == pytest.approx(moved["value"])


CONSTANT = ("majority", "prior")
RANKING = ("residue_propensity", "burial", "window", "boosted_trees")
"""Baselines whose scores are the same within a chain, and others."""


def test_a_baseline_that_ranks_nothing_is_not_the_best_by_an_area(runs):
    metrics, _ = evaluated(runs["binary"])
    area = {name: of_model(metrics, "site", "aucpr_weighted", model=name)
            for name in (*CONSTANT, *RANKING)}  # fmt: skip
    assert area["majority"] == area["prior"] > 0.5
    found = metrics["targets"]["site"]["differences"]["aucpr_weighted"]
    assert found["baseline"] in RANKING


def test_stored_states_take_the_place_of_the_language_model(tmp_path, seq, data):
    folder = train(tmp_path / "run", seq, data["regression"], "regression", write_back="side")
    live = evaluated(folder)[1][0].y_pred
    model, read = load_model(folder / "fNones0"), []

    def hidden(proteins, batch):
        read.extend(proteins)
        return model.tap(batch)

    np.testing.assert_allclose(evaluated(folder, hidden=hidden)[1][0].y_pred, live)
    assert len(read) == 18


# ----------------------------------------------------------------------------- what was not seen


def test_over_folds_every_sample_is_predicted_by_the_members_that_held_it_out(
    tmp_path, seq, folded
):
    folder = train(tmp_path / "run", seq, folded, "binary", seeds=2, folds=(0, 1, 2, 3, 4))
    metrics, (one,) = evaluated(folder)
    assert metrics["samples"] == 30
    assert set(one.split) == {"test"}
    with Store(folded / STORE) as store:
        for at, plan in enumerate(rounds(store.index())):
            for key in plan.test[:2]:
                found = [
                    expit(predict_logits(load_model(folder / f"f{at}s{seed}"),
                                         [store[key].protein], "cpu")[0][:, 0] / (2.0 + seed))
                    for seed in range(2)
                ]  # fmt: skip
                mine = one.y_pred[one.id == key]
                np.testing.assert_allclose(mine, np.mean(found, axis=0), rtol=1e-4, atol=1e-6)
    best = metrics["targets"]["site"]["differences"]["aucpr_weighted"]["baseline"]
    assert best in RANKING  # the prior differs by fold, and ranks nothing
    assert metrics["targets"]["site"]["threshold"] is None
    assert "mcc" not in metrics["targets"]["site"]["parts"][0]["values"]
    with pytest.raises(ConfigError, match="test with 30 samples"):
        evaluated(folder, settings=dataclasses.replace(QUICK, split="validation"))


def test_folds_that_were_not_trained_are_left_out_of_the_baselines_too(tmp_path, seq, folded):
    metrics, (one,) = evaluated(train(tmp_path / "run", seq, folded, "binary", folds=(1, 3)))
    assert set(one.subset) == {"fold2", "fold4"}
    assert metrics["samples"] == 12
    assert len({part["examples"] for part in metrics["targets"]["site"]["parts"]
                if part["subset"] == "all"}) == 1  # fmt: skip
    assert metrics["targets"]["site"]["differences"]


def test_a_model_that_saw_what_is_held_out_is_refused(run):
    path = run / "fNones0" / "splits.json"
    splits = json.loads(path.read_text())
    write_json(path, splits | {"train": [*splits["train"], "p03"]})
    with pytest.raises(DataError, match=r"trained on 1 sample .* 'p03'"):
        evaluated(run)


def test_all_held_out_samples_are_scored_also_after_training_on_few(run):
    splits = {"train": ["p00"], "validation": ["p02"], "test": ["p03"]}
    write_json(run / "fNones0" / "splits.json", splits)
    assert evaluated(run)[0]["samples"] == 12


def test_an_empty_split_names_those_that_there_are():
    with pytest.raises(ConfigError, match="train with 2 samples, test with 1 sample"):
        labelled([Round(train=["a", "b"], validation=[], test=["c"])], "validation")


# ------------------------------------------------------------------------------------- the data


def test_data_of_other_inputs_are_refused_unless_they_are_named(run, tmp_path):
    other = prepare(tmp_path / "other", some_samples((SITE,)), (SITE,), inputs="xyz")
    with pytest.raises(DataError, match=r"xyz.*abc"):
        evaluated(run, other)


def new_samples(name: str = "mine", split: str = "") -> tuple[list[Sample], tuple[Target, ...]]:
    """Return a user's samples, which no model was trained on, and their one target."""
    target = dataclasses.replace(SITE, name=name)
    found = [
        dataclasses.replace(
            one, id=f"new {one.id}", split=split and one.split, subset="",
            targets={name: one.targets["site"]},
        )
        for one in some_samples((SITE,))
    ]  # fmt: skip
    return found, (target,)


@pytest.mark.parametrize("split, scored", [("", 30), ("given", 12)])
def test_a_users_own_labels_are_scored(capsys, run, tmp_path, split, scored):
    samples, targets = new_samples(split=split)
    mine = prepare(tmp_path / "mine", samples, targets, inputs="xyz")
    done = call(capsys, "evaluate", run, "--data", mine, "--out", tmp_path / "o", "--json")
    assert done.code == 0, done.err
    metrics = json.loads(done.out)
    assert (metrics["samples"], metrics["inputs"]) == (scored, "xyz")
    assert metrics["sum"] == {"of": "samples", "in": scored, "done": scored, "left_out": 0,
                              "reasons": {}}  # fmt: skip
    assert metrics["new_data"] == {"targets": {"site": "mine"}, "named_as_in_training": 0}
    assert bool(metrics["targets"]["site"]["differences"]) == bool(split)  # baselines need train
    assert "the column mine" in done.err
    with (tmp_path / "o" / "predictions.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "test"]
    values = {one.id: one.targets["mine"] for one in samples}
    assert all(
        float(row["y_true"] or "nan") == pytest.approx(values[row["id"]][int(row["residue"])],
                                                       nan_ok=True) for row in rows
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["binary", "multiclass"])
def test_complexes_are_told_to_a_model_of_single_chains(capsys, seq, data, tmp_path, kind):
    run = train(tmp_path / "run", seq, data[kind], kind, values={"scope": "chain"})
    rng, (target,) = np.random.default_rng(0), TARGETS[kind]
    both = shelf.two_chains()
    mine = prepare(tmp_path / "mine", [
        Sample(name, protein, {target.name: truth(target, len(protein), rng)})
        for name, protein in (("pair", both), ("one", shelf.ordinary(12)), ("two", both))
    ], TARGETS[kind], inputs="xyz")  # fmt: skip
    told = {}
    for scope in ("", "complex"):
        more = ["--as", scope] if scope else []
        done = call(capsys, "evaluate", run, "--data", mine, "--out", tmp_path / f"o{scope}",
                    "--json", *more)  # fmt: skip
        assert done.code == 0, done.err
        metrics = json.loads(done.out)
        assert (metrics["complexes"], metrics["scope"]) == (2, scope or "chain")
        told[scope] = " ".join(done.err.split())
    assert "several chains" not in told["complex"]
    how = "each chain was taken alone" if kind == "binary" else "which it did not learn"
    assert how in told[""], told[""]


def test_new_data_need_a_folder_of_their_own(capsys, run, tmp_path):
    mine = prepare(tmp_path / "mine", *new_samples(), inputs="xyz")
    done = call(capsys, "evaluate", run, "--data", mine)
    assert done.code == 2 and "--out is missing" in done.err
    assert not (run / "metrics.json").exists()


def test_data_without_a_target_that_fits_are_refused(capsys, run, tmp_path):
    other = Target("gdt", "regression", "protein")
    samples = [dataclasses.replace(one, targets={"gdt": np.float32(0.5)}) for one in
               some_samples((SITE,))]  # fmt: skip
    mine = prepare(tmp_path / "mine", samples, (other,), inputs="xyz")
    done = call(capsys, "evaluate", run, "--data", mine, "--out", tmp_path / "o")
    assert done.code == 4
    assert "gdt (regression, one per protein)" in done.err and "'site'" in done.err


def test_ids_of_training_samples_are_told_in_a_table(capsys, run, tmp_path):
    samples = [dataclasses.replace(one, split="") for one in some_samples((SITE,))]
    mine = prepare(tmp_path / "mine", samples, (SITE,), inputs="xyz")
    refused = call(capsys, "evaluate", run, "--data", mine, "--out", tmp_path / "o")
    assert refused.code == 4 and "was trained on" in refused.err
    write_manifest(mine, json.loads((mine / "manifest.json").read_text()) | {"task": "table"})
    done = call(capsys, "evaluate", run, "--data", mine, "--out", tmp_path / "o")
    assert done.code == 0 and "have the ids of training samples" in done.err


def test_scores_are_not_written_among_predictions(capsys, run, tmp_path):
    (tmp_path / "journal.jsonl").write_text("")
    done = call(capsys, "evaluate", run, "--out", tmp_path)
    assert done.code == 2 and "zoo.predict" in done.err


def test_data_that_are_not_there_or_not_whole_are_told(capsys, run, tmp_path):
    write_manifest(tmp_path, {"inputs": "abc", "complete": False})
    for folder in (tmp_path, tmp_path / "nothing"):
        done = call(capsys, "evaluate", run, "--data", folder)
        assert done.code == 4
        assert "zoo.prepare" in done.err and "--data" in done.err


def test_the_same_data_in_another_place_do(run, data, tmp_path):
    moved = shutil.copytree(data["binary"], tmp_path / "moved")
    here, there = evaluated(run)[0], evaluated(run, moved)[0]
    assert here["targets"] == there["targets"]
    assert there["data"] == str(moved)


# ------------------------------------------------------------------------------------- the verb


def test_the_tables_fit_and_the_files_are_written(capsys, run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    done = call(capsys, "evaluate", run, "--bootstrap", 20)
    assert done.code == 0, done.err
    tables, _, written = done.out.rpartition("written:")
    assert max(map(len, tables.splitlines())) <= 80
    for word in ("site, test", "12 samples", "aucpr_weighted", "residue_propensity", "part1",
                 "calibration error", "chain_average_precision"):  # fmt: skip
        assert word in tables
    assert "metrics.json" in written
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["split_hash"] and metrics["inputs"] == "abc" and metrics["created"]
    assert metrics["config"]["structure"]["name"] == "gat"
    assert {"python", "zoo", "torch", "transformers", "numpy"} <= set(metrics["versions"])
    assert metrics["command"].endswith(f"zoo.evaluate {run} --bootstrap 20")
    assert metrics["bootstrap"] == {"n": 20, "seed": 0}
    assert metrics["random_plm"] is False


@pytest.mark.parametrize("kind", ["two", "multilabel"])
def test_json_is_what_is_written(capsys, runs, kind, tmp_path):
    run = shutil.copytree(runs[kind], tmp_path / "run")
    done = call(capsys, "evaluate", run, "--bootstrap", 5, "--json")
    assert json.loads(done.out) == json.loads((run / "metrics.json").read_text())
    found = read_predictions(run)
    assert set(found) == {target.name for target in TARGETS[kind]}


def test_differences_are_corrected_together_with_resamples_enough(runs):
    metrics, _ = evaluated(runs["two"], settings=Settings())
    moved = list(differences_in(metrics["targets"]))
    assert len(moved) > 7  # of every metric, target and subset
    assert [one["p_holm"] for one in moved] == pytest.approx(holm([one["p"] for one in moved]))
    fewest = min(one["resamples"] for one in moved)
    assert 2 / (fewest + 1) * len(moved) < ALPHA
    assert metrics["bootstrap"]["n"] == 1000  # of intervals


def test_another_split_has_files_of_its_own(capsys, run):
    done = call(capsys, "evaluate", run, "--bootstrap", 5, "--split", "train")
    assert done.code == 0, done.err
    assert "seen in training" in done.out
    metrics = json.loads((run / "metrics_train.json").read_text())
    assert {part["model"] for part in metrics["targets"]["site"]["parts"]} == {"model"}
    assert not (run / "metrics.json").exists()
    assert call(capsys, "evaluate", run, "--bootstrap", 5, "--split", "validation").code == 0
    found = read_predictions(run / "predictions_validation.csv")["site"]
    assert set(found.split) == {"validation"}


def test_runs_can_be_compared_after_it(capsys, run, tmp_path, seq, data):
    other = train(tmp_path / "other", seq, data["binary"], "binary", seeds=2)
    for folder in (run, other):
        assert call(capsys, "evaluate", folder, "--bootstrap", 5).code == 0
    done = call(capsys, "compare", run, other, "--bootstrap", 5, "--json")
    assert done.code == 0, done.err
    (found,) = json.loads(done.out)
    metrics = json.loads((run / "metrics.json").read_text())
    for metric in ("mcc", "aucpr_weighted"):
        value = found["metrics"][metric]["runs"][0]["value"]
        assert value == pytest.approx(of_model(metrics, "site", metric))


def test_parquet_holds_the_same_table(capsys, run):
    pytest.importorskip("pyarrow")
    for name in ("csv", "parquet"):
        done = call(capsys, "evaluate", run, "--bootstrap", 5, "--format", name)
        assert done.code == 0, done.err
    table = pd.read_parquet(run / "predictions.parquet")
    again = pd.read_csv(run / "predictions.csv", keep_default_na=False, na_values={"y_true": [""]})
    assert list(table) == list(again)
    assert table["id"].tolist() == again["id"].tolist()
    np.testing.assert_array_equal(table["y_pred"], again["y_pred"])
    np.testing.assert_array_equal(table["y_true"], again["y_true"])
    assert {path.name for path in run.iterdir()} == {
        FACTS, "fNones0", "baselines", "metrics.json", "predictions.csv", "predictions.parquet"
    }  # fmt: skip


def test_what_cannot_be_is_told_before_anything_is_computed(capsys, run, monkeypatch):
    assert "Did you mean 'test'" in call(capsys, "evaluate", run, "--split", "tset").err
    assert "csv, parquet" in call(capsys, "evaluate", run, "--format", "json").err
    there = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "pyarrow" else there(name)
    )
    done = call(capsys, "evaluate", run, "--format", "parquet")
    assert done.code == 2 and "pip install pyarrow" in done.err
    assert call(capsys, "evaluate", run.parent).code == 5


def test_a_random_language_model_is_told(capsys, tmp_path, data):
    bare = shelf.save_plm("esm", tmp_path / "plm", weights=False)
    folder = train(tmp_path / "run", bare, data["regression"], "regression", weights="random")
    done = call(capsys, "evaluate", folder, "--bootstrap", 5)
    assert done.err.count("RANDOM WEIGHTS") == 1
    assert json.loads((folder / "metrics.json").read_text())["random_plm"] is True


def test_every_subset_has_its_paired_difference(tmp_path, seq, data):
    """The headline metric on a subset alone, the model less the best baseline of all."""
    folder = train(tmp_path / "run", seq, data["binary"], "binary")
    metrics, _ = evaluated(folder)
    ((name, found),) = metrics["targets"].items()
    best = found["differences"]["average_precision"]["baseline"]
    assert set(found["subsets"]) == {"part0", "part1"}
    for subset, moved in found["subsets"].items():
        mine, theirs = (
            of_model(metrics, name, "average_precision", subset, model) for model in ("model", best)
        )
        change = moved["average_precision"]
        assert change["value"] == pytest.approx(mine - theirs)
        assert change["low"] <= change["value"] <= change["high"]
