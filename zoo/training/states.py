"""The hidden states of a frozen language model on disk: computed once, read by mapping them.

    <root>/states/<model>-<fingerprint>-<computed in>-<kept in>-tf<version>/layer_<k>/*.safetensors

Rows of residues are enough where the language model is only read. Where it goes on from a state,
rows of all its tokens are kept instead, in a folder of their own: <model>-...-tokens.

A sequence's states depend on nothing but what the folder's name says, so any number of runs and
processes share them. Versions of torch, and devices, change them by rounding only and do not count.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import string
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zoo.backbones.base import SequenceBackbone
from zoo.errors import ConfigError, unknown
from zoo.proteins.batch import gather_rows, residue_rows
from zoo.proteins.graph import Graph
from zoo.training.filling import fill
from zoo.training.shard import StoreError, write_whole
from zoo.training.shards import Shards

STATES, FACTS, LAYER = "states", "store.json", "layer_"
ROWS = "h"
"""Name of the one tensor of a key."""
DTYPES = (torch.bfloat16, torch.float32)


def default_root() -> Path:
    """Return the folder of the store: ZOO_STORE, or one in the user's cache."""
    if named := os.environ.get("ZOO_STORE"):
        return Path(named).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser() / "protein-model-zoo"


class StateStore:
    """States of some layers, as `FusedModel.tap` gives them: before the final norm.

    In another process (a DataLoader's worker) it reads; the language model does not travel along.

    Args:
        root: folder of the whole store.
        seq: the language model, frozen.
        name: what it is called.
        fingerprint: of its weights.
        layers: 1 to `seq.num_layers`, see `FusedModel.taps`.
        dtype: what states are kept in; float32 keeps what a float32 model computes exactly.
        every_token: a row a token, special ones among them, and not a row a residue.

    Raises:
        ConfigError: if states of this model were stored with another tokenizer.
    """

    def __init__(
        self,
        root: Path,
        seq: SequenceBackbone,
        name: str,
        fingerprint: str,
        layers: Sequence[int],
        dtype: torch.dtype = torch.bfloat16,
        *,
        every_token: bool = False,
    ) -> None:
        if dtype not in DTYPES:
            raise unknown("dtype of stored states", _short(dtype), map(_short, DTYPES))
        self.root, self.seq, self.dtype, self.width = root, seq, dtype, seq.width
        self.every_token = every_token
        self.special = seq.tokenize(["A"]).ids.shape[1] - 1
        self.facts = _facts(seq, name, fingerprint, dtype)
        self.folder = root / STATES / (_folder_name(self.facts) + "-tokens" * every_token)
        self.shards = {k: Shards(self.folder / f"{LAYER}{k}") for k in layers}
        self._check_tokens()

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "seq": None}

    @property
    def layers(self) -> tuple[int, ...]:
        """Which layers are kept."""
        return tuple(self.shards)

    def missing(self, sequences: Iterable[str]) -> list[str]:
        """Return the distinct sequences that lack a layer, as of now."""
        for shards in self.shards.values():
            shards.refresh()
        return [sequence for sequence in dict.fromkeys(sequences) if self.lacking(sequence)]

    def lacking(self, sequence: str) -> list[int]:
        """Return the layers that a sequence lacks, as of the last look at the disk."""
        key = key_of(sequence)
        return [k for k, shards in self.shards.items() if key not in shards]

    def expected_bytes(self, sequences: Iterable[str]) -> int:
        """Return what storing all that is missing of some sequences will take."""
        more = self.special if self.every_token else 0
        rows = sum((len(x) + more) * len(self.lacking(x)) for x in self.missing(sequences))
        return rows * self.width * self.dtype.itemsize

    def fill(
        self,
        sequences: Iterable[str],
        *,
        budget: int,
        device: torch.device | str,
        advance: Callable[[int], bool],
        limit: int | None = None,
    ) -> bool:
        """Compute what is missing, each distinct sequence once; return whether all is there now.

        What a kill loses is the last 30 s at most. Processes that fill one store at once share
        the work.

        Args:
            sequences: repeated ones count once.
            budget: tokens a batch, padding included, on a GPU; a longer chain is a batch of its
                own. On the CPU chains run one by one, so that states are the same bit for bit
                whatever else is computed.
            device: where the language model runs; it is put back afterwards.
            advance: told after each batch how many of the missing sequences are done; returns
                whether to go on.
            limit: bytes that the whole root may hold.

        Raises:
            ConfigError: before anything is computed, if it would not fit.
            StoreError: if the disk is full or cannot be written to, or a state is not finite.
        """
        assert self.seq is not None, "a store that came from another process only reads"
        return fill(
            self, self.seq, sequences, budget=budget, device=torch.device(device),
            advance=advance, limit=limit,
        )  # fmt: skip

    def rows(self, sequence: str, layer: int) -> Tensor:
        """Return (L, d), or (tokens, d) with `every_token`: a view of the mapped file.

        Raises:
            StoreError: if it was never computed, or is damaged.
        """
        try:
            return self.shards[layer].get(key_of(sequence))[ROWS]
        except KeyError:
            raise StoreError(
                f"{self.folder} has no states of layer {layer} for a sequence of {len(sequence)} "
                f"residues ({sequence[:10]}...). Fill the store first; was it pruned meanwhile?"
            ) from None

    def put(self, states: Mapping[int, Mapping[str, Tensor]]) -> None:
        """Write {layer: {sequence: rows}}, a shard a layer."""
        if not (self.folder / FACTS).exists():
            write_whole(self.folder / FACTS, json.dumps(self.facts, indent=2).encode())
        for k, rows in states.items():
            self.shards[k].put({key_of(sequence): {ROWS: h} for sequence, h in rows.items()})

    def of_chains(self, sequences: Sequence[Sequence[str]], graph: Graph) -> dict[int, Tensor]:
        """Return what `FusedModel.tap` returns, in the dtype of the store.

        {k: (nodes, d)}, or with `every_token` {k: (chains, tokens, d)}, padded with zeros.

        Args:
            sequences: of the chains of each protein.
            graph: of all of them, on the CPU; ligand atoms get rows of zeros.
        """
        flat = [sequence for chains in sequences for sequence in chains]
        if self.every_token:
            return {k: _padded([self.rows(x, k) for x in flat]) for k in self.layers}
        row = residue_rows(graph, sequences)
        return {
            k: gather_rows(torch.cat([self.rows(x, k) for x in flat])[None], row)
            for k in self.layers
        }

    def _check_tokens(self) -> None:
        """Weights alone do not say how letters are read."""
        try:
            known = json.loads((self.folder / FACTS).read_text())["tokens"]
        except (OSError, ValueError, LookupError):
            return
        if known != self.facts["tokens"]:
            raise ConfigError(
                f"{self.folder} holds states of {self.facts['name']} with the same weights and "
                "another tokenizer. Remove them (`python -m zoo.store prune --model "
                f"'{self.folder.name}'`), or set ZOO_STORE to another folder."
            )


def key_of(sequence: str) -> str:
    """Return the key of a sequence."""
    return hashlib.sha256(sequence.encode()).hexdigest()[:32]


def _padded(rows: list[Tensor]) -> Tensor:
    """Return (chains, tokens, d); no token attends to padding, so zeros will do."""
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)


def _short(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _facts(
    seq: SequenceBackbone, name: str, fingerprint: str, dtype: torch.dtype
) -> dict[str, Any]:
    letters = seq.tokenize([string.ascii_uppercase]).ids
    return {
        "name": name,
        "fingerprint": fingerprint,
        "computed in": _short(next(seq.parameters()).dtype),
        "kept in": _short(dtype),
        "width": seq.width,
        "tokens": hashlib.sha256(json.dumps(letters.tolist()).encode()).hexdigest()[:16],
        "transformers": version("transformers"),
        "torch": torch.__version__,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _folder_name(facts: Mapping[str, Any]) -> str:
    short = re.sub(r"[^A-Za-z0-9._]+", "_", Path(facts["name"]).name)
    parts = (short, facts["fingerprint"], facts["computed in"], facts["kept in"])
    return "-".join((*parts, f"tf{facts['transformers']}"))
