"""What a folder's encoder gives here is what it gives on its own, or the folder is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.backbones import published
from zoo.backbones import agreement
from zoo.backbones import plm as plms
from zoo.backbones.hf import HFBackbone
from zoo.backbones.loading import load_plm, shape_of
from zoo.backbones.weights import locate
from zoo.errors import ConfigError, WeightsError

SEQUENCES = ["ACDEFGHIKLMNPQRSTVWY", "MKV", "W"]
PLAIN = {"tokenizer_class": "BertTokenizer", "do_lower_case": False}


def folder_of(kind: str, folder: Path) -> Path:
    """Write a published folder of an architecture."""
    folder = published.weights(kind, folder)
    if kind in ("t5", "xlnet"):
        return published.spiece(folder)
    if kind in ("modernbert", "nystromformer", "esmc"):
        return published.fast(folder)
    return published.vocab(folder, **({} if kind == "bert" else PLAIN))


def loaded(folder: Path, dtype: str = "float32") -> HFBackbone:
    plm = plms.resolve(str(folder))
    return load_plm(plm, locate(plm, "pretrained"), dtype=dtype, seed=0)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ZOO_STORE", str(tmp_path / "store"))
    return tmp_path / "store"


@pytest.fixture
def bert(tmp_path: Path, store: Path) -> Path:
    return folder_of("bert", tmp_path / "bert")


def never(seq: HFBackbone) -> str:
    raise AssertionError("tried again")


RIGHT = ("bert", "roberta", "electra", "distilbert", "mpnet", "roformer", "modernbert", "esm",
         "esmc", "t5", "deberta-v2")  # fmt: skip


@torch.no_grad()
@pytest.mark.parametrize("kind", RIGHT)
def test_a_published_folder_gives_what_transformers_gives(
    kind: str, tmp_path: Path, store: Path
) -> None:
    from transformers import AutoModel, T5EncoderModel

    folder = folder_of(kind, tmp_path / kind)
    seq, auto = loaded(folder), T5EncoderModel if kind == "t5" else AutoModel
    theirs = auto.from_pretrained(folder).eval()
    tokens, seen = seq.tokenize(SEQUENCES), {}
    last = seq(tokens.ids, tokens.attend, lambda k, h: seen.update({k: h}) or h)
    assert list(seen) == [1, 2, 3]
    for row, end in enumerate(tokens.attend.sum(1).tolist()):
        out = theirs(tokens.ids[row : row + 1, :end], output_hidden_states=True)
        same(last[row, :end], out.last_hidden_state[0])
        for k in (1, 2):  # the third may come after the final norm
            same(seen[k][row, :end], out.hidden_states[k][0])


def same(a: Tensor, b: Tensor) -> None:
    torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


WRONG = {
    "convbert": "depend on the other chains of the batch",
    "nystromformer": "depend on the other chains of the batch",
    "fnet": "depend on the other chains of the batch",
    "longformer": r"layer 1 gives states of shape \(2, 52, 32\), where \(2, 50, 32\)",
    "xlnet": r"layer 1 gives states of shape \(50, 2, 32\), where \(2, 50, 32\)",
    "big_bird": 'set "attention_type": "original_full" in its config.json',
    "xlm": "are not those of transformers' own output_hidden_states",
    "funnel": "cannot be used",
    "albert": "does not keep its 3 layers in one list",
}


@pytest.mark.parametrize("kind", WRONG)
def test_an_encoder_that_runs_otherwise_is_refused(kind: str, tmp_path: Path, store: Path) -> None:
    folder = folder_of(kind, tmp_path / kind)
    with pytest.raises(ConfigError, match=WRONG[kind]):
        loaded(folder)


def test_big_bird_runs_once_its_attention_is_whole(tmp_path: Path, store: Path) -> None:
    folder = folder_of("big_bird", tmp_path)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"attention_type": "original_full"}))
    assert loaded(folder).num_layers == 3


def test_what_is_no_encoder_at_all_is_an_error_without_a_traceback(
    tmp_path: Path, store: Path
) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "clip"}))
    plm = plms.resolve(str(tmp_path))
    with pytest.raises(WeightsError, match="names no single number of layers"):
        shape_of(plm, locate(plm, "random"))


def test_what_a_layer_gives_is_held_against_the_hidden_states(
    bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seq = loaded(bert)
    theirs = seq.model.forward

    def shifted(*args: object, **given: object) -> object:
        out = theirs(*args, **given)
        if given.get("output_hidden_states"):
            out.hidden_states = (*out.hidden_states[:2], out.hidden_states[2] * 1.01,
                                 *out.hidden_states[3:])  # fmt: skip
        return out

    monkeypatch.setattr(seq.model, "forward", shifted)
    assert "after layer 2 are not those" in agreement.problem(seq)


# ---------------------------------------------------------------------------------- what is kept


def test_a_folder_is_tried_once(bert: Path, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded(bert)
    (kept,) = (store / agreement.FOLDER).iterdir()
    assert json.loads(kept.read_text()) == {"folder": str(bert), "problem": ""}
    monkeypatch.setattr(agreement, "problem", never)
    loaded(bert)


def test_a_refusal_is_kept_too(
    tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = folder_of("convbert", tmp_path / "convbert")
    for attempt in (agreement.problem, never):
        monkeypatch.setattr(agreement, "problem", attempt)
        with pytest.raises(ConfigError, match="depend on the other chains"):
            loaded(folder)


@pytest.mark.parametrize("name", ["config.json", "vocab.txt", "pytorch_model.bin"])
def test_a_changed_file_is_tried_again(
    bert: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    loaded(bert)
    monkeypatch.setattr(agreement, "problem", never)
    if name == "pytorch_model.bin":
        published.weights("bert", bert, seed=1)
    else:
        (bert / name).write_text((bert / name).read_text() + "\n")
    with pytest.raises(AssertionError, match="tried again"):
        loaded(bert)


def test_another_dtype_is_tried_by_itself(bert: Path, store: Path) -> None:
    loaded(bert)
    assert loaded(bert, "bfloat16").width == 32
    assert len(list((store / agreement.FOLDER).iterdir())) == 2


@pytest.mark.parametrize("text", ["", "[]", "{", '{"problem": 1}'])
def test_a_damaged_record_is_no_answer(bert: Path, store: Path, text: str) -> None:
    loaded(bert)
    (kept,) = (store / agreement.FOLDER).iterdir()
    kept.write_text(text)
    loaded(bert)
    assert json.loads(kept.read_text())["problem"] == ""


def test_a_store_that_cannot_be_written_is_no_error(bert: Path, store: Path) -> None:
    store.write_text("a file where the folder should be")
    assert loaded(bert).width == 32


def test_what_comes_with_the_package_is_not_tried(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agreement, "problem", never)
    plm = plms.resolve("plm_mini")
    load_plm(plm, locate(plm, "pretrained"), dtype="float32", seed=0)
    preset = plms.resolve("esm2_8m")
    load_plm(preset, locate(preset, "random"), dtype="float32", seed=0)
    assert not store.exists()
