"""Run a language model over the sequences that a store lacks, and write whole shards."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from zoo.backbones.base import SequenceBackbone
from zoo.training.room import check_room
from zoo.training.shard import StoreError

if TYPE_CHECKING:
    from zoo.training.states import StateStore

SHARD_BYTES, SHARD_SEQUENCES, SHARD_SECONDS = 64_000_000, 256, 30.0
"""Whichever comes first ends a shard; also what a kill may lose."""


def fill(
    store: StateStore,
    seq: SequenceBackbone,
    sequences: Iterable[str],
    *,
    budget: int,
    device: torch.device,
    advance: Callable[[int], bool],
    limit: int | None,
) -> bool:
    """Do what `StateStore.fill` says."""
    missing = store.missing(sequences)
    if not missing:
        return True
    check_room(store, missing, limit)
    done, writer = 0, Writer(store)
    with running(seq, device):
        for batch in own_order(batches(missing, budget if device.type != "cpu" else 0)):
            if todo := store.missing(batch):
                found = states(
                    seq, todo, store.layers, store.dtype, device, every_token=store.every_token
                )
                for k, rows in found.items():
                    writer.add(k, rows)
                writer.flush_if_due()
            done += len(batch)
            if not advance(done):
                break
    writer.flush()
    return done == len(missing)


def batches(sequences: Iterable[str], budget: int) -> list[list[str]]:
    """Return runs of sequences, longest first, whose padded tokens stay within the budget.

    One above the budget is a run of its own.
    """
    runs: list[list[str]] = []
    for sequence in sorted(sequences, key=lambda x: (-len(x), x)):
        if runs and len(runs[-1][0]) * (len(runs[-1]) + 1) <= budget:
            runs[-1].append(sequence)
        else:
            runs.append([sequence])
    return runs


def own_order(runs: list[list[str]]) -> list[list[str]]:
    """Return the longest run first, so that memory runs out at once or never, then the others.

    These in an order of the process's own, so that two that fill one store seldom do the same.
    """
    rest = runs[1:]
    random.Random().shuffle(rest)
    return runs[:1] + rest


@contextmanager
def running(seq: SequenceBackbone, device: torch.device) -> Iterator[None]:
    """Have the model on a device, in evaluation mode and without gradients, for a while."""
    home, training = next(seq.parameters()).device, seq.training
    seq.to(device).eval()
    try:
        with torch.no_grad():
            yield
    finally:
        seq.to(home).train(training)


class _Enough(Exception):  # noqa: N818  not a mistake
    """The last layer that is wanted has been seen: those above it need not run."""


def states(
    seq: SequenceBackbone,
    sequences: Sequence[str],
    layers: Sequence[int],
    dtype: torch.dtype,
    device: torch.device,
    *,
    every_token: bool = False,
) -> dict[int, dict[str, Tensor]]:
    """Return {layer: {sequence: rows}} of one batch, on the CPU.

    Rows are (L, d), or with `every_token` (tokens, d), special ones among them.

    Raises:
        StoreError: if a state is not finite.
    """
    tokens = seq.tokenize(sequences)
    start = 0 if every_token else tokens.start
    counts = tokens.attend.sum(1).tolist() if every_token else map(len, sequences)
    ends = {x: n for x, n in zip(sequences, counts, strict=True)}
    found: dict[int, dict[str, Tensor]] = {}

    def keep(k: int, h: Tensor) -> Tensor:
        if k in layers:
            rows = h[:, start:].to("cpu", dtype, copy=True)
            found[k] = {x: rows[i, : ends[x]] for i, x in enumerate(sequences)}
        if k == max(layers):
            raise _Enough
        return h

    with suppress(_Enough):
        seq(tokens.ids.to(device), tokens.attend.to(device), keep)
    for k, rows in found.items():
        for sequence, h in rows.items():
            # A sum shows them as well, thirty times as fast as a look at each.
            if not torch.isfinite(h.sum()):
                raise StoreError(
                    f"Layer {k} is not finite for the sequence {sequence[:10]}... of "
                    f"{len(sequence)} residues: float16 overflows in some models. Use --set "
                    "sequence.dtype=bfloat16 or float32."
                )
    return found


class Writer:
    """Collects states and writes them when they make a shard."""

    def __init__(self, store: StateStore) -> None:
        self._store, self._since = store, time.monotonic()
        self._rows: dict[int, dict[str, Tensor]] = {k: {} for k in store.layers}

    def add(self, layer: int, rows: dict[str, Tensor]) -> None:
        """Take {sequence: rows}, leaving out what the store has: another layer lacked it."""
        new = {x: h for x, h in rows.items() if layer in self._store.lacking(x)}
        self._rows[layer] |= new

    def flush_if_due(self) -> None:
        """Write a shard a layer if there is enough, or it has been long."""
        held = [h for rows in self._rows.values() for h in rows.values()]
        if (
            sum(h.nbytes for h in held) >= SHARD_BYTES
            or max(map(len, self._rows.values())) >= SHARD_SEQUENCES
            or time.monotonic() - self._since >= SHARD_SECONDS
        ):
            self.flush()

    def flush(self) -> None:
        """Write all that is held."""
        self._store.put(self._rows)
        self._rows = {k: {} for k in self._store.layers}
        self._since = time.monotonic()
