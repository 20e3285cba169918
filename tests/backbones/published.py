"""Tiny language models in the files in which their authors publish them, written without saving.

`save_pretrained` of the library that is installed writes what it reads itself. Published folders
are older: weights in `pytorch_model.bin` with heads that are not used here, letters in `vocab.txt`
or `spiece.model`, added tokens in a file of their own.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

SIZES = {
    "num_hidden_layers": 3, "num_attention_heads": 4, "hidden_size": 32, "intermediate_size": 48,
    "initializer_range": 0.2, "max_position_embeddings": 64, "vocab_size": 30,
}  # fmt: skip
T5 = {
    "d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 3, "num_decoder_layers": 3, "num_heads": 4,
    "relative_attention_num_buckets": 8, "vocab_size": 160, "is_encoder_decoder": True,
}  # fmt: skip
#: What makes an architecture tiny, where it has names of its own.
OWN: dict[str, dict[str, Any]] = {
    "t5": T5,
    "longformer": SIZES | {"attention_window": [4, 4, 4]},
    "big_bird": SIZES | {"block_size": 4},
    "funnel": {
        "vocab_size": 30, "block_sizes": [1, 1, 1], "block_repeats": [1, 1, 1],
        "num_decoder_layers": 2, "d_model": 32, "n_head": 4, "d_head": 8, "d_inner": 48,
    },
    "xlnet": {"vocab_size": 64, "d_model": 32, "n_layer": 3, "n_head": 4, "d_inner": 48},
    "roberta": SIZES | {"pad_token_id": 0},
    "modernbert": SIZES | {"pad_token_id": 0, "cls_token_id": 2, "sep_token_id": 3},
    "esmc": SIZES | {"vocab_size": 64},
    "esm": SIZES | {
        "vocab_size": 33, "pad_token_id": 1, "mask_token_id": 32, "token_dropout": True,
        "position_embedding_type": "rotary", "max_position_embeddings": 66,
    },
}  # fmt: skip
PROT_BERT = "LAGVESIKRDTPNQFYMHCWXUBZO"
LETTERS = "ALGVSREDTIPKFQNYMHWCXBOUZ"
"""ProtT5's letters, each behind a word mark, as its authors' model has them."""
PROST_T5 = {
    letter: 128 + at for at, letter in enumerate("algvsredtipkfqnymhwc")
} | {"<fold2AA>": 148, "<AA2fold>": 149}  # fmt: skip
"""ProstT5's added tokens: 3Di letters, and what says which way to translate."""


def weights(kind: str, folder: Path, seed: int = 0, **more: Any) -> Path:
    """Write `config.json` and `pytorch_model.bin` with the head that it was trained with."""
    from transformers import AutoConfig, AutoModel, AutoModelForMaskedLM, AutoModelForSeq2SeqLM

    folder.mkdir(parents=True, exist_ok=True)
    given = OWN.get(kind, SIZES) | more
    heads: dict[str, Any] = {"t5": AutoModelForSeq2SeqLM, "xlnet": AutoModel}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        config = AutoConfig.for_model(kind, **given)
        model = heads.get(kind, AutoModelForMaskedLM).from_config(config)
    facts = {"model_type": kind, "architectures": [type(model).__name__], **given}
    (folder / "config.json").write_text(json.dumps(facts))
    # Published files hold none of the tensors that share memory with another twice.
    torch.save({k: x.clone() for k, x in model.state_dict().items()}, folder / "pytorch_model.bin")
    return folder


def vocab(folder: Path, letters: str = PROT_BERT, **settings: Any) -> Path:
    """Write `vocab.txt` as ProtBert has it; settings go into `tokenizer_config.json`."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters]
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    if settings:
        (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return folder


def fast(folder: Path, words: str | list[str] = PROT_BERT) -> Path:
    """Write `tokenizer.json` alone, as newer models are published: one token a letter."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors

    listed = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]
    tokenizer = Tokenizer(models.WordLevel({x: i for i, x in enumerate(listed)}, "[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "[PAD]", "unk_token": "[UNK]"
    }  # fmt: skip
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return folder


def ankh(folder: Path, added: list[str]) -> Path:
    """Write `tokenizer.json` as Ankh has it: bare letters, and a token behind them."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors

    words = ["<pad>", "</s>", "<unk>", *LETTERS]
    tokenizer = Tokenizer(models.WordLevel({x: i for i, x in enumerate(words)}, "<unk>"))
    tokenizer.add_special_tokens([*(f"<extra_id_{i}>" for i in range(3)), *added])
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    tokenizer.post_processor = processors.TemplateProcessing("$A </s>", None, [("</s>", 1)])
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "<pad>", "unk_token": "<unk>",
        "eos_token": "</s>",
    }  # fmt: skip
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return folder


def spiece(folder: Path, added: dict[str, int] | None = None, extra: int = 0) -> Path:
    """Write a tokenizer as ProtT5 is published: `spiece.model`, and no `tokenizer.json`."""
    from sentencepiece import SentencePieceTrainer

    folder.mkdir(parents=True, exist_ok=True)
    lines = (" ".join(LETTERS[at:] + LETTERS[:at]) for at in range(len(LETTERS)))
    SentencePieceTrainer.train(
        sentence_iterator=iter([*lines] * 20), model_prefix=str(folder / "spiece"), minloglevel=2,
        vocab_size=3 + 2 * len(LETTERS) + 1, hard_vocab_limit=False, max_sentencepiece_length=2,
        pad_id=0, eos_id=1, unk_id=2, bos_id=-1,
    )  # fmt: skip
    settings = {"do_lower_case": False, "extra_ids": extra}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    special = {"eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
    (folder / "special_tokens_map.json").write_text(json.dumps(special))
    if added:
        (folder / "added_tokens.json").write_text(json.dumps(added))
    return folder
