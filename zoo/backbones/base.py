"""The two interfaces: a language model that calls back, a graph network that is stepped."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from zoo.backbones import STRUCTURE_BACKBONES as STRUCTURE_BACKBONES  # plug-ins find it here
from zoo.backbones.compiling import running
from zoo.proteins.batch import Tokens
from zoo.proteins.build_graph import FeatureWidths
from zoo.proteins.graph import Graph
from zoo.proteins.reading import Reads

OnLayer = Callable[[int, Tensor], Tensor]
"""Gets (k, h) after layer k, h (chains, tokens, width); returns the h to go on with."""
Start = tuple[int, Tensor]
"""(k, h): the state after layer k that was computed before, h (chains, tokens, width)."""


class SequenceBackbone(nn.Module, ABC):
    """A protein language model of `num_layers` layers.

    Layer 0 is the embedding, layer k the output of the k-th layer; the last is seen before the
    final norm.
    """

    num_layers: int
    width: int
    can_start_midway: bool = False
    """Whether `forward` takes a `start`."""
    memory_is_linear: bool = False
    """Whether it is known to hold no matrix of tokens by tokens on a CPU; else it is measured."""
    reads: Reads = "sequence"
    """What it reads of a chain; with another value `tokenize` gets texts of `proteins.reading`."""

    @abstractmethod
    def tokenize(self, sequences: Sequence[str]) -> Tokens:
        """Return one token a residue, between the model's own special tokens."""

    @abstractmethod
    def forward(
        self,
        tokens: Tensor,
        attend: Tensor,
        on_layer: OnLayer | None = None,
        start: Start | None = None,
    ) -> Tensor:
        """Return (chains, tokens, width) after the final norm.

        `on_layer` is called for k = 1..num_layers in order; returning `h` unchanged leaves the
        output bitwise as it was. With a `start` layers 1 to k do not run: `on_layer` is called
        for k first, with the given h in the model's own dtype, and all that follows is bitwise
        what it is in a full run.
        """

    @abstractmethod
    def embedding(self, tokens: Tensor, attend: Tensor) -> Tensor:
        """Return (chains, tokens, width): layer 0, what enters the first layer."""


class _Reached(Exception):  # noqa: N818  not a mistake
    """Ends a run of a language model at the last layer that is asked for."""


def run_until(
    seq: SequenceBackbone, tokens: Tensor, attend: Tensor, on_layer: OnLayer, last: int
) -> None:
    """Run a language model's layers 1 to `last`, calling back after each; the rest do not run."""

    def stopping(k: int, h: Tensor) -> Tensor:
        h = on_layer(k, h)
        if k == last:
            raise _Reached
        return h

    with suppress(_Reached):
        seq(tokens, attend, stopping)


@dataclass(frozen=True)
class NodeState:
    """What a graph network carries from layer to layer.

    Attributes:
        s: (nodes, width) scalars: the part that fusion reads and writes.
        v: (nodes, channels, 3) vectors that turn with the protein; no channels in most.
        edge: State of the edges; only the backbone itself reads it.
    """

    s: Tensor
    v: Tensor
    edge: Any = None


class StructureBackbone(nn.Module, ABC):
    """A graph network of `num_layers` layers; `run(0, n)` equals `run(0, m)` then `run(m, n)`.

    A constructor takes the widths of the graph's features first, then hyper-parameters by
    keyword, each with a default; no task, data set or download belongs inside.
    """

    pretrained: ClassVar[str | None] = None
    """The folder of `zoo.pretrained` with the network's published weights; None without any."""
    neighbours: ClassVar[int] = 30
    """The nearest neighbours that the network is made for: `graph.k` where a config has none."""
    num_layers: int
    width: int
    """Columns of the scalars `s` between layers."""
    reads_features: ClassVar[bool] = True
    """Whether it reads the nodes' features and types, and not only where atoms are."""
    recompute = False
    """Whether layers are computed again in the backward pass, which saves memory."""
    compiled = False
    """Whether layers run as `compiling.compile_layers` has them compiled."""
    frozen = False
    """Whether no weight is trained: the network stays in evaluation mode, also in training."""

    @property
    def out_width(self) -> int:
        """Columns of what `finish` returns."""
        return self.width

    def misfit(self) -> str | None:
        """Return why published weights cannot be used with these arguments, or None.

        Names and shapes of weights need no check here.
        """
        return None

    def freeze(self) -> None:
        """Train no weight from here on."""
        self.frozen = True
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> Self:
        """Set training mode, unless frozen."""
        return super().train(mode and not self.frozen)

    @abstractmethod
    def embed(self, graph: Graph) -> NodeState:
        """Return the state before the first layer."""

    @abstractmethod
    def layer(self, graph: Graph, state: NodeState, index: int) -> NodeState:
        """Return the state after layer `index`, counted from 0."""

    def run(self, graph: Graph, state: NodeState, start: int, stop: int) -> NodeState:
        """Return the state after layers `start` to `stop - 1`."""
        if not self.compiled:
            return self._run(graph, state, start, stop)
        graph.settle()
        state = replace(state, v=state.v.contiguous())  # for another layout it would compile anew
        with running(self):
            return self._run(graph, state, start, stop)

    def _run(self, graph: Graph, state: NodeState, start: int, stop: int) -> NodeState:
        for index in range(start, stop):
            if self.recompute and torch.is_grad_enabled():
                state = checkpoint(self.layer, graph, state, index, use_reentrant=False)
            else:
                state = self.layer(graph, state, index)
        return state

    def finish(self, state: NodeState) -> Tensor:
        """Return (nodes, out_width): what the backbone says of a node after its last layer."""
        return state.s


class NodeScalars(nn.Module):
    """The scalar input of a graph network: each node's features beside an embedding of its type."""

    def __init__(self, features: FeatureWidths, type_width: int) -> None:
        super().__init__()
        self.types = nn.Embedding(features.types, type_width)
        self.width = features.node_s + type_width

    def forward(self, graph: Graph) -> Tensor:
        """Return (nodes, width)."""
        return torch.cat([graph.nodes["node_s"], self.types(graph.nodes["node_type"])], dim=-1)
