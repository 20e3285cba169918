"""Every preset's family, built tiny: layers, batches, and the tokens of its authors' code."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from tests.backbones import published
from zoo.backbones import agreement, residue_tokens
from zoo.backbones import plm as plms
from zoo.backbones.hf import HFBackbone
from zoo.backbones.loading import load_plm, shape_of
from zoo.backbones.weights import Weights, locate
from zoo.errors import WeightsError
from zoo.models.create import create_model
from zoo.models.tuning import tune
from zoo.settings.config import SequenceConfig

CHAIN = "ACDEFGHIKLMNPQRSTVWYXUZOB"
ONE_EACH = {preset.family: preset for preset in reversed(plms.PRESETS)}


def tiny_config(preset: plms.Preset) -> Any:
    """Return a preset's architecture with three layers of width 32."""
    inner = {"d_ff": 48, "d_kv": 8} if "t5" in preset.family or preset.family == "ankh" else {}
    if preset.family == "esmc":
        inner = {"intermediate_size": 48}
    small = dataclasses.replace(preset, num_layers=3, width=32, num_heads=4, sizes=inner)
    return plms.architecture(small)


def tiny(family: str) -> HFBackbone:
    from transformers import AutoModel, AutoModelForTextEncoding

    config = tiny_config(ONE_EACH[family])
    auto = AutoModelForTextEncoding if config.model_type == "t5" else AutoModel
    # Which letters Ankh's ids are does not matter here; from_pretrained reads them off its files.
    letters = residue_tokens.published("t5" if family == "ankh" else family)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return HFBackbone(auto.from_config(config), letters, frozen=True)


@pytest.mark.parametrize("family", ONE_EACH)
def test_layers_are_those_of_transformers_and_no_batch_matters(family: str) -> None:
    assert agreement.problem(tiny(family)) == ""


@torch.no_grad()
@pytest.mark.parametrize("family", ONE_EACH)
@pytest.mark.parametrize("k", [1, 2, 3])
def test_a_family_starts_midway_bit_for_bit(family: str, k: int) -> None:
    seq, full, started = tiny(family), {}, {}
    tokens = seq.tokenize([CHAIN, "MKV"])
    out = seq(tokens.ids, tokens.attend, lambda j, h: full.update({j: h}) or h)
    again = seq(tokens.ids, tokens.attend, lambda j, h: started.update({j: h}) or h, (k, full[k]))
    assert torch.equal(again, out) and list(started) == list(range(k, 4))
    assert all(torch.equal(h, full[j]) for j, h in started.items())


@pytest.mark.parametrize("family", ONE_EACH)
def test_adapters_find_the_attention(family: str) -> None:
    seq = tiny(family)
    tune(seq, SequenceConfig(tuning="lora"))
    adapted = {n for n, p in seq.named_parameters() if p.requires_grad}
    assert len(adapted) == 3 * 3 * 2  # queries, keys and values of three layers, A and B each


def replaced(gap: str = " ") -> str:
    return gap.join(re.sub(r"[UZOB]", "X", CHAIN))


def ids(family: plms.Family) -> list[int]:
    found: list[int] = residue_tokens.published(family)([CHAIN]).ids[0].tolist()
    return found


def test_esmc_reads_as_its_own_tokenizer() -> None:
    from transformers import EsmcTokenizer

    assert ids("esmc") == EsmcTokenizer()(CHAIN)["input_ids"]


def test_prot_bert_reads_as_its_own_tokenizer(tmp_path: Path) -> None:
    from transformers import BertTokenizer

    theirs = BertTokenizer.from_pretrained(published.vocab(tmp_path, do_lower_case=False))
    assert ids("prot_bert") == theirs(replaced())["input_ids"]


@pytest.mark.parametrize("family", ["t5", "prost_t5"])
def test_t5_reads_as_its_own_tokenizer(family: plms.Family) -> None:
    from transformers import T5Tokenizer

    words = residue_tokens._PROT_T5
    pieces = [(w if len(w) > 1 else "\u2581" + w, 0.0) for w in words]
    theirs = T5Tokenizer(vocab=pieces, extra_ids=100)
    theirs.add_tokens([*"algvsredtipkfqnymhwc", "<fold2AA>", "<AA2fold>"])
    prefix = "<AA2fold> " if family == "prost_t5" else ""
    assert ids(family) == theirs(prefix + replaced())["input_ids"]
    assert residue_tokens.published(family)(["A"]).start == (1 if prefix else 0)


@pytest.mark.parametrize("prefix", ["", "[NLU]"], ids=["ankh", "ankh3"])
def test_ankh_reads_as_its_own_tokenizer(tmp_path: Path, prefix: str) -> None:
    from transformers import AutoTokenizer

    folder = published.weights("t5", tmp_path, feed_forward_proj="gated-gelu")
    published.ankh(folder, ["[NLU]", "[S2S]"] if prefix else [])
    theirs = AutoTokenizer.from_pretrained(folder)
    table = residue_tokens.from_pretrained(str(folder))
    assert table([CHAIN]).ids[0].tolist() == theirs(prefix + CHAIN)["input_ids"]
    assert table.num_special == (2 if prefix else 1)
    plm = plms.resolve(str(folder))
    assert load_plm(plm, locate(plm, "pretrained"), dtype="float32", seed=0).num_layers == 3


def test_an_alphabet_that_only_its_files_tell_is_never_guessed() -> None:
    with pytest.raises(WeightsError, match="alphabet of ankh is read from its own files"):
        create_model("ankh_base", "gvp", weights="random")


@pytest.mark.parametrize("name", ["ankh3_large", "ProstT5", "ProtBert", "biohub/ESMC-600M"])
def test_names_that_people_use_are_known(name: str) -> None:
    assert "/" in plms.resolve(name).hub_id


def test_a_folder_of_the_hub_tells_the_size_where_no_commit_is_pinned(tmp_path: Path) -> None:
    folder = published.weights("esmc", tmp_path)
    assert shape_of(plms.resolve("esmc_300m"), Weights("random")) == (30, 960)
    assert shape_of(plms.resolve("esmc_300m"), Weights("pretrained", folder)) == (3, 32)
    assert shape_of(plms.resolve("esm2_8m"), Weights("pretrained", folder)) == (6, 320)


def test_a_name_whose_weights_never_ran_here_is_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_STORE", str(tmp_path / "store"))
    folder = published.vocab(published.weights("bert", tmp_path / "bert"))
    load_plm(plms.resolve("prot_bert"), Weights("pretrained", folder), dtype="float32", seed=0)
    assert len(list((tmp_path / "store" / agreement.FOLDER).iterdir())) == 1


def test_gradients_reach_every_weight_of_esmc() -> None:
    seq = tiny("esmc")
    seq.requires_grad_(True)
    tokens = seq.tokenize([CHAIN, "MKV"])
    out = seq(tokens.ids, tokens.attend)
    (out * torch.randn_like(out)).sum().backward()
    assert isinstance(seq.layers, nn.ModuleList)
    assert [name for name, p in seq.named_parameters() if p.grad is None] == []
