"""Every preset's family, built tiny: layers, batches, and the tokens of its authors' code."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from tests import shelf
from tests.backbones import published
from zoo.backbones import agreement, residue_tokens, structure_tokens
from zoo.backbones import plm as plms
from zoo.backbones.hf import HFBackbone
from zoo.backbones.loading import load_plm, shape_of
from zoo.backbones.weights import Weights, locate
from zoo.errors import WeightsError
from zoo.models import card
from zoo.models.card import model_card
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


def published_tokens(family: plms.Family) -> Any:
    module = structure_tokens if family == "saprot" else residue_tokens
    return module.published(family)


def tiny(family: str) -> HFBackbone:
    from transformers import AutoModel, AutoModelForTextEncoding

    config = tiny_config(ONE_EACH[family])
    auto = AutoModelForTextEncoding if config.model_type == "t5" else AutoModel
    # Which letters Ankh's ids are does not matter here; from_pretrained reads them off its files.
    letters = published_tokens("t5" if family == "ankh" else family)
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
    found: list[int] = published_tokens(family)([CHAIN]).ids[0].tolist()
    return found


def esm_tokens(folder: Path) -> list[int]:
    from transformers import EsmTokenizer

    shelf._save_tokenizer("esm", folder)
    found: list[int] = EsmTokenizer.from_pretrained(folder)(CHAIN)["input_ids"]
    return found


def esmc_tokens(folder: Path) -> list[int]:
    from transformers import EsmcTokenizer

    found: list[int] = EsmcTokenizer()(CHAIN)["input_ids"]
    return found


def bert_tokens(folder: Path) -> list[int]:
    from transformers import BertTokenizer

    theirs = BertTokenizer.from_pretrained(published.vocab(folder, do_lower_case=False))
    found: list[int] = theirs(replaced())["input_ids"]
    return found


def t5_tokens(folder: Path, prefix: str = "") -> list[int]:
    from transformers import T5Tokenizer

    words = residue_tokens._PROT_T5
    pieces = [(w if len(w) > 1 else "\u2581" + w, 0.0) for w in words]
    theirs = T5Tokenizer(vocab=pieces, extra_ids=100)
    theirs.add_tokens([*"algvsredtipkfqnymhwc", "<fold2AA>", "<AA2fold>"])
    found: list[int] = theirs(prefix + replaced())["input_ids"]
    return found


def saprot_tokens(folder: Path) -> list[int]:
    """Return the tokens of a chain without structure; pairs are in test_structure_tokens.py."""
    from transformers import EsmTokenizer

    standard = set(structure_tokens.RESIDUES)
    text = "".join(f"{letter if letter in standard else '#'}#" for letter in CHAIN)
    found: list[int] = EsmTokenizer.from_pretrained(shelf.save_saprot(folder))(text)["input_ids"]
    return found


#: What the tokenizer of each family's authors gives for `CHAIN`, from files of our own making.
THEIRS: dict[plms.Family, Callable[[Path], list[int]]] = {
    "esm2": esm_tokens, "esmc": esmc_tokens, "prot_bert": bert_tokens, "t5": t5_tokens,
    "prost_t5": lambda folder: t5_tokens(folder, "<AA2fold> "), "saprot": saprot_tokens,
}  # fmt: skip
#: Families whose letters only their own files tell: the test of Ankh's tokenizer reads them.
BY_FILES = {"ankh"}
#: Families that read structure as well: `test_structure_tokens.py` holds them against theirs.
PAIRED = {"saprot"}


@pytest.mark.parametrize("family", [x for x in ONE_EACH if x not in BY_FILES | PAIRED])
def test_a_family_reads_as_its_authors_tokenizer(family: plms.Family, tmp_path: Path) -> None:
    assert ids(family) == THEIRS[family](tmp_path)
    start = {"t5": 0}.get(family, 1)  # what is ahead of the first residue
    assert published_tokens(family)(["A"]).start == start


@pytest.mark.parametrize("family", ONE_EACH)
def test_how_a_family_was_checked_is_told(family: plms.Family) -> None:
    assert "output_hidden_states" in plms.CHECKED[family]
    assert ("off its own files" in plms.CHECKED[family]) == (family in BY_FILES)


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


@pytest.mark.parametrize("preset", plms.PRESETS, ids=lambda preset: preset.short)
def test_an_alphabet_that_only_its_files_tell_is_never_guessed(preset: plms.Preset) -> None:
    if preset.family in PAIRED:
        assert structure_tokens.published(preset.family)([CHAIN]).attend.all()
        return
    if preset.family not in BY_FILES:
        assert published_tokens(preset.family)([CHAIN]).attend.all()
        return
    with pytest.raises(WeightsError, match="alphabet of ankh is read from its own files"):
        create_model(preset.short, "gvp", weights="random")


def test_the_card_names_a_licence_that_allows_no_commercial_use(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = create_model("esm2_8m", "gat", weights="random", values={"sequence.layers": 1})
    assert "| licence of its weights | MIT |" in model_card(model)
    barred = dataclasses.replace(plms.PRESETS[0], licence=plms.CC_BY_NC_SA)
    monkeypatch.setattr(plms, "PRESETS", (barred,))
    monkeypatch.setattr(card, "PRESETS", (barred,))
    said = "| licence of its weights | CC-BY-NC-SA-4.0, which allows no commercial use |"
    assert said in model_card(model)


def test_the_card_says_whose_licence_is_not_known(plm_folders: dict[str, str]) -> None:
    """A folder does not say what it was downloaded as."""
    said = {
        name: model_card(create_model(name, "gat")) for name in (plm_folders["esm"], "plm_mini")
    }
    assert "| licence of its weights | not known here" in said[plm_folders["esm"]]
    assert "| licence of its weights | Apache-2.0 |" in said["plm_mini"]


def test_an_unknown_licence_is_said_and_never_taken_for_a_free_one() -> None:
    unknown = dataclasses.replace(plms.PRESETS[0], licence=plms.UNKNOWN_LICENCE)
    assert unknown.commercial is None and plms.PRESETS[0].commercial is True


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
