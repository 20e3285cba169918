"""Estimates how much memory a model takes, from what a small run really allocates."""

from __future__ import annotations

import time
import weakref
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from zoo.models.model import FusedModel
from zoo.proteins.batch import Batch

ADAM_COPIES = 4
"""Copies of each trained weight that training holds: weight, gradient and Adam's two moments."""


class PeakTracker(TorchDispatchMode):
    """Counts the bytes of live tensors: adds each new storage, subtracts it when it is freed."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Spare PyTorch the import of its compiler, two seconds, only to keep it out."""
        return False

    def __init__(self) -> None:
        super().__init__()
        self.live = self.peak = 0
        self._known: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operation and note what it returned."""
        out = func(*args, **(kwargs or {}))
        before = {_key(x) for x in tree_leaves((args, kwargs)) if isinstance(x, torch.Tensor)}
        for x in tree_leaves(out):
            if isinstance(x, torch.Tensor) and _key(x) not in before | self._known:
                self._add(x)
        return out

    def _add(self, x: torch.Tensor) -> None:
        storage = x.untyped_storage()
        key, size = _key(x), storage.nbytes()
        self._known.add(key)
        self.live += size
        self.peak = max(self.peak, self.live)
        weakref.finalize(storage, self._free, key, size)

    def _free(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.live -= size


def _key(x: torch.Tensor) -> int:
    return x.untyped_storage()._cdata


@dataclass(frozen=True)
class MemoryEstimate:
    """Bytes for the weights, and for each residue of a protein.

    Attributes:
        weights: Bytes of all weights.
        trained: Bytes of the weights that are trained.
        inference: Peak of the activations in inference, bytes for each residue.
        training: Peak of activations and their gradients in training, bytes for each residue.
    """

    weights: int
    trained: int
    inference: float
    training: float

    def at(self, residues: int, *, training: bool) -> float:
        """Return the bytes for one protein of this length; Adam's moments are included."""
        if not training:
            return self.weights + residues * self.inference
        states = self.weights + (ADAM_COPIES - 1) * self.trained
        return states + residues * self.training


@dataclass(frozen=True)
class Trial:
    """The outcome of running one protein forward and backward.

    Attributes:
        features: Features of the protein, (nodes, width).
        seconds: Time of both passes together.
        memory: Estimate from what both passes allocated.
    """

    features: torch.Tensor
    seconds: float
    memory: MemoryEstimate


def trial(model: FusedModel, batch: Batch, residues: int) -> Trial:
    """Run a batch of one protein of that many residues, and scale what it allocated.

    Memory is linear in residues: a graph has a fixed number of edges a node, and attention here
    never holds a whole matrix. Inference on long proteins takes less, down to half in atom graphs,
    as edges go in blocks. Allocator overhead and libraries (about 0.5 GB) come on top.
    """
    with PeakTracker() as inference, torch.no_grad():
        model.features(batch)
    start = time.perf_counter()
    with PeakTracker() as training:
        features = backward(model, batch)
    seconds = time.perf_counter() - start
    sizes = [(p.numel() * p.element_size(), p.requires_grad) for p in model.parameters()]
    trained = sum(size for size, grad in sizes if grad)
    memory = MemoryEstimate(
        weights=sum(size for size, _ in sizes),
        trained=trained,
        inference=inference.peak / residues,
        # The run's own gradients of weights do not grow with the protein.
        training=max(0, training.peak - trained) / residues,
    )
    return Trial(features, seconds, memory)


def backward(model: FusedModel, batch: Batch) -> torch.Tensor:
    """Run forward and backward once in training mode; return the features, leave no gradient."""
    was_training = model.training
    model.train()
    try:
        features = model.features(batch)
        out = features if model.head is None else model.head(batch.graph, features)
        if out.requires_grad:
            out.float().square().mean().backward()
    finally:
        model.zero_grad(set_to_none=True)
        model.train(was_training)
    return features.detach()
