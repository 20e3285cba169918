"""Geometric vector perceptrons: scalars and vectors, each told of the other.

"Learning from Protein Structure with Geometric Vector Perceptrons", Jing et al.,
arXiv:2009.01411; vector gating from "Equivariant Graph Neural Networks for 3D Macromolecular
Structure", arXiv:2106.03843.

Shapes: a state is (s, v) with s (rows, scalars) and v (rows, vectors, 3).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zoo.backbones import STRUCTURE_BACKBONES
from zoo.backbones.base import NodeScalars, NodeState, StructureBackbone
from zoo.backbones.gvp_message import mean_message
from zoo.proteins.build_graph import FeatureWidths
from zoo.proteins.graph import Graph
from zoo.settings.ranges import Count, Layers, Rate

Dims = tuple[int, int]
Pair = tuple[Tensor, Tensor]


def _squared_norm(v: Tensor) -> Tensor:
    """Squared length over the last axis, at least 1e-8 so that its root has a gradient."""
    return v.square().sum(-1).clamp(min=1e-8)


class GVP(nn.Module):
    """One perceptron: scalars see the vectors' lengths, vectors are mixed and scaled.

    With `gate` each vector is scaled by a sigmoid of the scalars, else by a sigmoid of its own
    length. Without `activate` the map is linear but for that gate.
    """

    def __init__(self, dims_in: Dims, dims_out: Dims, *, gate: bool, activate: bool = True) -> None:
        super().__init__()
        (s_in, v_in), (s_out, v_out) = dims_in, dims_out
        hidden = max(v_in, v_out) if v_in else 0
        self.activate = activate
        self.v_out = v_out
        self.wh = nn.Linear(v_in, hidden, bias=False) if v_in else None
        self.ws = nn.Linear(s_in + hidden, s_out)
        self.wv = nn.Linear(hidden, v_out, bias=False) if v_in and v_out else None
        self.gate = nn.Linear(s_out, v_out) if self.wv is not None and gate else None

    def forward(self, s: Tensor, v: Tensor) -> Pair:
        """Return scalars (rows, s_out) and vectors (rows, v_out, 3)."""
        if self.wh is None:
            return self._scalars(self.ws(s)), s.new_zeros((len(s), self.v_out, 3))
        hidden = self.wh(v.transpose(-1, -2))  # (rows, 3, hidden)
        lengths = _squared_norm(hidden.transpose(-1, -2)).sqrt()
        s = self.ws(torch.cat([s, lengths], dim=-1))
        if self.wv is None:
            return self._scalars(s), s.new_zeros((len(s), 0, 3))
        v = self.wv(hidden).transpose(-1, -2)
        return self._scalars(s), self._scale(s, v)

    def _scalars(self, s: Tensor) -> Tensor:
        return s.relu() if self.activate else s

    def _scale(self, s: Tensor, v: Tensor) -> Tensor:
        if self.gate is not None:
            scale = self.gate(s).sigmoid()  # as published: from s before its activation
        elif self.activate:
            scale = _squared_norm(v).sqrt().sigmoid()
        else:
            return v
        return v * scale[..., None]


class PairNorm(nn.Module):
    """LayerNorm on scalars; vectors divided by their root mean squared length."""

    def __init__(self, dims: Dims) -> None:
        super().__init__()
        self.scalars = nn.LayerNorm(dims[0])

    def forward(self, s: Tensor, v: Tensor) -> Pair:
        """Return both, same shapes."""
        if v.shape[1]:
            v = v / _squared_norm(v).mean(-1).sqrt()[:, None, None]
        return self.scalars(s), v


class PairDropout(nn.Module):
    """Dropout that takes a vector as a whole."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.drop = nn.Dropout(rate)

    def forward(self, s: Tensor, v: Tensor) -> Pair:
        """Return both, same shapes."""
        return self.drop(s), v * self.drop(v.new_ones((*v.shape[:2], 1)))


class Chain(nn.Sequential):
    """Modules that take and return a pair, one after the other."""

    def forward(self, s: Tensor, v: Tensor) -> Pair:  # type: ignore[override]
        """Return the last module's pair."""
        for module in self:
            s, v = module(s, v)
        return s, v


class GVPLayer(nn.Module):
    """Messages of three GVPs, their mean, and two GVPs a node; each added and normed."""

    def __init__(self, dims: Dims, edge_dims: Dims, *, gate: bool, dropout: float) -> None:
        super().__init__()
        both = (2 * dims[0] + edge_dims[0], 2 * dims[1] + edge_dims[1])
        wide = (4 * dims[0], 2 * dims[1])
        self.message = Chain(
            GVP(both, dims, gate=gate),
            GVP(dims, dims, gate=gate),
            GVP(dims, dims, gate=gate, activate=False),
        )
        self.feed_forward = Chain(
            GVP(dims, wide, gate=gate), GVP(wide, dims, gate=gate, activate=False)
        )
        self.norms = nn.ModuleList([PairNorm(dims), PairNorm(dims)])
        self.drop = PairDropout(dropout)

    def forward(self, graph: Graph, s: Tensor, v: Tensor, edge: Pair) -> Pair:
        """Return the nodes' new scalars and vectors."""
        s, v = self._add(0, (s, v), mean_message(self.message, graph, s, v, edge))
        return self._add(1, (s, v), self.feed_forward(s, v))

    def _add(self, index: int, state: Pair, change: Pair) -> Pair:
        ds, dv = self.drop(*change)
        out: Pair = self.norms[index](state[0] + ds, state[1] + dv)
        return out


@STRUCTURE_BACKBONES.register("gvp")
class GVPNet(StructureBackbone):
    """Geometric vector perceptrons: the published MQA model up to its readout; equivariant.

    Args:
        features: widths of the graph's features.
        scalars: scalar channels of a node.
        vectors: vector channels of a node.
        edge_scalars: scalar channels of an edge.
        edge_vectors: vector channels of an edge.
        num_layers: message-passing layers.
        vector_gate: scale vectors by the scalars and not by their length, as the published
            ATOM3D model does (2106.03843).
        type_width: width of the embedding of residue or atom types.
        dropout: after each message and feed-forward step.
    """

    def __init__(
        self,
        features: FeatureWidths,
        *,
        scalars: Count = 100,
        vectors: Count = 16,
        edge_scalars: Count = 32,
        edge_vectors: Count = 1,
        num_layers: Layers = 3,
        vector_gate: bool = False,
        type_width: Count = 20,
        dropout: Rate = 0.1,
    ) -> None:
        super().__init__()
        self.num_layers, self.width = num_layers, scalars
        dims, edge_dims = (scalars, vectors), (edge_scalars, edge_vectors)
        self.scalars = NodeScalars(features, type_width)
        node_in, edge_in = (self.scalars.width, features.node_v), (features.edge_s, features.edge_v)
        self.node_in = Chain(
            PairNorm(node_in), GVP(node_in, dims, gate=vector_gate, activate=False)
        )
        self.edge_in = Chain(
            PairNorm(edge_in), GVP(edge_in, edge_dims, gate=vector_gate, activate=False)
        )
        self.layers = nn.ModuleList(
            GVPLayer(dims, edge_dims, gate=vector_gate, dropout=dropout) for _ in range(num_layers)
        )
        self.out = Chain(PairNorm(dims), GVP(dims, (scalars, 0), gate=vector_gate))

    def embed(self, graph: Graph) -> NodeState:
        """Return (nodes, scalars) and (nodes, vectors, 3), with embedded edges beside them."""
        s, v = self.node_in(self.scalars(graph), graph.nodes["node_v"])
        return NodeState(s, v, self.edge_in(graph.edges["edge_s"], graph.edges["edge_v"]))

    def layer(self, graph: Graph, state: NodeState, index: int) -> NodeState:
        """Return the state after one message-passing layer."""
        s, v = self.layers[index](graph, state.s, state.v, state.edge)
        return NodeState(s, v, state.edge)

    def finish(self, state: NodeState) -> Tensor:
        """Return (nodes, scalars): scalars that have seen the vectors once more."""
        return self.out(state.s, state.v)[0]
