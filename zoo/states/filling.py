"""Runs a language model over the sequences that a store lacks, and writes their states."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from zoo.backbones.base import SequenceBackbone, run_until
from zoo.proteins.packing import packed
from zoo.proteins.reading import unpaired
from zoo.states.room import check_room
from zoo.states.shard import StoreError

if TYPE_CHECKING:
    from zoo.states.states import StateStore

SHARD_BYTES, SHARD_SEQUENCES, SHARD_SECONDS = 64_000_000, 256, 30.0
"""Limits on a shard; the one reached first ends it. A kill loses at most one unfinished shard."""


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
    """Compute and write the states that a store lacks, see `StateStore.fill`."""
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

    A sequence above the budget is a run of its own.
    """
    ordered = sorted(sequences, key=lambda x: (-len(x), x))
    return [[ordered[at] for at in run] for run in packed(list(map(len, ordered)), budget)]


def own_order(runs: list[list[str]]) -> list[list[str]]:
    """Return the run of the longest sequences, then the others in random order.

    If the memory is too small, the first run shows it at once. Two processes that fill one store
    have different orders, so they seldom compute the same run.
    """
    rest = runs[1:]
    random.Random().shuffle(rest)
    return runs[:1] + rest


@contextmanager
def running(seq: SequenceBackbone, device: torch.device) -> Iterator[None]:
    """Keep the model on a device, in evaluation mode and without gradients, within the block."""
    home, training = next(seq.parameters()).device, seq.training
    seq.to(device).eval()
    try:
        with torch.no_grad():
            yield
    finally:
        seq.to(home).train(training)


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

    Rows are (L, d), or with `every_token` (tokens, d) with special tokens included.

    Raises:
        StoreError: If a state is not finite.
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
        return h

    run_until(seq, tokens.ids.to(device), tokens.attend.to(device), keep, max(layers))
    for k, rows in found.items():
        for sequence, h in rows.items():
            # The sum is not finite if a value is not, and is thirty times as fast to check.
            if not torch.isfinite(h.sum()):
                raise StoreError(
                    f"Layer {k} is not finite for the sequence {unpaired(sequence)[0][:10]}... of "
                    f"{len(sequence)} residues: float16 overflows in some models. Use --set "
                    "sequence.dtype=bfloat16 or float32."
                )
    return found


class Writer:
    """Collects states, and writes them once they fill a shard."""

    def __init__(self, store: StateStore) -> None:
        self._store, self._since = store, time.monotonic()
        self._rows: dict[int, dict[str, Tensor]] = {k: {} for k in store.layers}

    def add(self, layer: int, rows: dict[str, Tensor]) -> None:
        """Add {sequence: rows} of a layer, without those that the store has for this layer."""
        new = {x: h for x, h in rows.items() if layer in self._store.lacking(x)}
        self._rows[layer] |= new

    def flush_if_due(self) -> None:
        """Write one shard for each layer if one is full, or if the last write was long ago."""
        held = [h for rows in self._rows.values() for h in rows.values()]
        if (
            sum(h.nbytes for h in held) >= SHARD_BYTES
            or max(map(len, self._rows.values())) >= SHARD_SEQUENCES
            or time.monotonic() - self._since >= SHARD_SECONDS
        ):
            self.flush()

    def flush(self) -> None:
        """Write all collected states."""
        self._store.put(self._rows)
        self._rows = {k: {} for k in self._store.layers}
        self._since = time.monotonic()
