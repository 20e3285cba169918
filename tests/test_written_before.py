"""What an earlier version wrote is read as before: data, models, runs, studies and configs."""

from __future__ import annotations

import csv
import dataclasses
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch
from safetensors.torch import load_file

from hpo.retrain import config_of
from hpo.study import MADE_FOR, open_storage
from tests.verbs import call
from zoo.data.preparing import STORE, read_manifest
from zoo.data.store import Store
from zoo.models.blueprint import resolve
from zoo.models.branches import with_neighbours
from zoo.settings.config import Config, config_names, is_config, load_config
from zoo.settings.revision import FIRST

HERE = Path(__file__).parent / "written_before"
CONFIGS = json.loads((HERE / "configs.json").read_text())


@pytest.fixture
def before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the files that can be written to."""
    monkeypatch.setenv("ZOO_STORE", str(tmp_path / "cache"))
    shutil.copytree(HERE, tmp_path / "before")
    return tmp_path / "before"


def _known(now: dict, before: dict) -> dict:
    """Return the keys that were there before; those that came later have their defaults."""
    return {
        key: _known(now[key], value) if isinstance(value, dict) else now[key]
        for key, value in before.items()
    }


@pytest.mark.parametrize("name", CONFIGS)
def test_a_config_that_was_shipped_means_what_it_meant(name: str) -> None:
    assert is_config(name)
    if name in config_names():
        found = load_config(name)
    else:
        with pytest.warns(UserWarning, match=f"the config '{name}' is now: ppbs_"):
            found = load_config(name)
    found = with_neighbours(found)  # which shipped configs leave to the graph network now
    assert _known(found.to_dict(), CONFIGS[name]) == CONFIGS[name]
    assert Config.from_dict(CONFIGS[name]) == dataclasses.replace(found, revision=FIRST)


@pytest.mark.parametrize("name", sorted(set(CONFIGS) - set(config_names())))
def test_the_command_that_replaces_a_config_makes_the_same_model(name: str) -> None:
    with pytest.warns(UserWarning) as caught:
        old = load_config(name)
    words = str(caught[0].message).partition(" is now: ")[2].split()
    keys = {"--task": "task", "--seq": "sequence.name", "--struct": "structure.name",
            "--fusion": "fusion.name"}  # fmt: skip
    given = {keys[word]: words[at + 1] for at, word in enumerate(words) if word in keys}
    new = load_config(words[0]).with_options(given)
    first, second = (
        resolve(config.with_options({"sequence.weights": "random"})) for config in (old, new)
    )
    for part in ("plm", "structure", "fusion", "fusion_name", "exchanges", "graph", "targets",
                 "head", "width"):  # fmt: skip
        assert getattr(first, part) == getattr(second, part), part
    assert (old.seed, old.train) == (new.seed, new.train)


def test_prepared_data_are_read() -> None:
    manifest = read_manifest(HERE / "prepared")
    assert manifest["complete"] and manifest["samples"] == 10
    with Store(HERE / "prepared" / STORE) as store:
        sample = store["p0"]
    assert len(sample.protein) == len(sample.targets["site"])


def test_a_run_is_scored_as_before(before: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = json.loads((HERE / "run" / "metrics.json").read_text())
    done = call(capsys, "evaluate", before / "run", "--data", before / "prepared",
                "--out", before / "scores", "--json")  # fmt: skip
    assert done.code == 0, done.err
    new = json.loads(done.out)
    before, now = (found["targets"]["site"]["parts"] for found in (old, new))
    was_there = {part["model"] for part in before}  # baselines came later
    again = [part for part in now if part["model"] in was_there]
    # Sums are added up in another order since, which may change the sixteenth digit.
    assert dict(leaves(again)) == {
        path: pytest.approx(value, rel=1e-12) if isinstance(value, float) else value
        for path, value in leaves(before)
    }


def leaves(facts: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each value of nested lists and dicts with its path."""
    if not isinstance(facts, dict | list):
        yield path, facts
        return
    for key, value in facts.items() if isinstance(facts, dict) else enumerate(facts):
        yield from leaves(value, f"{path}/{key}")


@pytest.mark.filterwarnings("ignore:The dirpath has changed")  # these files were moved here
def test_a_training_that_was_stopped_goes_on_to_the_same_weights(
    before: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = call(capsys, "train", "--resume", "--out", before / "stopped",
                "--data", before / "prepared")  # fmt: skip
    assert done.code == 0, done.err
    ours, theirs = (
        load_file(folder / "model.safetensors") for folder in (before / "stopped", HERE / "run")
    )
    assert ours.keys() == theirs.keys()
    assert all(torch.allclose(ours[key], theirs[key], atol=1e-5) for key in ours)


def test_predictions_are_those_of_before(before: Path, capsys: pytest.CaptureFixture[str]) -> None:
    inputs = [before / "p0.pdb", before / "p1.pdb"]
    done = call(capsys, "predict", *inputs, "--model", before / "run", "--out", before / "again")
    assert done.code == 0, done.err
    tables = [
        list(csv.DictReader((folder / "predictions.csv").read_text().splitlines()))
        for folder in (before / "again", HERE / "found")
    ]
    assert len(tables[0]) == len(tables[1])
    for row, old in zip(*tables, strict=True):
        assert [*row] == [*old, "site_call"]  # the columns of before keep their places
        for key in old:
            same = row[key] == old[key]
            assert same or abs(float(row[key]) - float(old[key])) < 1e-4, key


def test_a_file_of_features_is_gone_on_with(
    before: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = call(capsys, "embed", before / "p1.pdb", "--model", before / "run",
                "--out", before / "features.h5")  # fmt: skip
    assert done.code == 0, done.err
    assert "1 written" in done.out


def test_a_study_is_gone_on_with(before: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (study,) = optuna.get_all_study_names(open_storage(str(before / "study.log")))
    found = optuna.load_study(study_name=study, storage=open_storage(str(before / "study.log")))
    trial = found.trials[1]
    config = Config.from_dict(config_of(found.user_attrs[MADE_FOR], trial))
    assert config.revision == FIRST
    assert config.fusion.after == trial.user_attrs["after"]
    done = call(
        capsys, "search", before / "gnn.yaml", "--data", before / "prepared", "--storage",
        before / "study.log", "--name", study, "--space", "smoke", "--trials", 4, "--retrain", 0,
        "--set", "train.epochs=1", "--set", "fusion.args.gate_width=8",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert "3 of 4 trials done" in done.err
