"""GearNet: one weight matrix a kind of edge, with messages between edges by option.

"Protein Representation Learning by Geometric Structure Pretraining", Zhang et al.,
arXiv:2203.06125. The kinds of edge (`features.RELATIONS`) are read off the graph that all
backbones share; the paper builds a graph of its own, with sequence, radius and kNN edges.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo.backbones import STRUCTURE_BACKBONES
from zoo.backbones.base import NodeScalars, NodeState, StructureBackbone
from zoo.backbones.message_passing import edge_sum
from zoo.proteins.build_graph import FeatureWidths
from zoo.proteins.features import RELATIONS
from zoo.proteins.graph import Graph
from zoo.settings.ranges import Count, Layers, Rate

NUM_ANGLES = 8
"""Kinds of edge-to-edge message, by the angle between the edges in eighths of 180 degrees."""


class RelationalConv(nn.Module):
    """relu(W_0 x_i + sum over kinds r and neighbours j of W_r (x_j + e_ij)), equation 2."""

    def __init__(self, width_in: int, width: int, num_relations: int, edge_width: int) -> None:
        super().__init__()
        self.num_relations = num_relations
        self.itself = nn.Linear(width_in, width)
        self.relations = nn.Linear(width_in, num_relations * width, bias=False)
        self.edge = nn.Linear(edge_width, width_in) if edge_width else None

    def forward(self, graph: Graph, x: Tensor, kind: Tensor, edge: Tensor | None) -> Tensor:
        """Return (nodes, width); `kind` (edges,) in 0..num_relations - 1."""
        # Multiply before the gather: nodes x kinds rows, far fewer than edges in a kNN graph.
        per_kind = self.relations(x).view(-1, self.itself.out_features)
        heard = edge_sum(graph, per_kind.index_select(0, graph.src * self.num_relations + kind))
        if self.edge is not None and edge is not None:
            heard = heard + self._heard_of_edges(self.edge, graph, kind, edge)
        return self.itself(x) + heard

    def _heard_of_edges(self, into: nn.Linear, graph: Graph, kind: Tensor, edge: Tensor) -> Tensor:
        """Sum of W_r (E e + b) over edges, as W_r (E sum of e + b count) for each node and kind.

        The maps then run on nodes x kinds rows and not on edges, and no edges are sorted by kind,
        which would ask a GPU for their numbers.
        """
        told = torch.cat([edge, torch.ones_like(edge[:, :1])], dim=1)
        total = told.new_zeros((graph.total_nodes * self.num_relations, told.shape[1]))
        total = total.index_add(0, graph.dst * self.num_relations + kind, told)
        per_kind = F.linear(total, torch.cat([into.weight, into.bias[:, None]], dim=1))
        weights = self.relations.weight.view(self.num_relations, -1, per_kind.shape[1])
        joined = weights.transpose(0, 1).flatten(1)  # (width, kinds * width_in)
        return F.linear(per_kind.view(graph.total_nodes, -1), joined)


def line_graph(graph: Graph) -> tuple[Graph, Tensor]:
    """Return the graph whose nodes are the edges, and its kinds of edge (line edges,).

    Edge (i, j) sends to edge (j, k); the kind is the angle between the two.
    """
    degree = graph.in_degrees
    first = degree.cumsum(0) - degree  # edges are sorted by destination
    incoming = degree[graph.src]  # into the source of each edge
    dst = torch.repeat_interleave(incoming, output_size=graph.num_paths)
    within = torch.arange(len(dst), device=dst.device) - (incoming.cumsum(0) - incoming)[dst]
    src = first[graph.src[dst]] + within
    direction = graph.edges["edge_v"][:, 0]
    cosine = (direction[src] * direction[dst]).sum(-1).clamp(-1.0, 1.0)
    kind = (torch.acos(cosine) * (NUM_ANGLES / math.pi)).long().clamp(max=NUM_ANGLES - 1)
    line = Graph(src, dst, (len(graph.src),))
    # Known already: computing them anew would make the CPU wait for a GPU.
    vars(line)["in_degrees"], vars(line)["constant_degree"] = incoming, graph.constant_degree
    return line, kind


class GearNetLayer(nn.Module):
    """A relational convolution over nodes, and one over edges where edges carry messages."""

    def __init__(self, width: int, edge_in: int, edge_hidden: int, dropout: float) -> None:
        super().__init__()
        self.conv = RelationalConv(width, width, len(RELATIONS), edge_hidden)
        self.norm = nn.LayerNorm(width)
        self.drop = nn.Dropout(dropout)
        self.edge_conv = RelationalConv(edge_in, edge_hidden, NUM_ANGLES, 0) if edge_in else None

    def forward(self, graph: Graph, state: NodeState) -> NodeState:
        """Return the next state; `state.edge` is (line graph, its kinds, edge features)."""
        edge = None
        if self.edge_conv is not None:
            line, kind, edge = state.edge
            edge = self.edge_conv(line, edge, kind, None).relu()
        heard = self.conv(graph, state.s, graph.edges["relation"], edge).relu()
        s = self.norm(state.s + self.drop(heard))
        return NodeState(s, state.v, None if edge is None else (line, kind, edge))


@STRUCTURE_BACKBONES.register("gearnet")
class GearNet(StructureBackbone):
    """Relational convolutions, GearNet-Edge with `edge_messages`; invariant.

    Args:
        features: widths of the graph's features.
        hidden: width of a node.
        num_layers: relational convolutions.
        edge_messages: let edges hear from the edges that lead to them (GearNet-Edge).
        edge_hidden: width of an edge's message.
        dropout: on each layer's output.
    """

    def __init__(
        self,
        features: FeatureWidths,
        *,
        hidden: Count = 128,
        num_layers: Layers = 4,
        edge_messages: bool = False,
        edge_hidden: Count = 32,
        dropout: Rate = 0.1,
    ) -> None:
        super().__init__()
        self.num_layers, self.width, self.edge_messages = num_layers, hidden, edge_messages
        self.scalars = NodeScalars(features, hidden)
        self.into = nn.Linear(self.scalars.width, hidden)
        widths = [features.edge_s] + [edge_hidden] * (num_layers - 1)
        self.layers = nn.ModuleList(
            GearNetLayer(hidden, width, edge_hidden, dropout)
            if edge_messages
            else GearNetLayer(hidden, 0, 0, dropout)
            for width in widths
        )

    def embed(self, graph: Graph) -> NodeState:
        """Return (nodes, hidden) and no vectors; with edge messages also the graph of edges."""
        s = self.into(self.scalars(graph))
        edge = (*line_graph(graph), graph.edges["edge_s"]) if self.edge_messages else None
        return NodeState(s, s.new_zeros((len(s), 0, 3)), edge)

    def layer(self, graph: Graph, state: NodeState, index: int) -> NodeState:
        """Return the state after one layer."""
        out: NodeState = self.layers[index](graph, state)
        return out
