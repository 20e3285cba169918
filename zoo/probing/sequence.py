"""The layers of a language model as parts: its hidden states, as the store keeps them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from zoo.backbones.file_states import FileStates
from zoo.data.samples import Sample
from zoo.models.create import LoadedPLM
from zoo.probing.parts import STOPPED, Array, Part, Samples, Source, nothing
from zoo.proteins.reading import Reads, readings
from zoo.settings.config import Config
from zoo.states.room import size_text
from zoo.states.states import DTYPES, StateStore
from zoo.system.counting import counted
from zoo.system.listener import Listener, Stopped

TOKENS = 4096
"""Tokens in a batch on a GPU, padding included."""


def language_model(
    name: str, loaded: LoadedPLM, config: Config, layers: Sequence[int], root: Path, device: str
) -> Source:
    """Return layers of a language model, before its final norm, as write-back side reads them.

    Args:
        name: Name of the source.
        loaded: The language model.
        config: Its config; `train.store` says in which format states are kept.
        layers: Numbers of the layers, from 1.
        root: Folder of the store.
        device: Device that computes states which are not stored.
    """
    chains = Chains(loaded.seq.reads)
    if isinstance(loaded.seq, FileStates):
        rows = partial(_of_file, loaded.seq, chains)
        return Source(name, (Part(name, "layer 1", rows, 1),), nothing)
    kept = {str(dtype).removeprefix("torch."): dtype for dtype in DTYPES}
    dtype = kept.get(config.train.store, DTYPES[0])
    store = StateStore(
        root, loaded.seq, config.sequence.name, loaded.fingerprint, sorted(layers), dtype
    )
    parts = [Part(name, f"layer {k}", partial(_stored, store, k, chains), k) for k in store.layers]
    return Source(name, tuple(parts), partial(_fill, store, chains, device))


class Chains:
    """What a language model reads of the chains of a sample, computed once for all layers.

    Args:
        reads: What it reads of a chain.
    """

    def __init__(self, reads: Reads) -> None:
        self._reads = reads
        self._known: dict[str, list[str]] = {}

    def __call__(self, key: str, sample: Sample) -> list[str]:
        """Return a text for each chain of the sample of a key."""
        if key not in self._known:
            self._known[key] = readings(sample.protein, self._reads)
        return self._known[key]


def _fill(
    store: StateStore, chains: Chains, device: str, samples: Samples, keys: Sequence[str],
    listener: Listener,
) -> None:  # fmt: skip
    missing = store.missing(chain for key in keys for chain in chains(key, samples(key)))
    if not missing:
        return
    size = size_text(store.expected_bytes(missing))
    listener.say(
        f"the language model runs once: {counted(len(missing), 'sequence')}, layers "
        f"{', '.join(map(str, store.layers))}, {size} in {store.root}"
    )
    with listener.progress("hidden states", len(missing)) as shown:

        def advance(done: int) -> bool:
            shown(done)
            return not listener.asked()

        complete = store.fill(missing, budget=TOKENS, device=device, advance=advance)
    if not complete:
        raise Stopped(STOPPED)


def _stored(store: StateStore, layer: int, chains: Chains, key: str, sample: Sample) -> Array:
    return np.concatenate([store.rows(x, layer).float().numpy() for x in chains(key, sample)])


def _of_file(seq: FileStates, chains: Chains, key: str, sample: Sample) -> Array:
    texts = chains(key, sample)
    tokens = seq.tokenize(texts)
    states = seq.embedding(tokens.ids, tokens.attend)
    return np.concatenate([states[i, : len(x)].numpy() for i, x in enumerate(texts)])
