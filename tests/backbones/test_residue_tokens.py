"""Always one token a residue, and the ids that the model's own tokenizer gives."""

from __future__ import annotations

import json
import string
from pathlib import Path

import pytest
import torch

from tests import shelf
from zoo.backbones import residue_tokens
from zoo.errors import ConfigError

for_every_plm = pytest.mark.parametrize("kind", shelf.PLM_KINDS)


@for_every_plm
@pytest.mark.parametrize(
    "sequence", ["ACDEF", "acdef", "aCxUZOBJ", string.ascii_letters, "A", "é*-"]
)
def test_there_is_one_token_a_residue_whatever_the_letters(kind: str, sequence: str) -> None:
    tokenizer = shelf.plm_tokenizer(kind)
    tokens = tokenizer([sequence, "MM"])
    count = int(tokens.attend[0].sum())
    assert count == len(sequence) + tokenizer.num_special
    assert tokens.ids[0, : tokens.start].tolist() == list(tokenizer.before)
    assert tokens.ids[0, tokens.start + len(sequence) : count].tolist() == list(tokenizer.after)
    special = torch.tensor([*tokenizer.before, *tokenizer.after, tokenizer.pad])
    inner = tokens.ids[0, tokens.start : tokens.start + len(sequence)]
    assert not torch.isin(inner, special).any()


@for_every_plm
def test_lower_case_reads_as_upper_and_odd_letters_as_x(kind: str) -> None:
    tokenizer = shelf.plm_tokenizer(kind)
    assert torch.equal(tokenizer(["acdx"]).ids, tokenizer(["ACDX"]).ids)
    assert torch.equal(tokenizer(["AJD*"]).ids, tokenizer(["AXDX"]).ids)


@for_every_plm
def test_padding_is_marked(kind: str) -> None:
    tokenizer = shelf.plm_tokenizer(kind)
    tokens = tokenizer(["ACDEFG", "AC", ""])
    lengths = [n + tokenizer.num_special for n in (6, 2, 0)]
    assert tokens.attend.sum(1).tolist() == lengths
    assert tokens.ids[~tokens.attend].eq(tokenizer.pad).all()
    assert tokens.ids.shape == (3, lengths[0])


def test_the_built_in_esm_table_gives_what_the_esm_tokenizer_gives(tmp_path: Path) -> None:
    from transformers import EsmTokenizer

    shelf.save_plm("esm", tmp_path, weights=False)
    theirs = EsmTokenizer.from_pretrained(tmp_path)
    sequence = "LAGVSERTIDPKQNFYMHWCXBUZO"
    ours = residue_tokens.published("esm2")([sequence, "MK"])
    expected = theirs([sequence, "MK"], padding=True, return_tensors="pt")
    assert torch.equal(ours.ids, expected["input_ids"])
    assert torch.equal(ours.attend.long(), expected["attention_mask"])


def test_the_built_in_t5_table_replaces_rare_letters_by_x() -> None:
    tokenizer = residue_tokens.published("t5")
    assert torch.equal(tokenizer(["AUZOBK"]).ids, tokenizer(["AXXXXK"]).ids)
    esm = residue_tokens.published("esm2")
    assert len(set(esm(["UZOBX"]).ids[0].tolist())) == 7


@for_every_plm
def test_the_table_read_off_tokenizer_files_is_the_same(
    kind: str, plm_folders: dict[str, str]
) -> None:
    found = residue_tokens.from_pretrained(plm_folders[kind], kind)
    ours = shelf.plm_tokenizer(kind)
    assert (found.table == ours.table).all()
    assert (found.before, found.after, found.pad) == (ours.before, ours.after, ours.pad)


def test_a_folder_without_a_tokenizer_is_an_error_that_names_it(tmp_path: Path) -> None:
    shelf.plm_config("bert").save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match=str(tmp_path)):
        residue_tokens.from_pretrained(str(tmp_path), "bert")


def test_a_tokenizer_without_residues_is_an_error(tmp_path: Path) -> None:
    shelf.save_plm("bert", tmp_path, weights=False)
    (tmp_path / "vocab.txt").write_text("\n".join("[PAD] [UNK] [CLS] [SEP] [MASK] A C D".split()))
    with pytest.raises(ConfigError, match="has no token for E, F, G"):
        residue_tokens.from_pretrained(str(tmp_path), "bert")


# ProtT5's letters, each behind a word mark, as its authors' model has them.
LETTERS = "ALGVSREDTIPKFQNYMHWCXBOUZ"


def spiece_folder(folder: Path) -> Path:
    """Write a tokenizer as ProtT5 is published: spiece.model, and no tokenizer.json."""
    from sentencepiece import SentencePieceTrainer

    folder.mkdir()
    lines = (" ".join(LETTERS[at:] + LETTERS[:at]) for at in range(len(LETTERS)))
    SentencePieceTrainer.train(
        sentence_iterator=iter([*lines] * 20), model_prefix=str(folder / "spiece"), minloglevel=2,
        vocab_size=3 + 2 * len(LETTERS) + 1, hard_vocab_limit=False, max_sentencepiece_length=2,
        pad_id=0, eos_id=1, unk_id=2, bos_id=-1,
    )  # fmt: skip
    (folder / "config.json").write_text(json.dumps({"model_type": "t5"}))
    (folder / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": False}))
    special = {"eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
    (folder / "special_tokens_map.json").write_text(json.dumps(special))
    return folder


def test_prot_t5_loads_as_its_authors_ship_it(tmp_path: Path) -> None:
    from sentencepiece import SentencePieceProcessor

    folder = spiece_folder(tmp_path / "prot_t5")
    table = residue_tokens.from_pretrained(str(folder), "t5")
    known = "ACDEFGHIKLMNPQRSTVWYX"
    published = SentencePieceProcessor(model_file=str(folder / "spiece.model"))
    assert table([known]).ids[0].tolist() == [*published.encode(" ".join(known)), 1]
    assert (table.before, table.after, table.pad) == ((), (1,), 0)
    assert table(["UZOB"]).ids.tolist() == table(["XXXX"]).ids.tolist()
