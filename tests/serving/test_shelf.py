"""The models that the page offers: loaded once, and nothing else is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.test_predict import run_folder
from zoo.errors import CheckpointError, ConfigError
from zoo.pretrained import task_models
from zoo.serving import shelf
from zoo.serving.shelf import Shelf


def test_own_runs_come_first_and_each_model_is_loaded_once(
    tmp_path: Path, plm_folders: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = str(run_folder(tmp_path / "run", "binary", plm_folders["esm"]))
    found = Shelf([run, "ppbs"], "cpu")
    assert found.names == (run, "ppbs", *(name for name in task_models() if name != "ppbs"))
    assert Shelf().names == ("ppbs", *(name for name in task_models() if name != "ppbs"))
    loaded = []
    load = shelf.load_ensemble
    monkeypatch.setattr(
        shelf, "load_ensemble", lambda name, device: loaded.append(name) or load(name, device)
    )
    assert found[run] is found[run] and found["bce"] is found["bce"]
    assert loaded == [run, "bce"]


def test_only_what_is_offered_is_loaded(tmp_path: Path, plm_folders: dict[str, str]) -> None:
    other = str(run_folder(tmp_path / "run", "binary", plm_folders["esm"]))
    found = Shelf([], "cpu")
    for ask in (found.__getitem__, found.about, found.warnings):
        with pytest.raises(ConfigError, match="Unknown model"):
            ask(other)


def test_a_folder_that_is_no_model_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="is not a trained model"):
        Shelf([str(tmp_path)])


def test_a_model_says_what_it_predicts_and_what_it_is_not_for() -> None:
    found = Shelf([], "cpu")
    assert found.about("bce") == "It predicts epitope for each residue; it learned single chains."
    assert found.warnings("bce") == []
    assert "no measure" in found.warnings("mqa")[0]
    assert all(found.about(name) for name in found.names)
