"""`zoo pretrain`, from a FASTA file to a language model that everything else takes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

import zoo
from tests import shelf
from tests.pretraining.test_corpus import drawn, fasta
from tests.pretraining.test_structures import written
from tests.verbs import call
from zoo.backbones.loading import load_plm
from zoo.backbones.plm import resolve
from zoo.backbones.weights import locate

SMALL = ("--layers", 2, "--width", 16, "--heads", 2, "--tokens", 4000, "--budget", 400,
         "--every", 2000)  # fmt: skip


@pytest.fixture
def no_kin(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("parting", "structures"):
        monkeypatch.setattr(f"zoo.pretraining.{module}.kin", lambda queries, targets: set())
    monkeypatch.setattr(
        "zoo.pretraining.parting.families", lambda named: {n: i for i, n in enumerate(named)}
    )
    monkeypatch.setattr("zoo.pretraining.structures.carried", lambda *_: [])


def test_the_model_is_written_and_serves_as_a_sequence_backbone(
    no_kin: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sequences = fasta(tmp_path / "in.fasta.gz", drawn(60))
    done = call(capsys, "pretrain", sequences, "--out", tmp_path / "plm", *SMALL, "--json")
    assert done.code == 0, done.err
    facts = json.loads(done.out)
    assert set(facts["perplexity"]) == {"model", "unigram", "trigram", "neighbours"}
    total = facts.pop("sum")
    assert total["in"] == 60 == total["done"] + total["left_out"]
    assert facts == json.loads((tmp_path / "plm" / "pretraining.json").read_text())
    model = zoo.create_model(str(tmp_path / "plm" / "model"), "gvp", fusion="local")
    assert model.recipe.weights is not None and model.recipe.weights.kind == "pretrained"
    features = model.features(model.batch([shelf.ordinary(20)]))
    assert features.isfinite().all()


def test_what_is_loaded_is_what_was_trained(
    no_kin: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from transformers import EsmForMaskedLM

    sequences = fasta(tmp_path / "in.fasta.gz", drawn(60))
    assert call(capsys, "pretrain", sequences, "--out", tmp_path / "plm", *SMALL).code == 0
    folder = tmp_path / "plm" / "model"
    plm = resolve(str(folder))
    ours = load_plm(plm, locate(plm, "pretrained"), dtype="float32", seed=0)
    theirs = EsmForMaskedLM.from_pretrained(folder, dtype=torch.float32).eval()
    tokens = ours.tokenize(drawn(3))
    with torch.no_grad():
        mine = ours(tokens.ids, tokens.attend)
        whole = theirs.esm(input_ids=tokens.ids, attention_mask=tokens.attend.long())
    assert torch.allclose(mine, whole.last_hidden_state, atol=1e-5)


def test_the_same_command_goes_on_and_then_has_nothing_to_do(
    no_kin: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ("pretrain", fasta(tmp_path / "in.fasta.gz", drawn(60)), "--out", tmp_path, *SMALL)
    assert call(capsys, *command).code == 0
    before = (tmp_path / "model" / "model.safetensors").read_bytes()
    assert call(capsys, *command).code == 0
    assert (tmp_path / "model" / "model.safetensors").read_bytes() == before


def test_a_wrong_precision_is_refused_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = call(capsys, "pretrain", tmp_path / "x.fasta", "--out", tmp_path, "--precision", "int8")
    assert done.code == 2 and "float32 or bf16" in done.err


def test_a_missing_file_is_an_error_that_names_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = call(capsys, "pretrain", tmp_path / "x.fasta", "--out", tmp_path / "out")
    assert done.code == 2 and "x.fasta" in done.err and not (tmp_path / "out").exists()


def test_structures_are_counted_and_leave_nothing_in_the_model(
    no_kin: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sequences = fasta(tmp_path / "in.fasta.gz", drawn(60))
    written(tmp_path / "known", *(shelf.chain(40, seed=at) for at in range(5)), shelf.chain(9))
    names = []
    for out, more in (("with", ("--structures", tmp_path / "known")), ("without", ())):
        command = ("pretrain", sequences, "--out", tmp_path / out, *SMALL, *more)
        done = call(capsys, *command, "--json")
        assert done.code == 0, done.err
        facts = json.loads(done.out)
        with safe_open(tmp_path / out / "model" / "model.safetensors", "pt") as file:
            names.append(set(file.keys()))
        if more:
            assert "6 chains in = 5 done + 1 left out" in done.err
            total = facts["sum of structures"]
            assert (total["in"], total["done"], total["reasons"]) == (6, 5, {"short": 1})
            assert facts["accuracy"] == {}  # nothing is kin to held-out families here
            assert call(capsys, *command).code == 0  # nothing is left to do
    assert names[0] == names[1]


def test_a_folder_without_structures_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    sequences = fasta(tmp_path / "in.fasta.gz", drawn(9))
    done = call(capsys, "pretrain", sequences, "--out", tmp_path / "o", "--structures",
                tmp_path / "empty")  # fmt: skip
    assert done.code != 0 and "is not a structure" in done.err and not (tmp_path / "o").exists()
