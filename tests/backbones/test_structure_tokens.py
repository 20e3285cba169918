"""Language models that read 3Di letters: their authors' tokens, and layers as for all others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests import shelf
from tests.backbones import published
from zoo.backbones import agreement, residue_tokens, structure_tokens
from zoo.backbones import plm as plms
from zoo.backbones.hf import HFBackbone
from zoo.backbones.loading import load_plm
from zoo.backbones.weights import Weights, locate
from zoo.errors import ConfigError
from zoo.models.create import create_model
from zoo.proteins.reading import paired, readings

PAIRS = paired(["MEVQLVQYKX"], ["#vpp#ydavd"])
"""The example of SaProt's README, and an unknown residue at its end."""


@pytest.fixture
def saprot(tmp_path: Path) -> str:
    return shelf.save_saprot(tmp_path / "saprot")


@pytest.fixture
def prost_t5(tmp_path: Path) -> str:
    from transformers import T5Tokenizer

    folder = published.weights("t5", tmp_path / "prost_t5")
    words = residue_tokens._PROT_T5
    tokenizer = T5Tokenizer(
        vocab=[(w if len(w) > 1 else "\u2581" + w, 0.0) for w in words], extra_ids=100
    )
    tokenizer.add_tokens([*"algvsredtipkfqnymhwc", "<fold2AA>", "<AA2fold>"])
    tokenizer.save_pretrained(folder)
    return str(folder)


def loaded(name: str, mode: str = "pretrained") -> HFBackbone:
    plm = plms.resolve(name)
    return load_plm(plm, locate(plm, mode), dtype="float32", seed=0)


def test_saprot_has_446_tokens_in_its_authors_order() -> None:
    """utils/esm_loader.py and utils/constants.py of westlake-repl/SaProt."""
    words = structure_tokens.SAPROT
    assert len(words) == 446 and words[:7] == (
        "<cls>", "<pad>", "<eos>", "<unk>", "<mask>", "Ap", "Ay",
    )  # fmt: skip
    assert (words[25], words[26], words[-1]) == ("A#", "Cp", "##")
    # The vocab.txt on the hub has 1.35 kB.
    assert len("\n".join(words)) == 1353


def test_saprot_reads_as_its_own_tokenizer(saprot: str) -> None:
    from transformers import EsmTokenizer

    theirs = EsmTokenizer.from_pretrained(saprot)
    text = "M#EvVpQpL#VyQdYaKv"
    tokens = residue_tokens.from_pretrained(saprot)(PAIRS)
    assert tokens.ids[0].tolist()[:-2] == theirs(text)["input_ids"][:-1]
    # Their tokenizer has no token for X; "#" is what their models have for a hidden residue.
    assert tokens.ids[0].tolist()[-2:] == theirs("#d")["input_ids"][1:]
    assert tokens.start == 1 and tokens.attend.all()


def test_a_folder_and_the_preset_give_the_same_tokens(saprot: str) -> None:
    ours = structure_tokens.published("saprot")
    theirs = residue_tokens.from_pretrained(saprot)
    assert (ours.table == theirs.table).all()
    assert (ours.before, ours.after, ours.pad) == (theirs.before, theirs.after, theirs.pad)
    assert (ours.before, ours.after, ours.pad) == ((0,), (2,), 1)


def test_a_chain_without_structure_reads_as_signs_of_the_unknown() -> None:
    tokens = structure_tokens.published("saprot")(["AC", "X?"])
    words = [[structure_tokens.SAPROT[i] for i in row] for row in tokens.ids.tolist()]
    assert words == [["<cls>", "A#", "C#", "<eos>"], ["<cls>", "##", "##", "<eos>"]]


def test_prost_t5_reads_structure_as_its_authors_code(prost_t5: str) -> None:
    """scripts/embed.py of mheinzinger/ProstT5: the prefix, a space, letters with spaces between."""
    from transformers import AutoTokenizer

    theirs = AutoTokenizer.from_pretrained(prost_t5)
    letters = "vpydaacdefghiklmnpqrstvwy"
    seq = loaded(f"{prost_t5}::3di")
    tokens = seq.tokenize(paired(["A" * len(letters)], [letters]))
    expected = theirs("<fold2AA>" + " " + " ".join(letters))["input_ids"]
    assert tokens.ids[0].tolist() == expected and tokens.start == 1
    # Ids of added_tokens.json on the hub.
    assert expected[0] == 148 and expected[1:4] == [131, 138, 143] and expected[-1] == 1
    of_name = structure_tokens.published("prost_t5")(paired(["A" * len(letters)], [letters]))
    assert torch.equal(of_name.ids, tokens.ids)
    # The residues matter to the other direction alone.
    other = paired(["C" * len(letters)], [letters])
    assert torch.equal(seq.tokenize(other).ids, tokens.ids)
    assert loaded(prost_t5).reads == "sequence" and seq.reads == "structure"


def test_what_is_not_known_reads_as_x_in_prost_t5(prost_t5: str) -> None:
    from transformers import AutoTokenizer

    x = AutoTokenizer.from_pretrained(prost_t5).convert_tokens_to_ids("\u2581X")
    assert loaded(f"{prost_t5}::3di").tokenize(["A"]).ids[0].tolist() == [148, x, 1]
    assert structure_tokens.published("prost_t5")(["A"]).ids[0].tolist() == [148, 23, 1]


@pytest.mark.parametrize("direction", ["both", "structure"])
@torch.no_grad()
def test_batches_and_midway_starts_change_nothing(
    direction: str, saprot: str, prost_t5: str
) -> None:
    seq = loaded(saprot if direction == "both" else f"{prost_t5}::3di")
    assert agreement.problem(seq) == ""
    proteins = [shelf.ordinary(), shelf.unresolved(), shelf.two_chains()]
    texts = [text for protein in proteins for text in readings(protein, seq.reads)]
    tokens, full = seq.tokenize(texts), {}

    def keep(k: int, h: Tensor) -> Tensor:
        full[k] = h
        return h

    out = seq(tokens.ids, tokens.attend, keep)
    for row, text in enumerate(texts):
        own = seq.tokenize([text])
        alone = seq(own.ids, own.attend)[0]
        shelf.assert_close(out[row, : len(alone)], alone)
    assert torch.equal(seq(tokens.ids, tokens.attend, None, (2, full[2])), out)


def test_presets_are_of_the_published_sizes() -> None:
    """config.json of westlake-repl/SaProt_35M_AF2 and SaProt_650M_AF2."""
    small, large = (plms.resolve(name).preset for name in ("saprot_35m", "SaProt_650M_AF2"))
    assert small is not None and large is not None
    config = plms.architecture(small)
    assert (config.vocab_size, config.hidden_size, config.num_hidden_layers) == (446, 480, 12)
    assert (config.num_attention_heads, config.intermediate_size) == (20, 1920)
    assert (config.mask_token_id, config.pad_token_id, config.token_dropout) == (4, 1, True)
    assert config.position_embedding_type == "rotary" and config.hidden_dropout_prob == 0.0
    assert (large.num_layers, large.width) == (33, 1280)
    assert plms.architecture(large).hidden_dropout_prob == 0.1
    assert plms.resolve("saprot_650m_pdb").hub_id == "westlake-repl/SaProt_650M_PDB"


def test_the_parameters_of_presets_are_counted() -> None:
    from transformers import EsmModel

    for name in ("saprot_35m", "saprot_650m"):
        preset = plms.resolve(name).preset
        with torch.device("meta"):
            model = EsmModel(plms.architecture(preset), add_pooling_layer=False)
        model.contact_head = None
        assert sum(p.numel() for p in model.parameters()) == preset.parameters


def test_a_preset_of_prost_t5_is_built_in_both_directions() -> None:
    plm = plms.resolve("ProstT5::3di")
    assert plm.name == "prost_t5::3di" and plm.hub_id == "Rostlab/ProstT5" and plm.threedi
    assert plms.resolve("prost_t5").threedi is False


@pytest.mark.parametrize(("name", "words"), [
    ("prost_t5::foldseek", "direction of a language model"),
    ("esm2_8m::3di", "does not read 3Di letters alone"),
    ("saprot_35m::3di", "does not read 3Di letters alone"),
    ("no_model::3di", "language model"),
])  # fmt: skip
def test_a_direction_that_a_model_does_not_have_is_an_error(name: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        plms.resolve(name)


def test_a_folder_without_the_prefix_has_no_such_direction(tmp_path: Path) -> None:
    folder = shelf.save_plm("t5", tmp_path / "t5")
    with pytest.raises(ConfigError, match="has no <fold2AA>"):
        loaded(f"{folder}::3di")


def test_a_vocabulary_that_lacks_a_pair_is_refused(saprot: str) -> None:
    (Path(saprot) / "vocab.txt").write_text("\n".join(structure_tokens.SAPROT[:-1]))
    with pytest.raises(ConfigError, match="has no token for A, C, D"):
        residue_tokens.from_pretrained(saprot)


def test_random_weights_of_a_preset_read_structure() -> None:
    model = create_model("saprot_35m", "schnet", weights="random", values={"sequence.layers": 1})
    assert model.seq.reads == "both"
    one, other = shelf.ordinary(20, 1), shelf.ordinary(20, 2)
    with torch.no_grad():
        assert not torch.equal(model.features(model.batch([one])), model.features(
            model.batch([other])))  # fmt: skip


def test_antiberta2_is_refused_as_it_does_not_say_which_chain_is_heavy(tmp_path: Path) -> None:
    """vocab.txt of alchemab/antiberta2 ends with two tokens for the kinds of chains."""
    folder = published.weights("bert", tmp_path / "antiberta2")
    words = ["[PAD]", "[CLS]", "[SEP]", "[MASK]", "[UNK]", *"ACDEFGHIKLMNPQRSTVWYX\u1e22\u1e36"]
    (folder / "vocab.txt").write_text("\n".join(words))
    (folder / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": False}))
    with pytest.raises(
        ConfigError, match="not known here how its authors use them: \u1e22, \u1e36"
    ):
        residue_tokens.from_pretrained(str(folder))


def test_weights_say_where_they_are_from(saprot: str) -> None:
    assert locate(plms.resolve(saprot), "pretrained") == Weights(
        "pretrained", Path(saprot), f"pretrained, folder {saprot}"
    )


def test_a_folder_whose_name_looks_like_a_direction_is_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.save_saprot(tmp_path / "one::two")
    monkeypatch.chdir(tmp_path)
    assert plms.resolve("one::two").folder == tmp_path / "one::two"
    directed = plms.resolve("one::two::3di")
    assert directed.folder == tmp_path / "one::two" and directed.threedi
