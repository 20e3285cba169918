"""`zoo report`: one page, whole, of what zoo.evaluate found."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import browser, shelf
from tests.metrics.samples import predictions, sample
from tests.test_evaluate import TARGETS, prepare, some_samples, train
from tests.verbs import call
from zoo.errors import ConfigError
from zoo.evaluate import evaluate
from zoo.explanation.colours import SCORES
from zoo.metrics.columns import rows_of
from zoo.metrics.predictions import Predictions
from zoo.metrics.suite import POOLED
from zoo.metrics.verdict import MODEL
from zoo.models.runs import read_run
from zoo.prediction.score_files import read_baselines
from zoo.reporting import comparisons, drawing, viewer
from zoo.reporting.proteins import by_identity, by_length, chosen, nearest_identity, score_each
from zoo.reporting.scales import Scale
from zoo.reporting.score_tables import cell, part
from zoo.reporting.sections import standing

Capture = pytest.CaptureFixture[str]
Runs = dict[str, Path]
KINDS = ("binary", "regression", "multiclass", "multilabel")
PAGES = (*KINDS, "two")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """A run of every kind of target, with its scores."""
    root, found = tmp_path_factory.mktemp("runs"), {}
    plm = shelf.save_plm("esm", root / "plm")
    for kind in PAGES:
        data = prepare(root / f"{kind}_data", some_samples(TARGETS[kind]), TARGETS[kind])
        found[kind] = train(root / kind, plm, data, kind)
        evaluate(found[kind], bootstrap=10)
    return found


def verdict_of(run: Path, target: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "metrics.json").read_text())["targets"][target]
    return found


def held_out(run: Path, target: str) -> dict[str, Predictions]:
    """Return the test predictions of the model and of its best baselines."""
    from zoo.metrics.predictions import read_predictions

    names = comparisons.best_of(verdict_of(run, target))
    every = {MODEL: read_predictions(run)[target], **read_baselines(run, target, names)}
    return {name: one.take(one.split == "test") for name, one in every.items()}


def scales(page: str) -> dict[str, dict[str, object]]:
    (found,) = re.findall(r'<script type="application/json" id="proteins">(.*?)</script>', page)
    each: dict[str, dict[str, object]] = json.loads(found)["scales"]
    return each


def drawn(page: str) -> dict[str, dict[str, object]]:
    (found,) = re.findall(r'<script type="application/json" id="proteins">(.*?)</script>', page)
    return {one["name"]: one for one in json.loads(found)["proteins"]}


@pytest.mark.parametrize("kind", PAGES)
def test_a_page_of_every_kind_of_target(
    capsys: Capture, runs: Runs, tmp_path: Path, kind: str
) -> None:
    run, page = runs[kind], tmp_path / "page.html"
    assert call(capsys, "report", run, "--out", page).code == 0
    text = page.read_text()
    assert "Worst cases" in text
    for one in TARGETS[kind]:
        assert re.search(rf"<b>{one.name}: the model is .* its best baseline\.", text)
    for one in TARGETS[kind]:
        assert f"{one.name}: by identity" in text if kind == "two" else "By identity" in text
    assert ("Calibration" in text) == (kind != "regression")
    assert not re.search(r'(src|href)="http', text)  # nothing is fetched
    (target, *_) = TARGETS[kind]
    for one in drawn(text).values():
        names = {"prediction", "label"} if target.level == "residue" else set()
        gates = {name for name in one["values"] if name.startswith("gate_")}
        assert gates and set(one["values"]) - gates == names
        length = sum(len(sequence) for _, sequence, _, _ in one["chains"])
        assert {len(column) for column in one["values"].values()} == {length}


def test_the_colours_are_the_predictions(capsys: Capture, runs: Runs, tmp_path: Path) -> None:
    from zoo.metrics.predictions import read_predictions

    run, page = runs["binary"], tmp_path / "page.html"
    assert call(capsys, "report", run, "--protein", "p03", "--out", page).code == 0
    (found,) = drawn(page.read_text()).values()
    rows = read_predictions(run)["site"]
    rows = rows.take(rows.id == "p03")
    assert found["values"]["prediction"] == pytest.approx(rows.y_pred, abs=1e-4)
    labels = [np.nan if x is None else x for x in found["values"]["label"]]
    assert labels == pytest.approx(rows.y_true, nan_ok=True)


def test_equal_colours_are_equal_values_of_prediction_and_label(
    capsys: Capture, runs: Runs, tmp_path: Path
) -> None:
    page, other = tmp_path / "page.html", tmp_path / "scores"
    shutil.copytree(runs["binary"], other)
    metrics = json.loads((other / "metrics.json").read_text())
    metrics["targets"]["site"]["threshold"] = 0.2  # rare: the colours end at three times that
    (other / "metrics.json").write_text(json.dumps(metrics))
    assert call(capsys, "report", other, "--out", page).code == 0
    found = scales(page.read_text())
    assert list(found)[:2] == ["prediction", "label"]
    said, true = found["prediction"], found["label"]
    for name in ("low", "high", "colours", "ends"):
        assert said[name] == true[name]
    assert said["high"] == pytest.approx(0.6)
    assert said["threshold"] == 0.2 and true["threshold"] is None


def test_the_area_under_a_curve_is_the_score_in_its_legend(runs: Runs) -> None:
    found = verdict_of(runs["binary"], "site")
    rows = {name: rows_of(one) for name, one in held_out(runs["binary"], "site").items()}
    lines = comparisons.curves_of(found, rows)
    for metric, area in (("roc_auc", lambda x, y: np.trapezoid(y, x)),
                         ("average_precision", lambda x, y: np.diff(x) @ y[1:])):  # fmt: skip
        best = found["differences"][metric]["baseline"]
        for name, (legend, (x, y)) in zip((MODEL, best), lines[metric].items(), strict=True):
            value = part(found, name, POOLED)["values"][metric]
            assert legend == f"{name} {cell(value)}"
            assert area(x, y) == pytest.approx(value["value"], abs=1e-6)
    figure = drawing.precision_recall(lines["average_precision"], 0.25)
    told = [text.get_text() for text in figure.legends[0].get_texts()]
    assert told == [*lines["average_precision"], "chance 0.250"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_forest_has_the_points_of_the_table(
    runs: Runs, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, draw, drawn = TARGETS[kind][0].name, drawing.forest, []

    def keep(what: str, rows: Any, higher: bool) -> Any:
        drawn.append((what, rows, draw(what, rows, higher)))
        return drawn[-1][-1]

    monkeypatch.setattr(drawing, "forest", keep)
    found = verdict_of(runs[kind], target)
    text = comparisons.every_baseline(target, found)
    assert drawn and text.count("<img") == len(drawn)
    for metric, rows, figure in drawn:
        best = found["differences"][metric]["baseline"]
        scored = {one["model"] for one in found["parts"]
                  if one["values"].get(metric, {}).get("value") is not None}  # fmt: skip
        assert set(rows) == scored - {MODEL} and next(iter(rows)) == best
        (axes,) = figure.axes
        points = [line for line in axes.lines if line.get_marker() == "o"]
        ends = [line for line in axes.lines if line.get_linestyle() == "-"]
        for (name, moved), point, line in zip(rows.items(), points, ends, strict=True):
            value, low, high = moved
            assert point.get_xdata() == [value] and list(line.get_xdata()) == [low, high]
            assert (point.get_markerfacecolor() == "white") == (low <= 0 <= high)
            shown = cell({"value": value, "low": low, "high": high}, "+")
            (row,) = re.findall(rf"<tr><td class=n>{name}</td>.*?</tr>", text)
            assert shown in row and cell(part(found, name, POOLED)["values"][metric]) in row


def test_scores_of_an_older_version_still_have_a_page(
    capsys: Capture, runs: Runs, tmp_path: Path
) -> None:
    for kind in ("binary", "regression"):
        run = shutil.copytree(runs[kind], tmp_path / kind)
        shutil.rmtree(run / "baselines")
        metrics = json.loads((run / "metrics.json").read_text())
        for found in metrics["targets"].values():
            del found["others"]
        (run / "metrics.json").write_text(json.dumps(metrics))
        assert call(capsys, "report", run).code == 0
        assert "an older version wrote these scores" in (run / "report.html").read_text()


def test_points_are_what_was_predicted_beside_baselines_with_a_scale(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    everyone, shown = held_out(runs["regression"], "pk"), {}
    draw = drawing.against_truth

    def keep(name: str, told: str, points: Any, *rest: Any) -> Any:
        shown[name] = told, points
        return draw(name, told, points, *rest)

    monkeypatch.setattr(drawing, "against_truth", keep)
    found = verdict_of(runs["regression"], "pk")
    own = everyone.pop(MODEL)
    assert comparisons.pictured("pk", found, own, everyone).count("<img") == len(shown)
    assert next(iter(shown)) == MODEL and 2 <= len(shown) <= 3
    most = part(found, "mean", POOLED)["values"]["rmse"]["value"]
    for name, (told, (true, said)) in shown.items():
        value = part(found, name, POOLED)["values"]["rmse"]
        assert told == f"rmse {cell(value)}" and (name == MODEL or value["value"] <= most)
        one = rows_of({MODEL: own, **everyone}[name])
        np.testing.assert_array_equal(true, one["y_true"])
        np.testing.assert_array_equal(said, one["y_pred"])


def test_of_many_points_some_are_drawn_and_that_is_told(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparisons, "MOST", 4)
    everyone, found = held_out(runs["regression"], "pk"), verdict_of(runs["regression"], "pk")
    held = everyone.pop(MODEL)
    assert f"4 of {len(held)} points are drawn" in comparisons.pictured("pk", found, held, everyone)


def test_a_training_has_no_empty_plot_and_whole_epochs() -> None:
    rows = [{"epoch": at, "train_loss": 1.0, "val_loss": 1.0, "val_score": np.nan} for at in (1, 2)]
    (losses,) = drawing.curves({"a": rows})
    assert [*losses.axes[0].lines[0].get_xdata()] == [row["epoch"] + 1 for row in rows]
    both = drawing.curves({"a": rows, "b": [{**row, "val_score": 0.5} for row in rows]})
    assert len(both) == 2
    for figure in (losses, *both):
        (axes,) = figure.axes
        assert axes.lines and all(tick == int(tick) for tick in axes.get_xticks())


def test_another_run_stands_beside_it(capsys: Capture, runs: Runs, tmp_path: Path) -> None:
    run, other = runs["binary"], tmp_path / "shuffled"
    other.mkdir()
    head, *rows = (run / "predictions.csv").read_text().splitlines()
    at = head.split(",").index("y_pred")
    cells = [row.split(",") for row in rows]
    for row, value in zip(cells, [row[at] for row in cells][::-1], strict=True):
        row[at] = value
    (other / "predictions.csv").write_text("\n".join([head, *map(",".join, cells)]))
    page = tmp_path / "page.html"
    assert call(capsys, "report", run, "--beside", other, "--out", page).code == 0
    _, _, section = page.read_text().partition("compared with other runs")
    _, mine, theirs = section.split("<tr>")[1:4]
    assert "binary" in mine and "shuffled" in theirs
    assert re.search(r"[+-]0\.\d+ \(", theirs) and not re.search(r"[+-]0\.\d+ \(", mine)


@pytest.mark.parametrize("name", ["metrics.json", "predictions.csv"])
def test_without_scores_it_says_what_to_run(
    capsys: Capture, runs: Runs, tmp_path: Path, name: str
) -> None:
    shutil.copy(runs["binary"] / name, tmp_path)  # the other one is missing
    found = call(capsys, "report", runs["binary"], "--scores", tmp_path)
    assert found.code == ConfigError.exit_code and "zoo.evaluate" in found.err


def test_a_shipped_model_needs_scores_of_its_own(capsys: Capture) -> None:
    found = call(capsys, "report", "ppbs")
    assert found.code == ConfigError.exit_code and "--scores is missing" in found.err


def test_an_unknown_protein_is_named(capsys: Capture, runs: Runs, tmp_path: Path) -> None:
    found = call(capsys, "report", runs["binary"], "--protein", "p99x", "--out", tmp_path / "x")
    assert not (tmp_path / "x").exists()
    assert found.code == ConfigError.exit_code and "p99x" in found.err


def test_names_from_files_cannot_end_an_element() -> None:
    name = "</script><b>"
    one = sample("<script>alert(1)</script>", {})
    found = viewer.describe(one.protein, {name: np.zeros(8)}, name, [name])
    text = viewer.section([found], {name: Scale(0, 1, SCORES)}, [name])
    data = re.search(r'id="proteins">(.*?)</script>', text).group(1)
    assert "<" not in data and json.loads(data)["proteins"][0]["name"] == name


@pytest.mark.parametrize(
    ("value", "better", "p", "said"),
    [
        (0.1, "higher", 0.01, "better than"), (-0.1, "higher", 0.01, "worse than"),
        (-0.1, "lower", 0.01, "better than"), (0.1, "lower", 0.01, "worse than"),
        (0.1, "higher", 0.06, "not clearly different from"),
        (0.1, "higher", None, "not clearly different from"),
    ],
)  # fmt: skip
def test_a_sentence_says_how_the_model_stands(
    value: float, better: str, p: float | None, said: str
) -> None:
    assert standing({"value": value, "better": better, "p_holm": p}) == said


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


def test_kin_of_the_training_data_are_found(runs: Runs) -> None:
    found = read_run(runs["regression"])
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
    assert all(one.mean.low <= one.mean.value <= one.mean.high for one in bins)
    identity = dict(zip(each.values, np.linspace(0, 1, len(each.values)), strict=True))
    assert sum(one.proteins for one in by_identity(each, identity)) == len(each.values)


def test_best_middle_and_worst_are_drawn() -> None:
    each = score_each(predictions("regression", n=40))
    keys, ids = chosen(each, []), list(each.values)
    assert keys[:2] == ids[:2] and keys[-2:] == ids[-2:] and len(set(keys)) == 6
    assert chosen(each, ["x"]) == ["x"]


POINT = """
const over = (element) => element.dispatchEvent(new Event("pointerover", {bubbles: true}));
over(document.querySelectorAll("#strip .r")[4]);
document.body.append(Object.assign(document.createElement("p"),
  {id: "seen", textContent: document.getElementById("told").textContent}));
document.querySelectorAll("#rows button")[1].click();
"""


@browser.needed
def test_a_browser_shows_the_residue_that_is_pointed_at(
    capsys: Capture, runs: Runs, tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    assert call(capsys, "report", runs["binary"], "--out", page).code == 0
    first, second, *_ = drawn(page.read_text()).values()
    shown = browser.after(page.read_text(), POINT, tmp_path)
    seen = re.search(r'<p id="seen">(.*?)</p>', shown).group(1)
    (chain, sequence, numbers, _), *_ = first["chains"]
    assert seen.startswith(f"{chain}:{numbers.split(',')[4]} {sequence[4]}")
    assert f"prediction {first['values']['prediction'][4]:.3f}"[:-2] in seen
    letters = re.findall(r'role="option"[^>]*>(.)</span>', shown)
    assert "".join(letters) == "".join(chain[1] for chain in second["chains"])
