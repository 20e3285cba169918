"""Whether a language model gives the same here as on its own, tried with two chains at first load.

A folder may hold any architecture. Some compute a chain otherwise beside a longer one, pad it to
their own window, or keep their layers where a hook does not see them. Nothing fails then, and the
numbers are wrong. So a folder is tried before it is used, and what was found is kept by the hash of
its files in the folder of the store.
"""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zoo.backbones.hf import HFBackbone
from zoo.errors import ConfigError
from zoo.proteins.reading import paired
from zoo.proteins.threedi import STATES
from zoo.system.files import cache_root, read_json, whole_file
from zoo.system.memory import out_of_memory
from zoo.system.reading import content, plain_file

FOLDER = "encoders"
LONG = 48
"""Residues of the longer chain; the other has a third of it."""
TOLERANCE, ROUGH = 1e-3, 0.25
"""Largest difference of a row, in units of the rows' mean norm: in float32, in half precision."""
SMALL = 1 << 20
"""Bytes up to which a file is hashed whole; of a larger one its ends, size and time of change."""
READ = (".json", ".txt", ".model", ".safetensors", ".bin")
"""Suffixes of the files that a language model is loaded from."""
_RESIDUES = "MKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQAPILSRVGDGTQDNLSGAEKAVQVKVKALPDAQFEVV"
_OTHERS = "XWCHNPDGLQ"


class _Unfit(Exception):  # noqa: N818  a finding in words, caught here
    """Raised for layers whose states cannot be a chain's rows."""


@dataclass(frozen=True)
class States:
    """What a run gave for one chain: each layer's rows (tokens, width), and the last ones normed.

    Layer k is `layers[k - 1]`.
    """

    layers: list[Tensor]
    last: Tensor


def check(seq: HFBackbone, folder: Path, kind: str) -> None:
    """Refuse a language model that gives other states here than on its own.

    Args:
        seq: that was loaded from the folder, on the CPU.
        folder: with its config, tokenizer and weights.
        kind: "pretrained" or "random" weights.

    Raises:
        ConfigError: if it does; says what differs.
    """
    path = cache_root() / FOLDER / f"{_key(seq, folder, kind)}.json"
    known = read_json(path)
    if not isinstance(known, dict) or not isinstance(known.get("problem"), str):
        known = {"folder": str(folder), "problem": problem(seq)}
        _keep(path, known)
    if known["problem"]:
        raise ConfigError(
            f"The language model {folder} ({type(seq.model).__name__}) cannot be used: "
            f"{known['problem']}. Use an encoder of another type: ESM, BERT, RoBERTa, RoFormer, "
            "ModernBERT and T5 were found to be right."
        )


def _keep(path: Path, found: dict[str, str]) -> None:
    """Write what was found; where nothing can be written, the next load tries again."""
    with suppress(OSError), whole_file(path, part=f"{path.name}.{os.getpid()}.part") as file:
        json.dump(found, file, indent=2)


@torch.no_grad()
def problem(seq: HFBackbone) -> str:
    """Return what is wrong with the states that two chains get, in words; "" if nothing is."""
    if getattr(seq.model.config, "attention_type", "") == "block_sparse":
        return (
            "its attention is exact for short chains and sparse for long ones "
            '(attention_type=block_sparse), so that states depend on what ran before; set "'
            'attention_type": "original_full" in its config.json'
        )
    try:
        return _compare(seq)
    except _Unfit as error:
        return str(error)
    except Exception as error:  # whatever an architecture that was never tried may raise
        if out_of_memory(error):
            raise
        first = (str(error).strip().splitlines() or ["no reason given"])[0]
        return f"a short chain ends in {type(error).__name__}: {first}"


def _compare(seq: HFBackbone) -> str:
    chains = _chains(seq)
    together = _ours(seq, chains)
    for chain, beside in zip(chains, together, strict=True):
        (alone,) = _ours(seq, [chain])
        found = _unlike_transformers(seq, chain, alone) or _unlike(
            beside,
            alone,
            "depend on the other chains of the batch, as its padding is not left out",
        )
        if found:
            return found
    return ""


def _chains(seq: HFBackbone) -> list[str]:
    """Return two unlike chains, short enough for the model's positions."""
    special = seq.tokenizer.num_special
    length = max(3, min(LONG, (seq.max_tokens or LONG + special) - special))
    chains = [_RESIDUES[:length], (_OTHERS * length)[: length // 3]]
    if seq.reads == "sequence":
        return chains
    return paired(chains, [(STATES * length)[: len(chain)] for chain in chains])


def _ours(seq: HFBackbone, chains: list[str]) -> list[States]:
    """Return what the callbacks see, chain by chain."""
    tokens, layers = seq.tokenize(chains), []

    def keep(k: int, h: Tensor) -> Tensor:
        layers.append(h)
        return h

    last = seq(tokens.ids, tokens.attend, keep)
    shape = (*tokens.ids.shape, seq.width)
    for k, h in enumerate([*layers, last], start=1):
        if h.shape != shape:
            raise _Unfit(
                f"layer {k} gives states of shape {tuple(h.shape)}, where {shape} are the chains, "
                "tokens and width: it pads, turns or joins them"
            )
    if len(layers) != seq.num_layers:
        raise _Unfit(f"{len(layers)} of its {seq.num_layers} layers are seen to run")
    ends = tokens.attend.sum(1).tolist()
    return [States([h[i, :end] for h in layers], last[i, :end]) for i, end in enumerate(ends)]


def _unlike_transformers(seq: HFBackbone, chain: str, ours: States) -> str:
    """Compare with the hidden states that transformers itself gives for a chain."""
    tokens = seq.tokenize([chain])
    given: dict[str, Tensor] = {"input_ids": tokens.ids, "attention_mask": tokens.attend.long()}
    out: Any = seq.model(**given, output_hidden_states=True)
    theirs = [h[0] for h in out.hidden_states]
    if len(theirs) != seq.num_layers + 1:
        return f"it gives {len(theirs)} hidden states and has {seq.num_layers} layers"
    first = seq.embedding(tokens.ids, tokens.attend)[0]
    last = out.last_hidden_state[0]
    # Many give the last hidden state after the final norm, and our callback sees it before.
    normed = _apart(theirs[-1], last) == 0.0
    layers = [*theirs[1:-1], ours.layers[-1] if normed else theirs[-1]]
    expected = States([theirs[0], *layers], last)
    return _unlike(
        States([first, *ours.layers], ours.last),
        expected,
        "are not those of transformers' own output_hidden_states",
        start=0,
    )


def _unlike(a: States, b: States, words: str, start: int = 1) -> str:
    """Return where the states of two runs differ by more than rounding does, in words."""
    pairs = zip([*a.layers, a.last], [*b.layers, b.last], strict=True)
    for k, (x, y) in enumerate(pairs, start=start):
        where = f"its states after layer {k}" if k < start + len(a.layers) else "its last states"
        if not (torch.isfinite(x).all() and torch.isfinite(y).all()):
            return f"{where} are not finite in {x.dtype}; try --set sequence.dtype=bfloat16"
        tolerance = TOLERANCE if x.dtype == torch.float32 else ROUGH
        if x.shape != y.shape or not (apart := _apart(x, y)) <= tolerance:
            size = "in shape" if x.shape != y.shape else f"by {apart:.0%}"
            return f"{where} {words} (they differ {size})"
    return ""


def _apart(x: Tensor, y: Tensor) -> float:
    """Return the largest difference of a row (tokens, width), in units of the mean norm."""
    x, y = x.float(), y.float()
    return float((x - y).norm(dim=-1).max() / y.norm(dim=-1).mean().clamp_min(1e-12))


def _key(seq: HFBackbone, folder: Path, kind: str) -> str:
    """Return a hash of all that what is found may depend on."""
    facts = [kind, str(next(seq.parameters()).dtype), version("torch"), version("transformers")]
    digest = hashlib.sha256(json.dumps(facts).encode())
    files = (x for x in folder.iterdir() if x.suffix in READ and x.is_file())
    for path in sorted(files):
        digest.update(f"\n{path.name}\n".encode())
        digest.update(_content(path))
    return digest.hexdigest()[:32]


def _content(path: Path) -> bytes:
    facts = path.stat()
    if facts.st_size <= SMALL:
        return content(path)
    with plain_file(path).open("rb") as file:
        ends = file.read(SMALL // 2)
        file.seek(-SMALL // 2, os.SEEK_END)
        return f"{facts.st_size} {facts.st_mtime_ns}".encode() + ends + file.read()
