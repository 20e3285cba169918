"""`zoo predict`: the rows are what the models say, nothing is done twice, nothing is lost."""

from __future__ import annotations

import csv
import dataclasses
import errno
import json
import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from tests import shelf
from tests.verbs import call
from zoo.models import headroom
from zoo.models.checkpoint import CONFIG, WEIGHTS, load_model, save_model
from zoo.models.model import FusedModel
from zoo.models.outputs import activate
from zoo.models.runs import CALIBRATION, FACTS, write_shared
from zoo.models.thresholds import write_thresholds
from zoo.prediction import inputs
from zoo.prediction.ensemble import Ensemble, load_ensemble
from zoo.prediction.folder import FORMER_JOURNAL, JOURNAL, write_failed
from zoo.prediction.table import rows
from zoo.proteins import scored
from zoo.proteins.files.scores import write_scored
from zoo.proteins.structure import read_structure
from zoo.system import files
from zoo.system.locks import claimed
from zoo.system.memory import check_fits
from zoo.system.reading import stamp
from zoo.tasks import Target

TARGETS = {
    "binary": Target("site", "binary", "residue"),
    "regression": Target("gdt", "regression", "protein"),
    "multiclass": Target("class", "multiclass", "protein", 4, ("a", "b", "", "d")),
    "multilabel": Target("ec", "multilabel", "protein", 5, ("1.1", "1.2", "2.1", "3.4", "4.9")),
}
TASK = {"binary": "ppbs", "regression": "mqa", "multiclass": "react", "multilabel": "ec"}
ALL_FIVE = {"of": "proteins", "in": 5, "done": 5, "left_out": 0, "reasons": {}}
#: What `zoo predict` leaves in its folder.
FILES = ["journal.jsonl", "predictions.csv"]
FASTA = ">p1\nMKTAYIAKQR\n>p2\nACDEFGHIKLMNPQRSTVWY\n"
#: Names that sort otherwise than lengths do.
SIZES = {"a": 9, "b": 30, "c": 4, "d": 18, "e": 25}


def saved(
    folder: Path, kind: str, plm: str, *, seed: int = 0, targets=None, values=None, **given
) -> Path:
    """Write a small model with a head that is not shy, and its calibration."""
    targets = targets or [TARGETS[kind]]
    asked = [dataclasses.asdict(t) | {"classes": list(t.classes)} for t in targets]
    values = {"targets": asked, **(values or {})}
    model = shelf.small_model(plm, task=TASK[kind], values=values, seed=seed, **given)
    with torch.no_grad():
        model.head.units.scale.fill_(3.0)
    return save_model(model, folder)


def run_folder(folder: Path, kind: str, plm: str, seeds=(0,), temperatures=(), **given) -> Path:
    """Write what `zoo train` leaves, of one member in the folder or of several below it."""
    members = []
    for seed, temperature in zip(seeds, temperatures or [1.0] * len(seeds), strict=True):
        name = "." if len(seeds) == 1 else f"seed_{seed}"
        saved(folder / name, kind, plm, seed=seed, **given)
        facts = {TARGETS[kind].name: {"temperature": temperature}}
        (folder / name / CALIBRATION).write_text(json.dumps(facts))
        members.append({"folder": name, "name": f"seed {seed}", "fold": None, "seed": seed})
    target = dataclasses.asdict(TARGETS[kind])
    facts = {"task": TASK[kind], "data": "/none", "targets": [target], "members": members}
    (folder / FACTS).write_text(json.dumps(facts))
    return folder


@pytest.fixture(scope="session")
def runs(tmp_path_factory, plm_folders):
    """A run of every kind of target, and an ensemble of three for residues."""
    root = tmp_path_factory.mktemp("runs")
    found = {kind: run_folder(root / kind, kind, plm_folders["esm"]) for kind in TARGETS}
    found["ensemble"] = run_folder(
        root / "ensemble", "binary", plm_folders["esm"], (0, 1, 2), (0.7, 1.0, 2.5)
    )
    return found


@pytest.fixture
def structures(tmp_path):
    """Structure files of five lengths."""
    folder = tmp_path / "structures"
    folder.mkdir()
    for seed, (name, length) in enumerate(SIZES.items()):
        made = shelf.ordinary(length, seed)
        write_scored(folder / f"{name}.{'pdb' if seed % 2 else 'cif'}", made, np.zeros(length))
    return folder


def table(out: Path) -> list[dict[str, str]]:
    with open(out / "predictions.csv", newline="") as file:
        return list(csv.DictReader(file))


def lines(out: Path, suffix: str) -> list[dict[str, object]]:
    """Return the rows of predictions.csv with scores as numbers, or those of predictions.jsonl."""
    if suffix == "jsonl":
        return [json.loads(line) for line in (out / "predictions.jsonl").read_text().splitlines()]
    return [row | {"site": float(row["site"])} for row in table(out)]


def column(out: Path, name: str, of: str | None = None) -> list[float]:
    rows = [row for row in table(out) if of is None or row["id"] == of]
    return [float(row[name] or "nan") for row in rows]


def alone(folder: Path, kind: str, path: Path, temperature: float = 1.0):
    """Return what one model says of one file, computed here."""
    model = load_model(folder)
    with torch.no_grad():
        logits = model(model.batch([read_structure(path)])).double().numpy()
    values = activate(TARGETS[kind], logits, temperature)
    return values if kind == "binary" else values[0]


# ------------------------------------------------------------------------------------- the rows


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_yes_and_no_are_at_the_threshold_that_validation_chose(
    capsys, tmp_path, structures, runs, suffix
):
    out, run = tmp_path / "o", tmp_path / "run"
    shutil.copytree(runs["binary"], run)
    given = ("predict", structures / "e.cif", "--model", run, "--out", out, "--format", suffix)
    assert call(capsys, *given).code == 0
    middle = float(np.median([row["site"] for row in lines(out, suffix)]))
    write_thresholds(run, {"site": {"threshold": middle}})
    assert call(capsys, *given).code == 0  # the same folder: nothing is predicted again
    rows = lines(out, suffix)
    assert list(rows[0])[-2:] == ["site", "site_call"]
    assert {row["site_call"] for row in rows} == {"yes", "no"}
    assert all((row["site_call"] == "yes") == (float(row["site"]) >= middle) for row in rows)


def test_a_residue_without_coordinates_is_neither_yes_nor_no():
    target, result = TARGETS["binary"], {
        "chains": [["A", "MKT", ["", "2", "3"]]], "mean": {"site": [None, 0.2, 0.7]}, "std": {},
    }  # fmt: skip
    found = [row.get("site_call") for row in rows("p", result, [target], {"site": 0.2})]
    assert found == [None, "yes", "yes"]


def test_a_row_a_residue_equals_single_predictions_in_the_order_of_the_inputs(
    capsys, tmp_path, structures, runs, monkeypatch
):
    monkeypatch.setattr(inputs, "WINDOW", 3)
    done = call(capsys, "predict", structures, "--model", runs["binary"], "--out", tmp_path / "o")
    assert done.code == 0, done.err
    rows = table(tmp_path / "o")
    assert list(rows[0]) == ["id", "chain", "position", "number", "letter", "site"]
    assert [row["id"] for row in rows] == [name for name, n in SIZES.items() for _ in range(n)]
    for path in structures.iterdir():
        chain = read_structure(path).chains[0]
        mine = [row for row in rows if row["id"] == path.stem]
        assert "".join(row["letter"] for row in mine) == chain.sequence
        assert tuple(row["number"] for row in mine) == chain.numbers
        expected = alone(runs["binary"], "binary", path)
        np.testing.assert_allclose(
            column(tmp_path / "o", "site", path.stem), expected, rtol=1e-4, atol=1e-5
        )
    assert sorted(path.name for path in (tmp_path / "o").iterdir()) == FILES
    assert not (tmp_path / "o" / "failed.csv").exists()


def test_a_regression_is_a_value_a_protein(capsys, tmp_path, structures, runs):
    done = call(
        capsys, "predict", structures, "--model", runs["regression"], "--out", tmp_path / "o"
    )
    assert done.code == 0, done.err
    assert [row["id"] for row in table(tmp_path / "o")] == list(SIZES)
    for path in structures.iterdir():
        expected = alone(runs["regression"], "regression", path)
        assert column(tmp_path / "o", "gdt", path.stem) == [pytest.approx(expected, rel=1e-4)]


def test_of_many_classes_the_likeliest_is_told_with_its_probability(
    capsys, tmp_path, structures, runs
):
    names = ("a", "b", "2", "d")  # one class has no name
    for form in ("csv", "jsonl"):
        done = call(capsys, "predict", structures, "--model", runs["multiclass"], "--out",
                    tmp_path / "o", "--format", form)  # fmt: skip
        assert done.code == 0, done.err
    text = (tmp_path / "o" / "predictions.jsonl").read_text()
    full = {row["id"]: row for row in map(json.loads, text.splitlines())}
    for row in table(tmp_path / "o"):
        expected = alone(runs["multiclass"], "multiclass", next(structures.glob(row["id"] + ".*")))
        assert row["class"] == full[row["id"]]["class"] == names[expected.argmax()]
        assert float(row["class_probability"]) == pytest.approx(expected.max(), rel=1e-4)
        every = full[row["id"]]["class_probabilities"]
        assert every == {n: pytest.approx(p, abs=1e-5) for n, p in zip(names, expected)}  # noqa: B905
    assert "class_std" not in row


def test_of_labels_those_above_one_half_are_told(capsys, tmp_path, structures, runs):
    names = TARGETS["multilabel"].classes
    for form in ("csv", "jsonl"):
        done = call(capsys, "predict", structures, "--model", runs["multilabel"], "--out",
                    tmp_path / "o", "--format", form)  # fmt: skip
        assert done.code == 0, done.err
    text = (tmp_path / "o" / "predictions.jsonl").read_text()
    full = {row["id"]: row for row in map(json.loads, text.splitlines())}
    for row in table(tmp_path / "o"):
        expected = alone(runs["multilabel"], "multilabel", next(structures.glob(row["id"] + ".*")))
        likely = [at for at in range(5) if expected[at] > 0.5]
        assert row["ec"] == ";".join(names[at] for at in likely)
        shown = [float(p) for p in row["ec_probability"].split(";") if p]
        assert shown == [pytest.approx(expected[at], rel=1e-4) for at in likely]
        assert full[row["id"]]["ec"] == [names[at] for at in likely]
        assert list(full[row["id"]]["ec_probabilities"]) == list(names)


def test_several_targets_have_columns_each(capsys, tmp_path, structures, plm_folders):
    targets = [TARGETS["regression"], TARGETS["multiclass"]]
    model = saved(tmp_path / "m", "regression", plm_folders["esm"], targets=targets)
    done = call(capsys, "predict", structures, "--model", model, "--out", tmp_path / "o")
    assert done.code == 0, done.err
    assert list(table(tmp_path / "o")[0]) == ["id", "gdt", "class", "class_probability"]
    loaded = load_model(model)
    with torch.no_grad():
        logits = loaded(loaded.batch([read_structure(structures / "a.cif")])).double().numpy()[0]
    assert column(tmp_path / "o", "gdt", "a") == [pytest.approx(logits[0], rel=1e-4)]
    probabilities = activate(TARGETS["multiclass"], logits[1:])
    assert column(tmp_path / "o", "class_probability", "a") == [
        pytest.approx(probabilities.max(), rel=1e-4)
    ]


def test_residues_without_coordinates_have_a_row_and_no_score(capsys, tmp_path, runs):
    protein = shelf.SHELF["unresolved"]
    write_scored(tmp_path / "x.cif", protein, np.zeros(len(protein)))
    for form in ("csv", "jsonl"):
        done = call(capsys, "predict", tmp_path / "x.cif", "--model", runs["binary"], "--out",
                    tmp_path / "o", "--format", form)  # fmt: skip
        assert done.code == 0, done.err
    rows = table(tmp_path / "o")
    assert [row["position"] for row in rows] == [str(i + 1) for i in range(len(protein))]
    missing = [i for i, row in enumerate(rows) if row["site"] == ""]
    assert missing == np.flatnonzero(~protein.chains[0].resolved).tolist()
    text = (tmp_path / "o" / "predictions.jsonl").read_text().splitlines()
    assert [i for i, line in enumerate(text) if json.loads(line)["site"] is None] == missing


def test_sequences_are_enough_for_a_model_without_structure(capsys, tmp_path, plm_folders):
    model = saved(tmp_path / "m", "binary", plm_folders["esm"], struct="none")
    (tmp_path / "s.fasta").write_text(FASTA)
    done = call(capsys, "predict", tmp_path / "s.fasta", "--model", model, "--out", tmp_path / "o",
                "--structures")  # fmt: skip
    assert done.code == 0, done.err
    rows = table(tmp_path / "o")
    assert [row["id"] for row in rows] == ["p1"] * 10 + ["p2"] * 20
    assert all(row["site"] and not row["number"] for row in rows)


# ------------------------------------------------------------------------------------ ensembles


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_an_ensemble_gives_mean_and_standard_deviation(capsys, tmp_path, structures, runs, form):
    done = call(capsys, "predict", structures, "--model", runs["ensemble"], "--out", tmp_path / "o",
                "--format", form)  # fmt: skip
    assert done.code == 0, done.err
    if form == "csv":
        rows = table(tmp_path / "o")
    else:
        rows = list(map(json.loads, (tmp_path / "o/predictions.jsonl").read_text().splitlines()))
    for path in structures.iterdir():
        values = np.stack([
            alone(runs["ensemble"] / f"seed_{seed}", "binary", path, temperature)
            for seed, temperature in enumerate((0.7, 1.0, 2.5))
        ])  # fmt: skip
        mine = [row for row in rows if row["id"] == path.stem]
        got = np.array([[float(row["site"]), float(row["site_std"])] for row in mine]).T
        mean = values.sum(0) / 3
        np.testing.assert_allclose(got[0], mean, rtol=1e-4, atol=1e-5)
        expected = np.sqrt(((values - mean) ** 2).sum(0) / 3)
        np.testing.assert_allclose(got[1], expected, rtol=1e-3, atol=1e-5)
        assert expected.max() > 0.01


@pytest.mark.parametrize("kind", ["multiclass", "multilabel"])
def test_an_ensembles_deviation_is_that_of_what_is_told(
    capsys, tmp_path, structures, plm_folders, kind
):
    run = run_folder(tmp_path / "run", kind, plm_folders["esm"], (0, 1))
    done = call(capsys, "predict", structures, "--model", run, "--out", tmp_path / "o")
    assert done.code == 0, done.err
    name = TARGETS[kind].name
    for row in table(tmp_path / "o"):
        path = next(structures.glob(row["id"] + ".*"))
        a, b = (alone(run / f"seed_{seed}", kind, path) for seed in (0, 1))
        mean, std = (a + b) / 2, abs(a - b) / 2
        told = [mean.argmax()] if kind == "multiclass" else np.flatnonzero(mean > 0.5)
        shown = [float(x) for x in row[f"{name}_std"].split(";") if x]
        np.testing.assert_allclose(shown, std[told], rtol=1e-3, atol=1e-5)


def test_members_share_one_frozen_language_model(runs, tmp_path, plm_folders):
    models = load_ensemble(runs["ensemble"], "cpu").models
    assert len({id(model.seq) for model in models}) == 1
    other = run_folder(
        tmp_path / "tuned", "binary", plm_folders["esm"], (0, 1),
        values={"sequence.tuning": "last_n", "sequence.last_n": 1},
    )  # fmt: skip
    assert len({id(model.seq) for model in load_ensemble(other, "cpu").models}) == 2


def test_members_that_tap_one_language_model_run_it_once_on_one_batch(
    tmp_path, structures, plm_folders, monkeypatch
):
    run = run_folder(
        tmp_path / "run", "binary", plm_folders["esm"], (0, 1), write_back="side", fusion="local"
    )
    ensemble = load_ensemble(run, "cpu")
    taps, real = [], FusedModel.tap
    monkeypatch.setattr(FusedModel, "tap", lambda *given: taps.append(1) or real(*given))
    made, batch = [], FusedModel.batch
    monkeypatch.setattr(FusedModel, "batch", lambda *given: made.append(1) or batch(*given))
    proteins = [read_structure(path) for path in sorted(structures.iterdir())]
    found = ensemble.predict(proteins)
    assert len(taps) == len(made) == 1
    for protein, estimates in zip(proteins, found, strict=True):
        each = [alone(run / f"seed_{seed}", "binary", Path(protein.source)) for seed in (0, 1)]
        np.testing.assert_allclose(estimates["site"].mean, np.mean(each, axis=0), atol=1e-5)


# ------------------------------------------------------------------------------- what goes wrong


def test_a_bad_file_is_told_and_the_others_are_done(capsys, tmp_path, structures, runs):
    (structures / "b2.pdb").write_text("<html>404</html>")
    (structures / "empty.pdb").write_text("")
    cut = (structures / "b.pdb").read_text()[:500]
    (structures / "cut.pdb").write_text(cut)
    (structures / "seq.fasta").write_text(FASTA)
    shutil.copy(structures / "b.pdb", os.fsdecode(bytes(structures) + b"/m\xfcller.pdb"))
    done = call(capsys, "predict", structures, "--model", runs["binary"], "--out", tmp_path / "o",
                "--json")  # fmt: skip
    assert done.code == 1
    outcome = json.loads(done.out)
    assert (outcome["written"], len(outcome["failed"])) == (5, 6)
    assert {row["id"] for row in table(tmp_path / "o")} == set(SIZES)
    with open(tmp_path / "o" / "failed.csv", newline="") as file:
        reasons = {row["input"]: row["reason"] for row in csv.DictReader(file)}
    assert reasons == outcome["failed"]
    text = "\n".join(reasons.values())
    assert all(part in text for part in ("b2.pdb", "HTML", "is empty", "cut off", "no coordinates"))
    assert "m?ller.pdb: has bytes in its path that are not characters; rename it" in text
    (structures / "b2.pdb").write_bytes((structures / "b.pdb").read_bytes())
    again = call(capsys, "predict", structures, "--model", runs["binary"], "--out", tmp_path / "o",
                 "--json")  # fmt: skip
    assert (json.loads(again.out)["written"], json.loads(again.out)["kept"]) == (1, 5)
    assert [row["id"] for row in table(tmp_path / "o")][SIZES["a"] + SIZES["b"]] == "b2"


def test_if_all_fail_the_code_is_four(capsys, tmp_path, runs):
    (tmp_path / "bad.pdb").write_text("<html>404</html>")
    done = call(capsys, "predict", tmp_path / "bad.pdb", "--model", runs["binary"], "--out",
                tmp_path / "o")  # fmt: skip
    assert done.code == 4
    assert table(tmp_path / "o") == []
    assert "bad.pdb" in done.err


def test_a_protein_that_memory_cannot_hold_is_told_beforehand(
    capsys, tmp_path, structures, plm_folders, monkeypatch
):
    model = saved(tmp_path / "m", "binary", "esm2_8m", weights="random")
    monkeypatch.setattr(headroom, "ALWAYS_FITS", 26)
    monkeypatch.setattr(
        headroom, "check_fits", lambda what, need, advice: check_fits(what, 1e18, advice)
    )
    done = call(capsys, "predict", structures, "--model", model, "--out", tmp_path / "o")
    assert done.code == 1
    assert {row["id"] for row in table(tmp_path / "o")} == set(SIZES) - {"b"}
    assert "A batch of 30 residues (b) needs about 1000000000.00 GB of memory" in done.err
    assert "What helps" in done.err and "sequence.dtype=bfloat16" in done.err
    assert "RANDOM WEIGHTS" in done.err


@pytest.mark.parametrize(
    "error",
    [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to"),
     torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB")],
    ids=["python", "torch", "cuda"],
)  # fmt: skip
def test_memory_that_runs_out_costs_one_protein(
    capsys, tmp_path, structures, runs, monkeypatch, error
):
    real = Ensemble.predict

    def greedy(self, proteins):
        if any(len(protein) == SIZES["d"] for protein in proteins):
            raise error
        return real(self, proteins)

    monkeypatch.setattr(Ensemble, "predict", greedy)
    done = call(capsys, "predict", structures, "--model", runs["binary"], "--out", tmp_path / "o")
    assert done.code == 1
    assert {row["id"] for row in table(tmp_path / "o")} == set(SIZES) - {"d"}
    assert "d: memory ran out over 18 residues" in done.err


def test_another_error_is_not_taken_for_memory(capsys, tmp_path, structures, runs, monkeypatch):
    def broken(self, proteins):
        raise RuntimeError("shapes differ")

    monkeypatch.setattr(Ensemble, "predict", broken)
    with pytest.raises(RuntimeError, match="shapes differ"):
        call(capsys, "predict", structures, "--model", runs["binary"], "--out", tmp_path / "o")


# ------------------------------------------------------------------------------ going on with it


def interrupt_after(monkeypatch, count: int) -> list[str]:
    """Press Ctrl-C in the batch of that number; return the names as they are predicted."""
    seen, calls, real = [], [], Ensemble.predict

    def watched(self, proteins):
        calls.append(1)
        seen.extend(protein.name for protein in proteins)
        if len(calls) == count:
            os.kill(os.getpid(), signal.SIGINT)
        return real(self, proteins)

    monkeypatch.setattr(Ensemble, "predict", watched)
    return seen


def test_interrupted_and_gone_on_with_equals_uninterrupted(
    capsys, tmp_path, structures, runs, monkeypatch
):
    options = ("--model", runs["ensemble"], "--tokens", 32, "--structures")
    assert call(capsys, "predict", structures, *options, "--out", tmp_path / "whole").code == 0
    seen = interrupt_after(monkeypatch, 2)
    first = call(capsys, "predict", structures, *options, "--out", tmp_path / "parts")
    assert first.code == 130
    assert "interrupted after 2 proteins of 5 inputs; the same command continues" in first.err
    assert not (tmp_path / "parts" / "predictions.csv").exists()
    second = call(capsys, "predict", structures, *options, "--out", tmp_path / "parts", "--json")
    assert second.code == 0, second.err
    assert json.loads(second.out) | {"out": ""} == {
        "out": "", "page": None, "written": 3, "kept": 2, "failed": {}, "partial": {},
        "unsure": 0, "interrupted": False, "sum": ALL_FIVE,
    }  # fmt: skip
    assert sorted(seen) == list(SIZES)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert [row["id"] for row in table(whole)] == [row["id"] for row in table(parts)]
    for name in ("site", "site_std"):
        np.testing.assert_allclose(column(parts, name), column(whole, name), atol=1e-5)
    written = sorted(path.name for path in (parts / "structures").iterdir())
    assert written == sorted(path.name for path in (whole / "structures").iterdir())


def test_a_killed_run_loses_only_the_line_under_way(
    capsys, tmp_path, structures, runs, monkeypatch
):
    options = ("--model", runs["binary"], "--tokens", 32, "--out", tmp_path / "o")
    interrupt_after(monkeypatch, 3)
    call(capsys, "predict", structures, *options)
    journal = tmp_path / "o" / JOURNAL
    journal.write_bytes(journal.read_bytes()[:-40])
    again = call(capsys, "predict", structures, *options, "--json")
    assert (json.loads(again.out)["written"], json.loads(again.out)["kept"]) == (3, 2)
    assert {row["id"] for row in table(tmp_path / "o")} == set(SIZES)


def moved(path: Path) -> None:
    """Write the protein of a file there once more, with every atom elsewhere."""
    protein = read_structure(path)
    chains = tuple(
        dataclasses.replace(chain, coords=1.02 * chain.coords) for chain in protein.chains
    )
    atoms = dataclasses.replace(protein.atoms, pos=1.02 * protein.atoms.pos)
    changed = dataclasses.replace(protein, chains=chains, atoms=atoms, source="")
    path.unlink()
    write_scored(path, changed, np.zeros(len(changed)))


@pytest.mark.parametrize("finished", [False, True])
def test_a_changed_file_is_done_again(capsys, tmp_path, structures, runs, monkeypatch, finished):
    options = ("--model", runs["binary"], "--tokens", 32, "--out", tmp_path / "o")
    if not finished:
        interrupt_after(monkeypatch, 3)
    call(capsys, "predict", structures, *options)
    moved(structures / "b.pdb")
    again = call(capsys, "predict", structures, *options, "--json")
    done = json.loads(again.out)
    assert (done["written"], done["kept"]) == ((1, 4) if finished else (3, 2))
    expected = alone(runs["binary"], "binary", structures / "b.pdb")
    np.testing.assert_allclose(column(tmp_path / "o", "site", "b"), expected, rtol=1e-4, atol=1e-5)


def test_a_second_command_adds_its_proteins(capsys, tmp_path, structures, runs):
    options = ("--model", runs["binary"], "--out", tmp_path / "o", "--structures")
    assert call(capsys, "predict", structures / "d.pdb", *options).code == 0
    first = column(tmp_path / "o", "site")
    done = call(capsys, "predict", structures, *options, "--json")
    assert (json.loads(done.out)["written"], json.loads(done.out)["kept"]) == (4, 1)
    assert call(capsys, "predict", structures / "a.cif", *options).code == 0
    rows = table(tmp_path / "o")
    assert list(dict.fromkeys(row["id"] for row in rows)) == ["b", "c", "d", "e", "a"]
    assert len(rows) == sum(SIZES.values())
    assert column(tmp_path / "o", "site", "d") == first
    call(capsys, "predict", structures / "b.pdb", *options, "--format", "jsonl")
    lines = (tmp_path / "o" / "predictions.jsonl").read_text().splitlines()
    assert {json.loads(line)["id"] for line in lines} == set(SIZES)


def test_rows_of_another_model_are_not_replaced(capsys, tmp_path, structures, runs):
    call(capsys, "predict", structures, "--model", runs["binary"], "--out", tmp_path / "o")
    before = table(tmp_path / "o")
    done = call(
        capsys, "predict", structures / "a.cif", "--model", runs["ensemble"], "--out",
        tmp_path / "o",
    )  # fmt: skip
    assert done.code == 2
    assert "another model" in done.err and "--out" in done.err
    assert table(tmp_path / "o") == before


@pytest.mark.parametrize("source", ["d.pdb", "b.pdb"], ids=["sequence", "coordinates"])
def test_another_protein_of_one_name_fails(capsys, tmp_path, structures, runs, source):
    options = ("--model", runs["binary"], "--out", tmp_path / "o")
    call(capsys, "predict", structures, *options)
    before, other = table(tmp_path / "o"), tmp_path / "other" / "b.pdb"
    other.parent.mkdir()
    shutil.copy(structures / source, other)
    if source == "b.pdb":
        moved(other)
    done = call(capsys, "predict", other, *options)
    assert done.code == 4
    assert "the name 'b' is taken" in done.err and str(structures / "b.pdb") in done.err
    assert table(tmp_path / "o") == before


def test_a_copy_of_a_done_file_is_kept(capsys, tmp_path, structures, runs):
    options = ("--model", runs["binary"], "--out", tmp_path / "o", "--json")
    call(capsys, "predict", structures, *options)
    other = tmp_path / "other"
    other.mkdir()
    (other / "b.pdb").write_bytes((structures / "b.pdb").read_bytes())
    assert json.loads(call(capsys, "predict", other, *options).out)["kept"] == 1


def test_failures_of_an_earlier_command_stay_listed(capsys, tmp_path, structures, runs):
    options = ("--model", runs["binary"], "--out", tmp_path / "o")
    bad = [tmp_path / name for name in ("bad one.pdb", "worse.pdb")]
    for path in bad:
        path.write_text("nothing\n")
    call(capsys, "predict", *bad, *options)
    (bad[0]).write_bytes((structures / "a.cif").read_bytes())
    assert call(capsys, "predict", bad[0], structures, *options).code == 0
    with (tmp_path / "o" / "failed.csv").open() as file:
        assert [row["input"] for row in csv.DictReader(file)] == [str(bad[1])]


def failures(out: Path) -> list[str]:
    """Return the inputs in failed.csv."""
    with (out / "failed.csv").open(newline="") as file:
        return [row["input"] for row in csv.DictReader(file)]


def test_a_failure_goes_by_the_file_and_not_by_the_spelling_of_its_path(
    capsys, tmp_path, structures, runs, monkeypatch
):
    monkeypatch.chdir(structures)
    options = ("--model", runs["binary"], "--out", tmp_path / "o")
    for name in ("bad one.pdb", "worse.pdb"):
        Path(name).write_text("nothing\n")
        call(capsys, "predict", name, *options)
    Path("bad one.pdb").write_bytes(Path("b.pdb").read_bytes())
    assert call(capsys, "predict", structures / "bad one.pdb", *options).code == 0
    assert failures(tmp_path / "o") == ["worse.pdb"]


def test_earlier_failures_of_inputs_that_were_not_reached_stay_listed(
    capsys, tmp_path, structures, runs, monkeypatch
):
    monkeypatch.setattr(inputs, "WINDOW", 2)
    options = ("--model", runs["binary"], "--out", tmp_path / "o", "--tokens", 1)
    contents = {name: (structures / name).read_bytes() for name in ("b.pdb", "d.pdb", "e.cif")}
    for name in contents:
        (structures / name).write_text("nothing\n")
    call(capsys, "predict", structures, *options)
    assert failures(tmp_path / "o") == [str(structures / name) for name in contents]
    for name, data in contents.items():
        (structures / name).write_bytes(data)
    interrupt_after(monkeypatch, 1)  # after b; d was read with it, and e was not
    assert call(capsys, "predict", structures, *options).code == 130
    assert failures(tmp_path / "o") == [str(structures / name) for name in ("d.pdb", "e.cif")]


def test_a_full_disk_keeps_the_failures_of_earlier_commands(tmp_path, monkeypatch):
    path = tmp_path / "failed.csv"
    write_failed(path, {"a.pdb": "is empty"}, [])
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files, "settle", full)
    with pytest.raises(OSError, match="No space"):
        write_failed(path, {"b.pdb": "is empty"}, [])
    assert path.read_bytes() == before


def test_a_table_without_a_journal_is_not_replaced(capsys, tmp_path, structures, runs):
    options = ("--model", runs["binary"], "--out", tmp_path / "o")
    call(capsys, "predict", structures, *options)
    (tmp_path / "o" / JOURNAL).unlink()
    before = table(tmp_path / "o")
    done = call(capsys, "predict", structures / "a.cif", *options)
    assert done.code == 2 and "earlier version" in done.err and "--out" in done.err
    assert table(tmp_path / "o") == before


def test_a_journal_of_an_earlier_version_is_gone_on_with(
    capsys, tmp_path, structures, runs, monkeypatch
):
    options = ("--model", runs["binary"], "--tokens", 32, "--out", tmp_path / "o")
    interrupt_after(monkeypatch, 3)
    call(capsys, "predict", structures, *options)
    head, *lines = (tmp_path / "o" / JOURNAL).read_text().splitlines()
    former = [json.loads(line) for line in lines]
    for value in former:
        del value["source"], value["content"]
    (tmp_path / "o" / JOURNAL).unlink()
    text = "".join(f"{line}\n" for line in (head, *map(json.dumps, former)))
    (tmp_path / "o" / FORMER_JOURNAL).write_text(text)
    done = json.loads(call(capsys, "predict", structures, *options, "--json").out)
    assert (done["written"], done["kept"]) == (2, 3)
    assert {row["id"] for row in table(tmp_path / "o")} == set(SIZES)


def test_a_copy_of_the_model_is_the_same_model(capsys, tmp_path, structures, runs):
    out = tmp_path / "o"
    assert call(capsys, "predict", structures, "--model", runs["ensemble"], "--out", out).code == 0
    copy = shutil.copytree(runs["ensemble"], tmp_path / "copy", copy_function=shutil.copyfile)
    done = call(capsys, "predict", structures, "--model", copy, "--out", out)
    assert done.code == 0 and "0 predicted, 5 already there" in done.out
    calibration = copy / "seed_1" / CALIBRATION
    calibration.write_text(calibration.read_text().replace("1.0", "1.5"))
    done = call(capsys, "predict", structures, "--model", copy, "--out", out)
    assert done.code == 2 and "another model" in done.err


def test_a_journal_that_knows_the_model_by_its_files_times_is_gone_on_with(
    capsys, tmp_path, structures, runs
):
    """As earlier versions wrote it; from then on it knows the model by its content."""
    journal = tmp_path / "o" / JOURNAL
    model = shutil.copytree(runs["ensemble"], tmp_path / "model")
    write_shared(model, [{"fold": None, "targets": {TARGETS["binary"].name: {"temperature": 1.5}}}])
    options = (structures, "--out", tmp_path / "o")
    assert call(capsys, "predict", *options, "--model", model).code == 0
    _, *lines = journal.read_text().splitlines(keepends=True)
    files = (CONFIG, WEIGHTS, CALIBRATION)
    former = {
        "members": [
            {"name": f"seed {at}", "files": [stamp(model / f"seed_{at}" / name) for name in files]}
            for at in range(3)
        ],
        "targets": [[TARGETS["binary"].name, "binary", "residue", 1]],
    }
    journal.write_text("".join([f"{json.dumps(former)}\n", *lines]))
    copy = shutil.copytree(model, tmp_path / "copy", copy_function=shutil.copyfile)
    assert call(capsys, "predict", *options, "--model", copy).code == 2
    for one in (model, copy):
        done = call(capsys, "predict", *options, "--model", one)
        assert done.code == 0 and "0 predicted, 5 already there" in done.out
    write_shared(copy, [{"fold": None, "targets": {TARGETS["binary"].name: {"temperature": 2.5}}}])
    done = call(capsys, "predict", *options, "--model", copy)
    assert done.code == 2 and "another model" in done.err


def test_what_another_model_left_unfinished_is_not_added_to(
    capsys, tmp_path, structures, runs, monkeypatch
):
    interrupt_after(monkeypatch, 1)
    call(capsys, "predict", structures, "--model", runs["binary"], "--out", tmp_path / "o")
    done = call(capsys, "predict", structures, "--model", runs["ensemble"], "--out", tmp_path / "o")
    assert done.code == 2
    assert "another model" in done.err and "delete that folder" in done.err


def test_a_folder_that_another_process_writes_in_is_refused(capsys, tmp_path, structures, runs):
    command = ("predict", structures, "--model", runs["binary"], "--out", tmp_path / "o")
    with claimed(tmp_path / "o" / ".lock"):
        done = call(capsys, *command)
    assert done.code == 2 and "Another process is writing in" in done.err
    assert call(capsys, *command).code == 0
    assert sorted(path.name for path in (tmp_path / "o").iterdir()) == FILES


def test_a_damaged_journal_is_an_error(capsys, tmp_path, structures, runs):
    (tmp_path / "o").mkdir()
    (tmp_path / "o" / JOURNAL).write_text("my notes\n")
    done = call(capsys, "predict", structures, "--model", runs["binary"], "--out", tmp_path / "o")
    assert done.code == 2
    assert "cannot be continued" in done.err


# ----------------------------------------------------------------------------------- structures


def attributes(path: Path) -> dict[str, float]:
    """Return the values of an attribute file by residue number."""
    lines = (line.split("\t") for line in path.read_text().splitlines() if line[0] == "\t")
    return {spec.rsplit(":", 1)[1]: float(value) for _, spec, value in lines}


def test_structures_are_the_files_with_the_scores_beside(capsys, tmp_path, structures, runs):
    (structures / "t1").mkdir()
    protein = shelf.SHELF["unresolved"]
    write_scored(structures / "t1" / "native.pdb", protein, np.zeros(len(protein)))
    done = call(capsys, "predict", structures, "--model", runs["binary"], "--out", tmp_path / "o",
                "--structures")  # fmt: skip
    assert done.code == 0, done.err
    for path in structures.rglob("*.*"):
        name = path.relative_to(structures).with_suffix("").as_posix()
        written = tmp_path / "o" / "structures" / f"{name}{path.suffix}"
        assert written.read_bytes() == path.read_bytes()
        rows = [row for row in table(tmp_path / "o") if row["id"] == name and row["site"]]
        assert attributes(written.with_suffix(".defattr")) == {
            row["number"]: pytest.approx(float(row["site"]), abs=1e-5) for row in rows
        }


def test_scores_are_b_factors_where_asked(capsys, tmp_path, structures, runs):
    done = call(capsys, "predict", structures, "--model", runs["binary"], "--out", tmp_path / "o",
                "--bfactors")  # fmt: skip
    assert done.code == 0, done.err
    for path in structures.rglob("*.*"):
        written = tmp_path / "o" / "structures" / path.name
        expected = 100 * np.array(column(tmp_path / "o", "site", path.stem))
        np.testing.assert_allclose(read_structure(written).chains[0].bfactor, expected, atol=0.011)
        assert not written.with_suffix(".defattr").exists()


def test_structures_of_the_other_kind_are_not_kept(capsys, tmp_path, structures, runs):
    (structures / "bad.pdb").write_text("nonsense")  # so that the results stay unfinished
    for options, kept in (("--structures", 0), ("--bfactors", 0), ("--bfactors", 5)):
        done = call(capsys, "predict", structures, "--model", runs["binary"], "--out",
                    tmp_path / "o", options, "--json")  # fmt: skip
        assert done.code == 1
        assert json.loads(done.out)["kept"] == kept


def test_a_structure_that_cannot_be_written_keeps_its_rows(
    capsys, tmp_path, structures, runs, monkeypatch
):
    monkeypatch.setattr(scored, "original", lambda protein: None)
    text = (structures / "b.pdb").read_text()
    (structures / "odd.pdb").write_text(text.replace(" A   3    ", " AA-00    "))
    done = call(capsys, "predict", structures, "--model", runs["binary"], "--out", tmp_path / "o",
                "--structures")  # fmt: skip
    assert done.code == 1
    assert "has the number 'A-00'" in done.err
    assert len(column(tmp_path / "o", "site", "odd")) == SIZES["b"]


@pytest.mark.parametrize("kind", ["regression", "multiclass"])
def test_structures_need_one_score_a_residue(capsys, tmp_path, structures, runs, kind):
    done = call(capsys, "predict", structures, "--model", runs[kind], "--out", tmp_path / "o",
                "--structures")  # fmt: skip
    assert done.code == 2
    assert "one score per residue" in done.err and TARGETS[kind].name in done.err


# ---------------------------------------------------------------------------- inputs and models


@pytest.mark.parametrize("written", ["list.txt", "@list.txt", "@others"])
def test_a_list_names_files_in_its_order(capsys, tmp_path, structures, runs, written, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = ["structures/e.cif", "", str(structures / "a.cif"), "structures/absent.pdb"]
    Path(written.removeprefix("@")).write_text("\n".join(lines) + "\n")
    done = call(capsys, "predict", written, "--model", runs["regression"], "--out", "o")
    assert done.code == 1
    assert [row["id"] for row in table(Path("o"))] == ["e", "a"]
    assert "absent.pdb: does not exist" in done.err


def test_files_of_one_name_in_a_list_are_told_apart_by_their_folders(
    capsys, tmp_path, structures, runs
):
    paths = [structures / "a.cif", structures / "t1" / "b.pdb", structures / "t2" / "b.pdb"]
    for path in paths[1:]:
        path.parent.mkdir()
        path.write_bytes((structures / "b.pdb").read_bytes())
    (tmp_path / "list.txt").write_text("\n".join(map(str, [*paths, paths[0]])))
    done = call(capsys, "predict", tmp_path / "list.txt", "--model", runs["binary"], "--out",
                tmp_path / "o", "--structures")  # fmt: skip
    assert done.code == 0, done.err
    assert list(dict.fromkeys(row["id"] for row in table(tmp_path / "o"))) == ["a", "t1/b", "t2/b"]
    assert (tmp_path / "o" / "structures" / "t2" / "b.pdb").is_file()


@pytest.mark.parametrize("listed", [False, True])
def test_files_of_a_folder_that_are_not_read_are_counted_with_examples(
    capsys, tmp_path, structures, runs, listed
):
    for name in ("a.pdbx", "README", "b.pdb.bz2", "t/c.mol2", "t/d.xyz", "t/e.xyz"):
        (structures / name).parent.mkdir(exist_ok=True)
        (structures / name).write_text("x")
    (tmp_path / "list.txt").write_text(f"{structures}\n")
    done = call(capsys, "predict", tmp_path / "list.txt" if listed else structures, "--model",
                runs["binary"], "--out", tmp_path / "o")  # fmt: skip
    assert done.code == 0, done.err
    said = " ".join(done.err.split())
    assert "6 files have no name of a structure or sequence file (.pdb, .ent, .cif" in said
    assert f"{structures / 'README'}, {structures / 'a.pdbx'}" in said and "and 1 more." in said
    assert {row["id"] for row in table(tmp_path / "o")} == set(SIZES)
    named = call(capsys, "predict", structures / "README", "--model", runs["binary"], "--out",
                 tmp_path / "o2")  # fmt: skip
    assert "no name of" not in named.err and "is not a PDB" in named.err


def test_a_folder_without_structures_says_what_it_holds(capsys, tmp_path, runs):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.xyz").write_text("x")
    done = call(capsys, "predict", tmp_path / "in", "--model", runs["binary"], "--out",
                tmp_path / "o")  # fmt: skip
    assert done.code != 0
    assert "1 file has no name of a structure" in done.err and "in/a.xyz" in done.err


@pytest.mark.parametrize("argument", ["@absent", "nothing*.pdb"])
def test_no_input_is_an_error(capsys, tmp_path, runs, argument):
    done = call(capsys, "predict", argument, "--model", runs["binary"], "--out", tmp_path / "o")
    assert done.code == 4
    assert argument in done.err
    assert not (tmp_path / "o").exists()


def test_a_saved_model_is_a_run_of_one(capsys, tmp_path, structures, runs):
    one = runs["ensemble"] / "seed_2"
    done = call(capsys, "predict", structures, "--model", one, "--out", tmp_path / "o")
    assert done.code == 0, done.err
    expected = alone(one, "binary", structures / "a.cif", 2.5)
    np.testing.assert_allclose(column(tmp_path / "o", "site", "a"), expected, atol=1e-5)


def no_run(root: Path, _: str) -> Path:
    return root


def no_head(root: Path, plm: str) -> Path:
    return save_model(shelf.small_model(plm), root)


def untrained(root: Path, plm: str) -> Path:
    return save_model(shelf.small_model(plm, task="ppbs"), root)


def unfinished(root: Path, plm: str) -> Path:
    run_folder(root, "binary", plm)
    (root / "model.safetensors").unlink()
    return root


def mixed(root: Path, plm: str) -> Path:
    run_folder(root, "binary", plm, (0, 1))
    saved(root / "seed_1", "regression", plm)
    return root


@pytest.mark.parametrize(
    ("make", "cause"),
    [
        (no_run, "is not a trained model: it has neither run.json"),
        (no_head, "has no head"),
        (untrained, "built but never trained"),
        (unfinished, "training has not ended"),
        (mixed, "they are of different runs"),
    ],
)
def test_a_folder_that_cannot_predict_says_why(
    capsys, tmp_path, structures, plm_folders, make, cause
):
    folder = make(tmp_path / "model", plm_folders["esm"])
    done = call(capsys, "predict", structures, "--model", folder, "--out", tmp_path / "o")
    assert done.code == 5
    assert cause in done.err


@pytest.mark.parametrize(
    ("option", "expected"),
    [(("--format", "xml"), "Valid: csv, jsonl"), (("--device", "tpu"), "not available")],
)
def test_wrong_options_are_errors(capsys, tmp_path, structures, runs, option, expected):
    done = call(capsys, "predict", structures, "--model", runs["binary"], "--out", tmp_path / "o",
                *option)  # fmt: skip
    assert (done.code, expected in done.err) == (2, True)


def test_a_file_as_out_is_an_error(capsys, tmp_path, structures, runs):
    (tmp_path / "o").write_text("my notes")
    done = call(capsys, "predict", structures, "--model", runs["binary"], "--out", tmp_path / "o")
    assert done.code == 2
    assert (tmp_path / "o").read_text() == "my notes"


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        ('{"site": {"temper', "is damaged"),
        ('{"site": 2}', "is damaged"),
        ('{"site": {"temperature": -1}}', "not above 0"),
        ('{"site": {"temperature": NaN}}', "not above 0"),
    ],
)
def test_a_calibration_that_is_none_is_an_error(
    capsys, tmp_path, structures, plm_folders, content, cause
):
    folder = run_folder(tmp_path / "model", "binary", plm_folders["esm"])
    (folder / CALIBRATION).write_text(content)
    done = call(capsys, "predict", structures, "--model", folder, "--out", tmp_path / "o")
    assert done.code == 5 and cause in done.err.replace("\n", " ")


def test_outputs_that_are_not_finite_are_no_empty_cells(capsys, tmp_path, structures, plm_folders):
    folder = run_folder(tmp_path / "model", "binary", plm_folders["esm"])
    weights = load_file(folder / WEIGHTS)
    name = next(name for name in weights if name.startswith("head."))
    save_file(weights | {name: torch.full_like(weights[name], torch.nan)}, folder / WEIGHTS)
    (folder / "checksums.json").unlink()  # as in a model of before, whose files have no hashes
    done = call(capsys, "predict", structures, "--model", folder, "--out", tmp_path / "o")
    assert done.code != 0 and "not finite" in done.err.replace("\n", " ")
    assert (tmp_path / "o" / "predictions.csv").read_text().count("\n") == 1  # the header


def in_contact(folder: Path) -> Path:
    """Write a complex of two chains in contact."""
    path = folder / "pair.cif"
    whole = shelf.two_chains()
    write_scored(path, whole, np.zeros(len(whole)))
    return path


@pytest.mark.parametrize("kind", ["binary", "regression"])
def test_a_model_of_single_chains_takes_each_chain_of_a_complex_alone(
    tmp_path, capsys, plm_folders, kind
):
    path = in_contact(tmp_path)
    run = run_folder(tmp_path / "run", kind, plm_folders["esm"], values={"scope": "chain"})
    outs = {}
    for name, options in (
        ("alone", []), ("asked", ["--as", "chain"]), ("whole", ["--as", "complex"]),
    ):  # fmt: skip
        outs[name] = tmp_path / name
        done = call(capsys, "predict", path, "--model", run, "--out", outs[name], *options)
        assert done.code == 0, done.err
        told = "1 structure has several chains" in done.err.replace("\n", " ")
        assert told == (name == "alone"), done.err
    for chain in "AB":
        outs[chain] = tmp_path / chain
        one = f"{path}:{chain}"
        assert call(capsys, "predict", one, "--model", run, "--out", outs[chain]).code == 0
    score = "site_mean" if kind == "binary" else "gdt_mean"
    score = next(name for name in table(outs["alone"])[0] if name.startswith(("site", "gdt")))
    alone = column(outs["alone"], score)
    assert alone == column(outs["asked"], score)
    np.testing.assert_allclose(
        alone, column(outs["A"], score) + column(outs["B"], score), atol=1e-6
    )
    if kind == "binary":  # chains in contact are not what each is alone
        assert not np.allclose(alone, column(outs["whole"], score), atol=1e-6)
    else:
        assert [row["id"] for row in table(outs["alone"])] == ["pair_A", "pair_B"]
        assert len(column(outs["whole"], score)) == 1


def test_predictions_of_complexes_and_of_chains_are_not_mixed(tmp_path, capsys, plm_folders):
    path = in_contact(tmp_path)
    run = run_folder(tmp_path / "run", "binary", plm_folders["esm"], values={"scope": "chain"})
    command = ["predict", path, "--model", run, "--out", tmp_path / "out"]
    assert call(capsys, *command).code == 0
    done = call(capsys, *command, "--as", "complex")
    assert done.code == 2 and "other" in done.err, done.err
    again = call(capsys, *command, "--json")
    assert json.loads(again.out)["kept"] == 1


def test_chains_are_chosen_by_name(tmp_path, capsys, runs):
    path = in_contact(tmp_path)
    command = ["predict", path, "--model", runs["binary"], "--out", tmp_path / "out"]
    assert call(capsys, *command, "--chain", "B").code == 0
    assert {(row["id"], row["chain"]) for row in table(tmp_path / "out")} == {("pair_B", "B")}
    done = call(capsys, *command, "--chain", "Q")
    assert done.code == 4 and "has no chain 'Q'" in done.err, done.err
    (tmp_path / "p.fasta").write_text(FASTA)
    done = call(capsys, *command[:1], f"{tmp_path / 'p.fasta'}:A", *command[2:])
    assert done.code == 4 and "no chains to choose from" in done.err, done.err
    done = call(capsys, *command, "--as", "chains")
    assert done.code == 2 and "chain, complex" in done.err
