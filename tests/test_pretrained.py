"""What comes trained with the package: names, sizes, cards, and that it runs."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import torch

import zoo
from tests import shelf
from tests.conftest import REPOSITORY
from tests.verbs import call
from zoo import pretrained

EXAMPLE = REPOSITORY / "zoo" / "examples" / "1a8o.cif.gz"
for_every_language_model = pytest.mark.parametrize("name", pretrained.language_models())
for_every_task_model = pytest.mark.parametrize("name", pretrained.task_models())


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_there_is_a_language_model() -> None:
    assert "plm_mini" in zoo.list_backbones("sequence")


@for_every_language_model
def test_a_language_model_is_small_trained_and_loads_without_a_download(name: str) -> None:
    model = zoo.create_model(name, "gvp", fusion="local")  # pretrained is the default
    assert model.recipe.weights is not None and model.recipe.weights.kind == "pretrained"
    assert model.recipe.config.sequence.name == name  # and no path of this machine
    assert size(pretrained.HOME / name) < 20_000_000
    features = model.features(model.batch([shelf.ordinary(20)]))
    assert features.isfinite().all()


@for_every_language_model
def test_a_language_model_beats_counting_and_its_card_says_so(name: str) -> None:
    facts = json.loads((pretrained.HOME / name / "pretraining.json").read_text())
    found = facts["perplexity"]
    assert found["model"] < 0.9 * min(v for key, v in found.items() if key != "model")
    card = (pretrained.HOME / name / "README.md").read_text()
    assert all(f"{value:.2f}" in card for value in found.values())


@for_every_language_model
def test_a_language_model_tells_residues_from_their_context(name: str) -> None:
    """A hidden residue of a real protein is more likely to it than by chance, on average."""
    from transformers import EsmForMaskedLM

    from zoo.pretraining.batches import batches
    from zoo.pretraining.loop import published
    from zoo.pretraining.network import loss

    tokenizer = published("esm2")
    sequence = zoo.read_structure(EXAMPLE).chains[0].sequence
    model = EsmForMaskedLM.from_pretrained(pretrained.HOME / name, dtype=torch.float32).eval()
    looks = [next(batches([sequence], tokenizer, longest=254, budget=512, seed=s))
             for s in range(20)]  # fmt: skip
    with torch.no_grad():
        told = [loss(model, batch) for batch in looks]
    nats = sum(float(x) for x, _ in told) / sum(n for _, n in told)
    assert nats < 2.9  # of 3.0 for twenty letters alike


@for_every_task_model
def test_a_task_model_is_small_and_its_card_has_what_a_card_needs(name: str) -> None:
    folder = pretrained.folder_of(name)
    assert size(folder) < 5_000_000
    card = (folder / "README.md").read_text()
    for part in ("## Scores", "## Made by", "## Data", "## Not for", "best baseline"):
        assert part in card, part
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["split_hash"] in card and not metrics["random_plm"]
    text = "".join(path.read_text() for path in folder.rglob("*.json"))
    assert "/work" not in text and "/home" not in text


@for_every_task_model
def test_a_task_model_predicts_from_its_name(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = call(capsys, "predict", EXAMPLE, "--model", name, "--out", tmp_path / "out")
    assert done.code == 0, done.err
    with (tmp_path / "out" / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert rows and name in zoo.list_models(pretrained=True)


def test_what_must_be_known_of_a_model_is_listed_and_said_before_it_predicts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = {name: name.warning for name in zoo.list_models(pretrained=True)}
    assert "worse than a constant" in told["mqa_made_decoys"] and not told["ppbs"]
    listed = call(capsys, "list", "mqa*")
    name = "mqa_made_decoys"
    done = call(capsys, "predict", EXAMPLE, "--model", name, "--out", tmp_path / "a", "--quiet")
    assert done.code == 0 and done.err.splitlines()[0] == f"{name}: {told[name]}"
    assert f"{name}: {told[name]}" in listed.out
    done = call(capsys, "predict", EXAMPLE, "--model", "bce", "--out", tmp_path / "b", "--quiet")
    assert done.code == 0 and "bce: " not in done.err


def test_a_folder_of_ones_own_is_not_asked_what_must_be_known_of_it(tmp_path: Path) -> None:
    (tmp_path / pretrained.WARNING).write_text("mine")
    assert pretrained.warning(tmp_path) == ""


def test_a_folder_of_ones_own_comes_before_a_name(tmp_path: Path) -> None:
    assert pretrained.folder_of(tmp_path) == tmp_path
    assert pretrained.folder_of("nothing") == Path("nothing")


@pytest.mark.parametrize("name", pretrained.task_models())
def test_a_folder_without_a_model_hides_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).mkdir()
    assert pretrained.folder_of(name) == pretrained.HOME / name
    (tmp_path / name / "run.json").touch()
    assert pretrained.folder_of(name) == Path(name)


@for_every_task_model
def test_a_wrong_name_names_the_nearest(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = call(capsys, "predict", EXAMPLE, "--model", f"{name}x", "--out", tmp_path / "out")
    assert done.code == 5 and f"Did you mean '{name}'?" in done.err


@for_every_task_model
def test_scores_of_a_shipped_model_are_not_written_into_the_package(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    done = call(capsys, "evaluate", name)
    assert done.code == 2 and "--out is missing" in done.err
