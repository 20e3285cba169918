"""The script that puts trained models into the package."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from types import ModuleType

import pytest

from tests import shelf
from tests.conftest import REPOSITORY
from tests.scripts import script
from tests.training import runs
from tests.verbs import call
from zoo import pretrained
from zoo.data.layouts.base import find_layout
from zoo.data.preparing import contents
from zoo.training.fitting import train

WRITTEN_BEFORE = {
    "ppbs_serial": ("binding_site", [
        0.5304, 0.4036, 0.4928, 0.3761, 0.1977, 0.2496, 0.2899, 0.3405, 0.2720, 0.2735, 0.1043,
        0.2930, 0.2691, 0.2763, 0.2013, 0.3303, 0.4433, 0.3829, 0.4520, 0.3638, 0.3560, 0.4160,
        0.4702, 0.3764, 0.3584, 0.4196, 0.3041, 0.3338, 0.3090, 0.3594, 0.4341, 0.3105, 0.3040,
        0.5255, 0.4219, 0.1684, 0.1925, 0.3917, 0.4882, 0.2914, 0.1799, 0.3214, 0.2031, 0.0749,
        0.1778, 0.2948, 0.2686, 0.1065, 0.2607, 0.2664, 0.3548, 0.0839, 0.2225, 0.2551, 0.3676,
        0.3270, 0.3582, 0.3083, 0.2854, 0.2929, 0.4342, 0.3365, 0.2901, 0.1665, 0.2180, 0.2832,
        0.2167, 0.1649, 0.2940, 0.2604,
    ]),
    "bce_serial": ("epitope", [
        0.1275, 0.1782, 0.1173, 0.1244, 0.0885, 0.1459, 0.1397, 0.1609, 0.1315, 0.1299, 0.0852,
        0.1390, 0.1492, 0.1083, 0.0491, 0.1404, 0.1342, 0.0897, 0.1056, 0.1538, 0.1357, 0.0951,
        0.1557, 0.1338, 0.1367, 0.1528, 0.0932, 0.1305, 0.1572, 0.1321, 0.1168, 0.1103, 0.1277,
        0.1557, 0.0526, 0.0533, 0.1074, 0.1036, 0.0948, 0.0352, 0.0339, 0.1335, 0.0658, 0.0200,
        0.0784, 0.1256, 0.1304, 0.0344, 0.1049, 0.1199, 0.1235, 0.0331, 0.1086, 0.1257, 0.1565,
        0.1572, 0.1387, 0.1657, 0.1005, 0.1106, 0.0774, 0.1382, 0.1160, 0.0292, 0.0553, 0.1041,
        0.0652, 0.0258, 0.1560, 0.1607,
    ]),
}  # fmt: skip
"""Scores of 1A8O by the models `ppbs` and `bce` of the first version, by their names of today."""

REAL_MODELS = "mqa_real"
"""Folder of the development data with models of structure predictors, where there is one."""


@pytest.fixture
def pack(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script."""
    return script("pack_model", monkeypatch)


@pytest.fixture
def plm(tmp_path: Path) -> str:
    return shelf.save_plm("esm", tmp_path / "plm")


@pytest.mark.filterwarnings("ignore:a chain of 70 residues is longer")
def test_a_packed_run_predicts_and_its_card_has_its_scores(
    plm: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
    pack: ModuleType,
) -> None:  # fmt: skip
    data = runs.quick_data(tmp_path / "data", runs.BINDING)
    job = runs.job(data, plm, tmp_path / "run", tmp_path / "store",
                   **{"train.epochs": 1, "scope": "chain"})  # fmt: skip
    train(job)
    from zoo.training.record import begin

    begin(job.folder, job.config, job.data, job.manifest, job.targets,
          [{"folder": ".", "name": "seed 0", "fold": None, "seed": 0}])  # fmt: skip
    assert call(capsys, "evaluate", job.folder, "--bootstrap", 20).code == 0
    monkeypatch.setattr(pretrained, "HOME", tmp_path / "home")
    import model_cards

    words = model_cards.Words("Sites", "zoo.train", "On validation.", "Chains.", "here", "much")
    monkeypatch.setattr(pack, "words_of", lambda name: words)
    pack.pack(job.folder, tmp_path / "home" / "sites")
    card = (tmp_path / "home" / "sites" / "README.md").read_text()
    metrics = json.loads((job.folder / "metrics.json").read_text())
    (part,) = (p for p in metrics["targets"]["binding_site"]["parts"]
               if p["model"] == "model" and p["subset"] == "all")  # fmt: skip
    assert f"{part['values']['average_precision']['value']:.3f} (" in card
    best = metrics["targets"]["binding_site"]["differences"]["average_precision"]
    assert (
        f"| {best['baseline'].replace('_', ' ')} | " in card and f"| {best['value']:+.3f} (" in card
    )
    assert all(text in card for text in ("On validation.", "Chains.", "here", "much"))
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
    pack.pack(tmp_path / "scores", tmp_path / "home" / "sites")
    assert (tmp_path / "home" / "sites" / "README.md").read_text() == card


def test_a_model_that_knows_no_scope_is_not_packed(tmp_path: Path, pack: ModuleType) -> None:
    (tmp_path / "run.json").write_text('{"members": [{"folder": "."}]}')
    (tmp_path / "config.yaml").write_text("task: ppbs")
    (tmp_path / "out").mkdir()
    with pytest.raises(SystemExit, match="scope: chain"):
        pack.pack_run(tmp_path, tmp_path / "out", pack.words_of("ppbs"))
    assert (tmp_path / "out").is_dir()


@pytest.mark.parametrize("name", pretrained.task_models())
def test_the_card_of_a_shipped_model_is_what_the_script_writes(name: str, pack: ModuleType) -> None:
    folder = pretrained.HOME / name
    assert (folder / "README.md").read_text() == pack.card(folder, pack.words_of(name))


@pytest.mark.parametrize("name", WRITTEN_BEFORE)
def test_a_model_that_had_another_name_predicts_what_it_did(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = call(capsys, "predict", REPOSITORY / "zoo/examples/1a8o.cif.gz",
                "--model", name, "--out", tmp_path)  # fmt: skip
    assert done.code == 0, done.err
    column, expected = WRITTEN_BEFORE[name]
    with (tmp_path / "predictions.csv").open() as file:
        found = [float(row[column]) for row in csv.DictReader(file)]
    assert found == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("name", pretrained.task_models())
def test_a_shipped_model_knows_its_data_again(name: str, data_dir: Path) -> None:
    """Wherever they lie, and whenever they were copied there: else nobody could score it."""
    run = json.loads((pretrained.HOME / name / "run.json").read_text())
    folder = data_dir / (REAL_MODELS if name == "mqa" else run["task"])
    if not folder.exists():
        pytest.skip(f"{folder} is missing: the models of predictors that {name} was trained on")
    layout = find_layout(run["task"], folder)
    assert contents(layout) == run["inputs"]


def test_a_benchmark_is_copied_without_training_chains_that_have_kin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, out = tmp_path / "ppbs", tmp_path / "away"
    (root / "structures").mkdir(parents=True)
    (root / "table.csv").write_text("PDB ID,Set,Sample weight\n")
    near, far = ">1abcA\nA 1 M 0\nA 2 K 1\n", ">2abcB\nB 1 G 0\nB 2 P 1\n"
    for name in ("train", "test_60"):
        (root / f"labels_{name}.txt").write_text(near + far)
    copier = script("without_kin", monkeypatch)

    def kin(queries: dict[str, str], targets: dict[str, str]) -> set[str]:
        return {name for name, letters in targets.items() if letters in queries.values()}

    monkeypatch.setattr(copier, "kin", kin)
    copier.copy(root, out, {"0": "MK"})
    assert (out / "labels_train.txt").read_text() == far
    assert (out / "labels_test_60.txt").read_text() == near + far
    assert (out / "structures").resolve() == root / "structures"
