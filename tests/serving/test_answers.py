"""The answer is that of `zoo predict`, within limits, and nothing of it stays on the disk."""

from __future__ import annotations

import io
import re
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tests import shelf
from tests.test_predict import run_folder
from tests.verbs import call
from zoo.errors import StructureError
from zoo.models.thresholds import write_thresholds
from zoo.prediction.ensemble import Ensemble, in_scope, load_ensemble
from zoo.proteins.files.scores import write_scored
from zoo.serving import answers
from zoo.serving.answers import CUT, answer
from zoo.serving.given import Given, given

DATA = re.compile(r'<script type="application/json" id="proteins">(.*?)</script>')


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A run for residues with a threshold, and one for proteins, both of single chains."""
    root = tmp_path_factory.mktemp("runs")
    plm = shelf.save_plm("esm", root / "plm")
    found = {
        kind: run_folder(root / kind, kind, plm, values={"scope": "chain"})
        for kind in ("binary", "regression")
    }
    write_thresholds(found["binary"], {"site": {"threshold": 0.5}})
    return found


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A structure of two chains."""
    found = tmp_path / "pair.pdb"
    write_scored(found, (made := shelf.two_chains()), np.zeros(len(made)))
    return found


def dropped(path: Path) -> Given:
    return given(path.name, path.read_bytes())


def archive(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


@pytest.mark.parametrize(
    ("chains", "scope", "options"),
    [
        (("A", "B"), None, ()),
        (("A", "B"), "complex", ("--as", "complex")),
        (("B",), None, ("--chain", "B")),
    ],
)
@pytest.mark.parametrize("kind", ["binary", "regression"])
def test_the_files_equal_those_of_the_verb(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, runs: dict[str, Path], path: Path,
    kind: str, chains: tuple[str, ...], scope: str | None, options: tuple[str, ...],
) -> None:  # fmt: skip
    out = tmp_path / "o"
    residues = kind == "binary"
    given = ("predict", path, "--model", runs[kind], "--out", out, "--page", *options)
    done = call(capsys, *given, *["--structures"] * residues)
    assert done.code == 0, done.err
    ensemble = in_scope(load_ensemble(runs[kind]), scope)
    found = answer(dropped(path), chains, ensemble, model=str(runs[kind]), asked=scope)
    written = {
        file.relative_to(out).as_posix(): file.read_bytes()
        for file in out.rglob("*")
        if file.is_file() and file.name != "journal.jsonl"
    }
    inside = archive(found.files["pair.zip"])
    assert DATA.findall(inside.pop("index.html").decode()) == DATA.findall(found.page)
    assert DATA.findall(written.pop("index.html").decode()) == DATA.findall(found.page)
    assert inside == written
    assert found.files["predictions.csv"] == written["predictions.csv"]
    assert [*found.files] == ["predictions.csv", "index.html", *(
        [f"{stem}{end}" for stem in [f"pair_{chains[0]}" if len(chains) == 1 else "pair"]
         for end in (".cxc", ".pml")] * residues
    ), "pair.zip"]  # fmt: skip
    assert found.notes == [CUT] * (len(chains) > 1 and scope is None)


def test_chains_alone_and_together_are_two_answers_of_the_same_models(
    runs: dict[str, Path], path: Path
) -> None:
    ensemble = load_ensemble(runs["binary"])
    ask = ("A", "B")
    alone = answer(dropped(path), ask, ensemble, model="m")
    together = answer(dropped(path), ask, in_scope(ensemble, "complex"), model="m", asked="complex")
    assert alone.files["predictions.csv"] != together.files["predictions.csv"]
    assert ensemble.scope == "chain"
    assert answer(dropped(path), ask, ensemble, model="m") == alone


def test_too_many_residues_are_refused_and_fewer_chains_are_taken(
    runs: dict[str, Path], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = dropped(path)
    monkeypatch.setattr(answers, "MOST_RESIDUES", max(count for _, count in one.chains))
    ensemble = load_ensemble(runs["binary"])
    with pytest.raises(StructureError, match=r"chosen chains of pair\.pdb have .* Choose fewer"):
        answer(one, ["A", "B"], ensemble, model="m")
    assert answer(one, ["A"], ensemble, model="m").files


def test_nothing_stays_on_the_disk_and_no_folder_is_told(
    runs: dict[str, Path], path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    one, ensemble = dropped(path), load_ensemble(runs["binary"])
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    answer(one, ["A"], ensemble, model="m")
    assert [*folder.iterdir()] == []

    def failing(self: Ensemble, proteins: list) -> None:
        raise StructureError(f"{proteins[0].source}: has something")

    monkeypatch.setattr(Ensemble, "predict", failing)
    with pytest.raises(StructureError, match="has something") as told:
        answer(one, ["A"], ensemble, model="m")
    assert str(folder) not in str(told.value) and "pair.pdb" in str(told.value)
    assert [*folder.iterdir()] == []


def test_what_is_known_of_the_model_stands_on_the_page(runs: dict[str, Path], path: Path) -> None:
    ensemble = load_ensemble(runs["binary"])
    found = answer(dropped(path), ["A"], ensemble, model="<m>", warnings=["Beware of <it>."])
    assert "Beware of &lt;it&gt;." in found.page and "by the model &lt;m&gt;" in found.page
