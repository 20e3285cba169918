"""`zoo report`: one page, whole, of what zoo.evaluate found."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests import shelf
from tests.metrics.samples import predictions, sample
from tests.test_evaluate import TARGETS, prepare, some_samples, train
from tests.verbs import call
from zoo.errors import ConfigError
from zoo.metrics.predictions import Predictions
from zoo.reporting import viewer
from zoo.reporting.proteins import by_identity, by_length, chosen, nearest_identity, score_each
from zoo.runs import read_run

Capture = pytest.CaptureFixture[str]
KINDS = ("binary", "regression", "multiclass", "multilabel")
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


def evaluated(capsys: Capture, tmp_path: Path, kind: str) -> Path:
    """Return a run with its scores."""
    data = prepare(tmp_path / "data", some_samples(TARGETS[kind]), TARGETS[kind])
    run = train(tmp_path / "run", shelf.save_plm("esm", tmp_path / "plm"), data, kind)
    assert call(capsys, "evaluate", run, "--bootstrap", 10).code == 0
    return run


def drawn(page: str) -> dict[str, dict[str, object]]:
    (found,) = re.findall(r'<script type="application/json" id="proteins">(.*?)</script>', page)
    return json.loads(found)


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_of_every_kind_of_target(capsys: Capture, tmp_path: Path, kind: str) -> None:
    run = evaluated(capsys, tmp_path, kind)
    assert call(capsys, "report", run).code == 0
    page = (run / "report.html").read_text()
    assert "<img" in page or kind == "regression"
    assert "Worst cases" in page and "By kinship" in page
    assert not re.search(r'(src|href)="http', page)  # nothing is fetched
    (target, *_) = TARGETS[kind]
    for one in drawn(page).values():
        names = {"prediction", "label"} if target.level == "residue" else set()
        gates = {name for name in one["columns"] if name.startswith("gate_")}
        assert gates and set(one["columns"]) - gates == names
        assert {len(column) for column in one["columns"].values()} == {len(one["sequence"])}


def test_the_colours_are_the_predictions(capsys: Capture, tmp_path: Path) -> None:
    from zoo.metrics.predictions import read_predictions

    run = evaluated(capsys, tmp_path, "binary")
    assert call(capsys, "report", run, "--protein", "p03").code == 0
    (found,) = drawn((run / "report.html").read_text()).values()
    rows = read_predictions(run)["site"]
    rows = rows.take(rows.id == "p03")
    assert found["columns"]["prediction"] == pytest.approx(rows.y_pred, abs=1e-4)
    labels = [np.nan if x is None else x for x in found["columns"]["label"]]
    assert labels == pytest.approx(rows.y_true, nan_ok=True)


@pytest.mark.parametrize("name", ["metrics.json", "predictions.csv"])
def test_without_scores_it_says_what_to_run(capsys: Capture, tmp_path: Path, name: str) -> None:
    run = evaluated(capsys, tmp_path, "binary")
    (run / name).unlink()
    found = call(capsys, "report", run)
    assert found.code == ConfigError.exit_code and "zoo.evaluate" in found.err


def test_a_shipped_model_needs_scores_of_its_own(capsys: Capture) -> None:
    found = call(capsys, "report", "ppbs")
    assert found.code == ConfigError.exit_code and "--scores is missing" in found.err


def test_an_unknown_protein_is_named(capsys: Capture, tmp_path: Path) -> None:
    run = evaluated(capsys, tmp_path, "binary")
    found = call(capsys, "report", run, "--protein", "p99x")
    assert found.code == ConfigError.exit_code and "p99x" in found.err


def test_names_from_files_cannot_end_an_element() -> None:
    one = sample("<script>alert(1)</script>", {})
    found = viewer.describe(one.protein, "</script><b>", {"x": np.zeros(8)})
    text = viewer.section({"</script>": found})
    data = re.search(r'id="proteins">(.*?)</script>', text).group(1)
    assert "<" not in data and json.loads(data)["</script>"]["title"] == "</script><b>"


@pytest.mark.parametrize("kind", KINDS)
def test_better_predictions_score_better_in_each_protein(kind: str) -> None:
    outputs = {"multiclass": 3, "multilabel": 4}.get(kind, 1)
    level = "residue" if kind == "binary" else "protein"
    good, bad = (
        score_each(_likely(predictions(kind, level, outputs=outputs, noise=noise, per=12)))
        for noise in (0.01, 5.0)
    )
    means = [np.mean(list(one.values.values())) for one in (good, bad)]
    assert means[0] > means[1] if good.higher else means[0] < means[1]
    ordered = list(good.values.values())
    assert ordered == sorted(ordered, reverse=good.higher)


def _likely(one: Predictions) -> Predictions:
    """Return scores as probabilities, where they are no values."""
    if one.target.kind != "regression":
        from scipy.special import expit, softmax

        p = softmax(one.y_pred, 1) if one.target.kind == "multiclass" else expit(one.y_pred)
        one.y_pred[:] = p
    return one


def test_kin_of_the_training_data_are_found(capsys: Capture, tmp_path: Path) -> None:
    run = evaluated(capsys, tmp_path, "regression")
    found = read_run(run)
    splits = found.members[0].splits()
    test, train_key = splits["test"][0], splits["train"][0]
    rng = np.random.default_rng(0)
    one, other = ("".join(rng.choice(list("ACDEFGHIKLMNPQRSTVWY"), 80)) for _ in range(2))
    same = nearest_identity(found, {test: (one,), train_key: (one,)}, [test])
    assert same == {test: 1.0}
    half = one[:60] + other[60:]
    assert nearest_identity(found, {test: (half,), train_key: (one,)}, [test])[test] > 0.7
    assert nearest_identity(found, {test: (other,), train_key: (one,)}, [test]) == {test: 0.0}


def test_each_protein_is_in_one_bin() -> None:
    each = score_each(predictions("regression", n=40))
    lengths = {key: ("A" * (20 + 15 * at),) for at, key in enumerate(each.values)}
    bins = by_length(each, lengths)
    assert sum(one.proteins for one in bins) == len(each.values)
    assert all(one.low <= one.mean <= one.high for one in bins)
    identity = dict(zip(each.values, np.linspace(0, 1, len(each.values)), strict=True))
    assert sum(one.proteins for one in by_identity(each, identity)) == len(each.values)


def test_best_middle_and_worst_are_drawn() -> None:
    each = score_each(predictions("regression", n=40))
    keys, ids = chosen(each, []), list(each.values)
    assert keys[:2] == ids[:2] and keys[-2:] == ids[-2:] and len(set(keys)) == 6
    assert chosen(each, ["x"]) == ["x"]


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium")
def test_a_browser_runs_the_page(capsys: Capture, tmp_path: Path) -> None:
    run = evaluated(capsys, tmp_path, "binary")
    assert call(capsys, "report", run).code == 0
    found = subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
         "--no-first-run", "--disable-background-networking", "--disable-component-update",
         "--disable-sync", f"--user-data-dir={tmp_path / 'browser'}", "--dump-dom",
         "--virtual-time-budget=5000", (run / "report.html").as_uri()],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    strip = re.search(r'<div id="strip">(.*?)</div>', found.stdout).group(1)
    first = next(iter(drawn(found.stdout).values()))
    assert strip.count("<span") == len(first["sequence"])
    assert "Point at a residue." in found.stdout
