"""The store of a frozen language model's hidden states: computed once, then mapped from disk.

    <root>/states/<model>-<fingerprint>-<computed in>-<kept in>-tf<version>-<tokens>/layer_<k>/...

`tokens` is a hash of the ids that letters get, as the fingerprint is one of the weights alone. A
store of an older version has no such hash in its name, and goes on to be used where its facts say
that its tokens are the same.

The store has a row for each residue if the model only reads the states. If the language model
continues from them, it has a row for each token instead, in a folder whose name ends in "-tokens".

The states of a sequence depend only on the settings in the folder's name, so any number of runs and
processes can share them. The version of torch and the device are not part of the name, because they
only change rounding. A sequence is what the language model reads of a chain: for one that reads the
structure too, its letters with 3Di letters (`proteins.reading`), so that two structures of one
sequence have states of their own.
"""

from __future__ import annotations

import hashlib
import json
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
from zoo.errors import unknown
from zoo.proteins.batch import gather_rows, residue_rows
from zoo.proteins.graph import Graph
from zoo.proteins.reading import every_pair, unpaired
from zoo.states.filling import fill
from zoo.states.shard import StoreError, write_whole
from zoo.states.shards import Shards
from zoo.system.files import read_json

STATES, FACTS, LAYER = "states", "store.json", "layer_"
ROWS = "h"
"""Name of the only tensor that is stored for a sequence."""
DTYPES = (torch.bfloat16, torch.float32)


class StateStore:
    """The hidden states of some layers, before the final norm, as `FusedModel.tap` returns them.

    A copy in another process (a DataLoader's worker) can only read, because the language model is
    not copied with it.

    Args:
        root: Folder of the whole store.
        seq: Language model, frozen.
        name: Name of the language model.
        fingerprint: Hash of its weights.
        layers: Layers to keep, from 1 to `seq.num_layers`, see `FusedModel.taps`.
        dtype: Number format of stored states; float32 keeps those of a float32 model exactly.
        every_token: Whether there is a row for each token, special ones included, instead of one
            for each residue.
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
        self.folder = _folder(root / STATES, self.facts, "-tokens" * every_token)
        self.shards = {k: Shards(self.folder / f"{LAYER}{k}") for k in layers}

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "seq": None}

    @property
    def layers(self) -> tuple[int, ...]:
        """The layers whose states are kept."""
        return tuple(self.shards)

    def missing(self, sequences: Iterable[str]) -> list[str]:
        """Return the distinct sequences that lack a layer; looks at the disk first."""
        for shards in self.shards.values():
            shards.refresh()
        return [sequence for sequence in dict.fromkeys(sequences) if self.lacking(sequence)]

    def lacking(self, sequence: str) -> list[int]:
        """Return the layers that a sequence lacked when the disk was last looked at."""
        key = key_of(sequence)
        return [k for k, shards in self.shards.items() if key not in shards]

    def expected_bytes(self, sequences: Iterable[str]) -> int:
        """Return the bytes that storing the missing states of some sequences will take."""
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
        """Compute and write the missing states; return whether all are now stored.

        A kill loses at most the last 30 s of work. Processes that fill the same store share the
        work.

        Args:
            sequences: Sequences to store; each distinct one is computed once.
            budget: Tokens in a batch on a GPU, padding included; a chain with more is a batch of
                its own. On the CPU each chain is a batch, so that its states are equal bit for bit
                whatever other chains are computed with it.
            device: Device to run the language model on; it is moved back afterwards.
            advance: Called after each batch with the number of missing sequences done so far;
                returns whether to continue.
            limit: Largest size of the whole root in bytes; None is only limited by the disk.

        Raises:
            ConfigError: If the states would not fit; raised before anything is computed.
            StoreError: If the disk is full or cannot be written to, or a state is not finite.
        """
        assert self.seq is not None, "a store that came from another process only reads"
        return fill(
            self, self.seq, sequences, budget=budget, device=torch.device(device),
            advance=advance, limit=limit,
        )  # fmt: skip

    def rows(self, sequence: str, layer: int) -> Tensor:
        """Return a sequence's states (L, d), or (tokens, d) with `every_token`, mapped from disk.

        Raises:
            StoreError: If they are not in the store, or are damaged.
        """
        try:
            return self.shards[layer].get(key_of(sequence))[ROWS]
        except KeyError:
            raise StoreError(
                f"{self.folder} has no states of layer {layer} for a sequence of {len(sequence)} "
                f"residues ({unpaired(sequence)[0][:10]}...). Fill the store first; was it pruned "
                "meanwhile?"
            ) from None

    def put(self, states: Mapping[int, Mapping[str, Tensor]]) -> None:
        """Write {layer: {sequence: rows}}, with one shard for each layer."""
        if not (self.folder / FACTS).exists():
            write_whole(self.folder / FACTS, json.dumps(self.facts, indent=2).encode())
        for k, rows in states.items():
            self.shards[k].put({key_of(sequence): {ROWS: h} for sequence, h in rows.items()})

    def of_chains(self, sequences: Sequence[Sequence[str]], graph: Graph) -> dict[int, Tensor]:
        """Return the stored states as `FusedModel.tap` returns them, in the dtype of the store.

        They are {layer: (nodes, d)}, or with `every_token` {layer: (chains, tokens, d)}, padded
        with zeros.

        Args:
            sequences: Sequences of the chains of each protein.
            graph: Graph of all proteins, on the CPU; ligand atoms get rows of zeros.
        """
        flat = [sequence for chains in sequences for sequence in chains]
        if self.every_token:
            return {k: _padded([self.rows(x, k) for x in flat]) for k in self.layers}
        row = residue_rows(graph, sequences)
        return {
            k: gather_rows(torch.cat([self.rows(x, k) for x in flat])[None], row)
            for k in self.layers
        }


def key_of(sequence: str) -> str:
    """Return the key under which the states of a sequence are stored."""
    return hashlib.sha256(sequence.encode()).hexdigest()[:32]


def _padded(rows: list[Tensor]) -> Tensor:
    """Return (chains, tokens, d), padded with zeros, to which no token attends."""
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)


def _short(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _facts(
    seq: SequenceBackbone, name: str, fingerprint: str, dtype: torch.dtype
) -> dict[str, Any]:
    pairs = every_pair() if seq.reads != "sequence" else []
    letters = seq.tokenize([string.ascii_uppercase, *pairs]).ids
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


def _folder(states: Path, facts: Mapping[str, Any], suffix: str) -> Path:
    """Return the folder of some settings: that of an older version, if its tokens are the same."""
    short = re.sub(r"[^A-Za-z0-9._]+", "_", Path(facts["name"]).name)
    parts = (short, facts["fingerprint"], facts["computed in"], facts["kept in"])
    name = "-".join((*parts, f"tf{facts['transformers']}"))
    known = read_json(states / (name + suffix) / FACTS)
    if isinstance(known, dict) and known.get("tokens") == facts["tokens"]:
        return states / (name + suffix)
    return states / f"{name}-{facts['tokens'][:8]}{suffix}"
