"""The script that puts trained models into the package."""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests import shelf
from tests.conftest import REPOSITORY
from tests.training import runs
from tests.verbs import call
from zoo import pretrained
from zoo.data.layouts.base import find_layout
from zoo.data.preparing import contents
from zoo.training.fitting import train


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, REPOSITORY / "benchmarks" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look themselves up there
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def plm(tmp_path: Path) -> str:
    return shelf.save_plm("esm", tmp_path / "plm")


@pytest.mark.filterwarnings("ignore:a chain of 70 residues is longer")
def test_a_packed_run_predicts_and_its_card_has_its_scores(
    plm: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = runs.quick_data(tmp_path / "data", runs.BINDING)
    job = runs.job(data, plm, tmp_path / "run", tmp_path / "store", **{"train.epochs": 1})
    train(job)
    from zoo.training.record import begin

    begin(job.folder, job.config, job.data, job.manifest, job.targets,
          [{"folder": ".", "name": "seed 0", "fold": None, "seed": 0}])  # fmt: skip
    assert call(capsys, "evaluate", job.folder, "--bootstrap", 20).code == 0
    monkeypatch.setattr(pretrained, "HOME", tmp_path / "home")
    pack = script("pack_model")
    monkeypatch.setattr(pack, "HOME", tmp_path / "home")
    given = argparse.Namespace(
        title="Sites", source="here", not_for="much", command="zoo.train", remark=""
    )
    pack.pack_run(job.folder, tmp_path / "home" / "sites", given)
    card = (tmp_path / "home" / "sites" / "README.md").read_text()
    metrics = json.loads((job.folder / "metrics.json").read_text())
    (part,) = (p for p in metrics["targets"]["binding_site"]["parts"]
               if p["model"] == "model" and p["subset"] == "all")  # fmt: skip
    assert f"{part['values']['average_precision']['value']:.3f} (" in card
    assert str(tmp_path) not in (tmp_path / "home" / "sites" / "run.json").read_text().replace(
        str(plm), "")  # fmt: skip
    assert pretrained.task_models() == ["sites"]
    done = call(capsys, "predict", REPOSITORY / "zoo/examples/1a8o.cif.gz", "--model", "sites",
                "--out", tmp_path / "found")  # fmt: skip
    assert done.code == 0, done.err
    again = call(capsys, "evaluate", "sites", "--data", data, "--out", tmp_path / "scores",
                 "--bootstrap", 20, "--json")  # fmt: skip
    assert again.code == 0, again.err
    assert json.loads(again.out)["targets"] == metrics["targets"]


@pytest.mark.parametrize("name", ["bce", "mqa", "ppbs", "ppbs_local"])
def test_a_shipped_model_knows_its_data_again(name: str, data_dir: Path) -> None:
    """Wherever they lie, and whenever they were copied there: else nobody could score it."""
    run = json.loads((pretrained.HOME / name / "run.json").read_text())
    layout = find_layout(run["task"], data_dir / run["task"])
    assert contents(layout) == run["inputs"]
