"""Always one token a residue, and the ids that the model's own tokenizer gives."""

from __future__ import annotations

import json
import re
import string
from pathlib import Path

import pytest
import torch

from tests import shelf
from tests.backbones import published
from zoo.backbones import residue_tokens
from zoo.backbones.tokenizer import ResidueTokenizer
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
    found = residue_tokens.from_pretrained(plm_folders[kind])
    ours = shelf.plm_tokenizer(kind)
    assert (found.table == ours.table).all()
    assert (found.before, found.after, found.pad) == (ours.before, ours.after, ours.pad)


def test_a_folder_without_a_tokenizer_is_an_error_that_names_it(tmp_path: Path) -> None:
    shelf.plm_config("bert").save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match=str(tmp_path)):
        residue_tokens.from_pretrained(str(tmp_path))


def test_a_tokenizer_without_residues_is_an_error(tmp_path: Path) -> None:
    shelf.save_plm("bert", tmp_path, weights=False)
    (tmp_path / "vocab.txt").write_text("\n".join("[PAD] [UNK] [CLS] [SEP] [MASK] A C D".split()))
    with pytest.raises(ConfigError, match="has no token for E, F, G"):
        residue_tokens.from_pretrained(str(tmp_path))


def test_prot_t5_loads_as_its_authors_ship_it(tmp_path: Path) -> None:
    from sentencepiece import SentencePieceProcessor

    folder = published.spiece(published.weights("t5", tmp_path))
    table = residue_tokens.from_pretrained(str(folder))
    known = "ACDEFGHIKLMNPQRSTVWYX"
    theirs = SentencePieceProcessor(model_file=str(folder / "spiece.model"))
    assert table([known]).ids[0].tolist() == [*theirs.encode(" ".join(known)), 1]
    assert (table.before, table.after, table.pad) == ((), (1,), 0)
    assert table(["UZOB"]).ids.tolist() == table(["XXXX"]).ids.tolist()


def from_files(folder: Path) -> ResidueTokenizer:
    return residue_tokens.from_pretrained(str(folder))


@pytest.mark.parametrize("settings", [{}, {"do_lower_case": False}], ids=["vocab.txt alone", "all"])
def test_prot_bert_reads_rare_letters_as_x_as_its_authors_do(
    tmp_path: Path, settings: dict[str, bool]
) -> None:
    from transformers import BertTokenizer

    folder = published.vocab(published.weights("bert", tmp_path), **settings)
    theirs = BertTokenizer.from_pretrained(folder, do_lower_case=False)
    letters = "ACDEFGHIKLMNPQRSTVWYXUZOB"
    replaced = " ".join(re.sub(r"[UZOB]", "X", letters))
    assert from_files(folder)([letters]).ids[0].tolist() == theirs(replaced)["input_ids"]


def test_a_bert_of_another_alphabet_keeps_the_letters_that_it_has(tmp_path: Path) -> None:
    folder = published.vocab(published.weights("bert", tmp_path), letters="ACDEFGHIKLMNPQRSTVWYXUB")
    assert from_files(folder)(["UXBZ"]).ids[0].tolist() == [2, 26, 25, 27, 25, 3]


def test_prost_t5_gets_the_prefix_of_residues(tmp_path: Path) -> None:
    from transformers import T5Tokenizer

    folder = published.weights("t5", tmp_path)
    published.spiece(folder, published.PROST_T5, extra=74)
    theirs = T5Tokenizer.from_pretrained(folder)
    table = from_files(folder)
    text = "<AA2fold> " + " ".join(re.sub(r"[UZOB]", "X", "MKVUZOBA"))
    assert table(["MKVUZOBA"]).ids[0].tolist() == theirs(text)["input_ids"]
    assert (table.before, table.after, table(["A"]).start) == ((149,), (1,), 1)


def test_ankh3_gets_the_prefix_of_embedding(tmp_path: Path) -> None:
    words = [*published.PROT_BERT, "[NLU]", "[S2S]"]
    folder = published.fast(published.weights("bert", tmp_path), words)
    raw = json.loads((folder / "tokenizer.json").read_text())
    raw["added_tokens"] = [
        {"id": 30 + i, "content": word, "special": True, "single_word": False, "lstrip": False,
         "rstrip": False, "normalized": False} for i, word in enumerate(["[NLU]", "[S2S]"])
    ]  # fmt: skip
    (folder / "tokenizer.json").write_text(json.dumps(raw))
    assert from_files(folder).before == (2, 30)


@pytest.mark.parametrize("word", ["\u1e22", "<human>", "AL", "[chain]"])
def test_a_word_of_unknown_use_is_refused_by_name(tmp_path: Path, word: str) -> None:
    folder = published.fast(published.weights("bert", tmp_path), [*published.PROT_BERT, word])
    with pytest.raises(ConfigError, match=f"not known here how .*: {re.escape(word)}"):
        from_files(folder)


def test_a_tokenizer_that_joins_or_loses_residues_is_refused(tmp_path: Path) -> None:
    folder = published.fast(published.weights("bert", tmp_path))
    raw = json.loads((folder / "tokenizer.json").read_text())
    raw["pre_tokenizer"] = {"type": "Whitespace"}
    raw["normalizer"] = {"type": "Lowercase"}
    (folder / "tokenizer.json").write_text(json.dumps(raw))
    with pytest.raises(ConfigError, match="gives no single token for each residue"):
        from_files(folder)
