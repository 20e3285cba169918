"""`zoo train`: from a benchmark's folder to a model, and what is told on the way."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from tests import shelf
from tests.training import runs
from tests.verbs import call
from zoo.command.cli import INTERRUPTED
from zoo.system.listener import SILENT
from zoo.training import callbacks, curves
from zoo.training.running import Lines

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ZOO_STORE", str(tmp_path / "store"))
    return tmp_path / "store"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return runs.quick_data(tmp_path / "prepared")


@pytest.fixture
def config(tmp_path: Path, plm_folders: dict[str, str]) -> Path:
    """A small experiment as a YAML file."""
    path = tmp_path / "small.yaml"
    lines = ["task: ppbs", "sequence:", f"  name: {plm_folders['esm']}", "structure:",
             "  name: schnet", "  args: {num_layers: 2, hidden: 8, num_filters: 8}",
             "graph: {k: 6}", "fusion:", "  name: local", "  write_back: side",
             "  args: {width: 8, gate_width: 4}", "train: {epochs: 2, tokens: 60}"]  # fmt: skip
    path.write_text("\n".join(lines) + "\n")
    return path


def weights(folder: Path) -> dict[str, Any]:
    # Copies: what `load_file` gives lies in the file.
    return {k: x.clone() for k, x in load_file(folder / "model.safetensors").items()}


def test_only_the_best_epoch_of_a_run_that_goes_on_has_a_star(
    tmp_path: Path, data: Path, plm_folders: dict[str, str]
) -> None:
    job = runs.job(data, plm_folders["esm"], tmp_path / "run", tmp_path / "store")
    job.folder.mkdir()
    rows = [
        {name: 0.0 for name in curves.COLUMNS} | {"epoch": epoch, "val_score": score}
        for epoch, score in enumerate([0.3, 0.2, 0.4])
    ]
    for count in (1, 2, 3):
        curves.write_curves(job.folder / curves.CURVES, rows[:count])
        Lines(job, "", SILENT).epoch(rows[count - 1])  # of a process that has told none before
    stars = ["*" in line for line in (job.folder / "train.log").read_text().splitlines()]
    assert stars == [True, False, True]


def test_a_run_holds_all_that_it_was(capsys, store, data, config, tmp_path) -> None:
    out = tmp_path / "run"
    done = call(capsys, "train", config, "--data", data, "--out", out)
    assert done.code == 0, done.err
    names = {path.name for path in out.iterdir()}
    assert names == {
        "run.json", "config.yaml", "splits.json", "train.log", "curves.csv", "curves.png",
        "checkpoints", "calibration.json", "model.safetensors", "README.md", "checksums.json",
        "thresholds.json",
    }  # fmt: skip
    facts = json.loads((out / "run.json").read_text())
    assert facts["inputs"] == "1234" and facts["versions"]["torch"] and facts["data"] == str(data)
    splits = json.loads((out / "splits.json").read_text())
    assert {name: len(keys) for name, keys in splits.items()} == {
        "train": 12, "validation": 3, "test": 3,
    }  # fmt: skip
    assert facts["config"]["scope"] == "chain"  # no sample has several chains
    assert "a single chain" in (out / "README.md").read_text()
    assert "structure" in done.err and "epoch 2 of 2" in done.err
    assert done.err.count("change / state: sequence ") == 2
    assert set((out / "train.log").read_text().splitlines()) <= set(done.err.splitlines())


def test_groups_of_parameters_are_told_before_the_first_step(
    capsys, store, data, config, tmp_path
) -> None:
    done = call(
        capsys, "train", config, "--data", data, "--out", tmp_path / "run",
        "--set", "sequence.tuning=lora", "--set", "fusion.write_back=deep",
        "--set", "train.lr.lora=3e-5",
    )  # fmt: skip
    assert done.code == 0, done.err
    text = done.err.split("epoch 1 of 2")[0]
    assert "lora " in text and "lr 3e-05" in text and "lr 0.001" in text
    assert "fusion.write_back=side" not in text  # an adapted language model has to run
    deep = call(capsys, "train", config, "--data", data, "--out", tmp_path / "deep",
                "--set", "fusion.write_back=deep")  # fmt: skip
    assert "with fusion.write_back=side it would run once" in deep.err
    serial = call(capsys, "train", config, "--data", data, "--out", tmp_path / "serial",
                  "--set", "fusion.write_back=deep", "--fusion", "serial")  # fmt: skip
    assert serial.code == 0, serial.err
    assert "it would run once" not in serial.err  # its last layer is stored: it runs once


def test_a_run_can_be_scored_and_applied(capsys, store, data, config, tmp_path) -> None:
    out = tmp_path / "run"
    assert call(capsys, "train", config, "--data", data, "--out", out, "--seeds", 2).code == 0
    scored = call(capsys, "evaluate", out, "--bootstrap", 20)
    assert scored.code == 0, scored.err
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["split"] == "test"
    # The mean of the members is calibrated, so they share a temperature that is none of theirs.
    given = {value["binding_site"] for value in metrics["temperatures"].values()}
    alone = [json.loads((out / f"seed_{n}" / "calibration.json").read_text()) for n in (0, 1)]
    assert len(given) == 1
    assert not given & {found["binding_site"]["temperature"] for found in alone}
    call(capsys, "predict", _structure(tmp_path), "--model", out, "--out", tmp_path / "found")
    text = (tmp_path / "found" / "predictions.csv").read_text()
    rows = list(csv.DictReader(text.splitlines()))
    assert len(rows) == 30 and all(float(row["binding_site_std"]) > 0 for row in rows)


def _structure(folder: Path) -> Path:
    import numpy as np

    from zoo.proteins.files.scores import write_scored

    protein, path = shelf.ordinary(30), folder / "ordinary.cif"
    write_scored(path, protein, np.zeros(30))
    return path


def test_an_ensemble_goes_on_with_the_member_that_was_stopped(
    capsys, store, data, config, tmp_path, monkeypatch
) -> None:
    arguments = (config, "--data", data, "--seeds", 2)
    assert call(capsys, "train", *arguments, "--out", tmp_path / "whole").code == 0
    out, seen = tmp_path / "broken", 0

    def stop(self: Any, trainer: Any) -> bool:
        nonlocal seen
        seen += 1
        return seen == 30

    monkeypatch.setattr(callbacks.LastCheckpoint, "_to_stop", stop)
    done = call(capsys, "train", *arguments, "--out", out)
    assert done.code == INTERRUPTED and f"--resume --out {out}" in done.err
    assert (out / "seed_0" / "model.safetensors").exists()
    assert not (out / "seed_1" / "model.safetensors").exists()
    refused = call(capsys, "evaluate", out)
    assert refused.code == 5 and "seed 1" in refused.err and "--resume" in refused.err
    again = call(capsys, "train", "--resume", "--out", out)
    assert again.code == 0 and "seed 0 (" not in again.err, again.err
    for member in ("seed_0", "seed_1"):
        left, right = weights(tmp_path / "whole" / member), weights(out / member)
        assert all((left[name] == right[name]).all() for name in left)


def test_a_run_is_never_written_over(capsys, store, data, config, tmp_path) -> None:
    out = tmp_path / "run"
    assert call(capsys, "train", config, "--data", data, "--out", out).code == 0
    before = weights(out)
    again = call(capsys, "train", config, "--data", data, "--out", out)
    assert again.code == 2 and "holds a run already" in again.err
    other = call(capsys, "train", config, "--data", data, "--out", out, "--resume",
                 "--set", "train.tokens=70")  # fmt: skip
    assert other.code == 2 and "train.tokens: 60 then, 70 now" in other.err
    assert all((before[name] == x).all() for name, x in weights(out).items())


def test_what_is_damaged_is_told_or_mended(capsys, store, data, config, tmp_path) -> None:
    out = tmp_path / "run"
    assert call(capsys, "train", config, "--data", data, "--out", out).code == 0
    before, path = weights(out), out / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])  # as a copy that broke off
    (out / "curves.csv").unlink()
    again = call(capsys, "train", "--resume", "--out", out)
    assert again.code == 0 and all((before[name] == x).all() for name, x in weights(out).items())
    path.unlink()
    (out / "checkpoints" / "last.ckpt").write_bytes(b"half")
    broken = call(capsys, "train", "--resume", "--out", out)
    assert broken.code == 5 and "last.ckpt is missing or damaged" in broken.err
    (out / "run.json").write_text("{}")
    assert "run.json is damaged" in call(capsys, "train", "--resume", "--out", out).err
    assert "run.json is damaged" in call(capsys, "evaluate", out).err


def test_two_processes_do_not_train_in_one_folder(capsys, store, data, config, tmp_path) -> None:
    from filelock import FileLock

    out = tmp_path / "run"
    out.mkdir()
    with FileLock(out / ".lock"):
        done = call(capsys, "train", config, "--data", data, "--out", out)
    assert done.code == 2 and "Another process is writing" in done.err


def test_a_target_without_values_is_refused_and_a_constant_told(
    capsys, store, config, tmp_path
) -> None:
    for name, value, code, said in (
        ("none", float("nan"), 4, "no known value"), ("one", 1.0, 0, "only one value"),
    ):  # fmt: skip
        found = runs.samples(runs.BINDING)
        for sample in found:
            sample.targets["binding_site"][:] = value
        data = runs.prepare(tmp_path / name, [runs.BINDING], found)
        done = call(capsys, "train", config, "--data", data, "--out", tmp_path / f"run_{name}")
        assert (done.code, said in done.err) == (code, True), done.err


def test_what_fails_before_training_leaves_no_run(capsys, store, data, config, tmp_path) -> None:
    out = tmp_path / "run"
    done = call(capsys, "train", config, "--data", data, "--out", out,
                "--set", "structure.args.num_layers=0")  # fmt: skip
    assert done.code == 2 and not (out / "run.json").exists()
    assert call(capsys, "train", config, "--data", data, "--out", out).code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--data", "DATA"], 2, "--out is missing"),
        (["--out", "OUT"], 2, "--data is missing"),
        (["--data", "DATA", "--out", "OUT", "--set", "task=mqa"], 4, "data for 'ppbs'"),
        (["--data", "DATA", "--out", "OUT", "--set", "task=null"], 2, "no task"),
        (["--data", "DATA", "--out", "OUT", "--seq", "esm2_8m"], 3, "--weights random"),
        (["--data", "DATA", "--out", "OUT", "--fold", "2"], 2, "no folds"),
        (["--data", "DATA", "--out", "OUT", "--logger", "paper"], 2, "'paper'"),
        (["--data", "DATA", "--out", "/proc/zoo"], 2, "cannot be written to"),
        (["--data", "DATA", "--out", "OUT", "--accelerator", "abacus"], 2, "--accelerator abacus"),
        (["--data", "DATA", "--out", "OUT", "--devices", "3x"], 2, "--devices 3x"),
        (["--data", "DATA", "--out", "OUT", "--resume", "--seeds", "3"], 2, "leave them out"),
        (["--data", "DATA", "--out", "OUT", "--store-limit", "1e-9"], 2, "zoo.store prune"),
    ],
)
def test_mistakes_are_told(capsys, store, data, config, tmp_path, arguments, code, said) -> None:
    places = {"DATA": str(data), "OUT": str(tmp_path / "run")}
    done = call(capsys, "train", config, *(places.get(word, word) for word in arguments))
    assert (done.code, said in done.err) == (code, True), done.err


def test_every_fold_is_a_model(capsys, store, config, tmp_path) -> None:
    found = runs.samples(runs.BINDING, count=20)
    folds = [replace(s, split="", subset=f"fold{n % 5 + 1}") for n, s in enumerate(found)]
    data = runs.prepare(tmp_path / "bce", [runs.BINDING], folds, "ppbs")
    out = tmp_path / "run"
    done = call(capsys, "train", config, "--data", data, "--out", out, "--json")
    assert done.code == 0, done.err
    assert len(json.loads(done.out)["members"]) == 5
    held = [set(json.loads((out / f"fold_{n}" / "splits.json").read_text())["test"])
            for n in range(1, 6)]  # fmt: skip
    assert sum(map(len, held)) == len(set.union(*held)) == 20
    one = call(capsys, "train", config, "--data", data, "--out", tmp_path / "one", "--fold", 2)
    assert one.code == 0
    left, right = weights(tmp_path / "one"), weights(out / "fold_2")
    assert all((left[name] == right[name]).all() for name in left)


def test_validation_samples_are_drawn_where_the_data_have_none(
    capsys, store, config, tmp_path
) -> None:
    found = [replace(s, split="test" if s.split == "test" else "train")
             for s in runs.samples(runs.BINDING, count=24)]  # fmt: skip
    data = runs.prepare(tmp_path / "data2", [runs.BINDING], found)
    out = tmp_path / "run"
    done = call(capsys, "train", config, "--data", data, "--out", out)
    assert done.code == 0 and "drawn from the training samples" in done.err
    splits = json.loads((out / "splits.json").read_text())
    assert splits["validation"] and not {*splits["validation"]} & {*splits["train"]}
    scored = call(capsys, "evaluate", out, "--bootstrap", 10, "--split", "validation", "--json")
    assert scored.code == 0, scored.err
    assert json.loads(scored.out)["samples"] == len(splits["validation"])


def test_the_test_split_is_never_read(capsys, store, data, config, tmp_path, monkeypatch) -> None:
    from zoo.data.store import Store

    read: set[str] = set()
    get = Store.__getitem__

    def noted(self: Store, key: str) -> Any:
        read.add(key)
        return get(self, key)

    monkeypatch.setattr(Store, "__getitem__", noted)
    out = tmp_path / "run"
    assert call(capsys, "train", config, "--data", data, "--out", out).code == 0
    splits = json.loads((out / "splits.json").read_text())
    assert read == {*splits["train"], *splits["validation"]}


def start(*arguments: Any, env: dict[str, str] | None = None) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *map(str, arguments)], cwd=ROOT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**os.environ, **(env or {})},
    )  # fmt: skip


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_after_the_step_with_a_checkpoint(
    store, data, config, tmp_path, sent
) -> None:
    out = tmp_path / "run"
    arguments = ["-m", "zoo.train", config, "--data", data, "--out", out,
                 "--set", "train.epochs=5000", "--set", "train.patience=null"]  # fmt: skip
    process = start(*arguments)
    deadline = time.monotonic() + 100
    while not (out / "curves.csv").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(sent)
    text, _ = process.communicate(timeout=60)
    assert process.returncode == INTERRUPTED, text
    assert "stopped; continue with" in text and "Traceback" not in text
    assert (out / "checkpoints" / "last.ckpt").is_file()


def test_torchrun_trains_in_two_processes(store, data, config, tmp_path) -> None:
    """The command of docs/howto/training.md; what is told is told once."""
    out = tmp_path / "run"
    process = start(
        "-m", "torch.distributed.run", "--nproc_per_node=2", "--standalone", "-m", "zoo.train",
        config, "--data", data, "--out", out, "--accelerator", "cpu", "--devices", 2,
        "--strategy", "ddp", env={"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    text, _ = process.communicate(timeout=150)
    assert process.returncode == 0, text
    assert text.count("epoch 2 of 2") == 1 and (out / "model.safetensors").is_file()


def test_a_damaged_temperature_of_an_ensemble_is_refused(tmp_path: Path) -> None:
    from zoo.errors import CheckpointError
    from zoo.models.runs import ENSEMBLE, _shared, write_shared

    assert _shared(tmp_path) == {}
    write_shared(tmp_path, [{"fold": None, "targets": {"site": {"temperature": 1.5}}}])
    assert _shared(tmp_path) == {None: {"site": 1.5}}
    path = tmp_path / ENSEMBLE
    for text in (path.read_text().replace("1.5", "-1.5"), path.read_text()[:20], "[]"):
        path.write_text(text)
        with pytest.raises(CheckpointError, match="damaged"):
            _shared(tmp_path)
