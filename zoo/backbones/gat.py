"""Graph attention with edge features.

"How Attentive are Graph Attention Networks?" (GATv2), Brody et al., arXiv:2105.14491; edge
features enter the score as a third summand, as in torch-geometric's. Ours: they may be a part of
the values as well, as in the graph transformer of Shi et al., arXiv:2009.03509, eq. 3 and 4.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo.backbones import STRUCTURE_BACKBONES
from zoo.backbones.base import NodeScalars, NodeState, StructureBackbone
from zoo.backbones.message_passing import edge_softmax, edge_sum, u_add_v, u_mul_e_sum
from zoo.proteins.build_graph import FeatureWidths
from zoo.proteins.graph import Block, Graph
from zoo.settings.ranges import Count, Layers, Rate

BLOCK = 8192
"""Edges at a time: what is joined on them stays in the processor's cache."""


class GATv2Layer(nn.Module):
    """a . LeakyReLU(W_src x_j + W_dst x_i + W_edge e_ij), softmax over j, per head."""

    def __init__(
        self,
        num_heads: int,
        head_dim: int,
        edge_width: int,
        dropout: float,
        edge_values: bool = False,
    ) -> None:
        super().__init__()
        width = num_heads * head_dim
        self.heads = (num_heads, head_dim)
        self.source = nn.Linear(width, width)
        self.destination = nn.Linear(width, width)
        self.edge = nn.Linear(edge_width, width, bias=False)
        self.edge_value = nn.Linear(edge_width, width, bias=False) if edge_values else None
        self.score = nn.Parameter(torch.empty(num_heads, head_dim))
        nn.init.xavier_uniform_(self.score)
        self.out = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)
        self.drop = nn.Dropout(dropout)

    def forward(self, graph: Graph, x: Tensor, edge: Tensor) -> Tensor:
        """Return (nodes, heads * head_dim)."""
        return self.norm(x + self.drop(self.out(self.heard(graph, x, edge))))

    def heard(self, graph: Graph, x: Tensor, edge: Tensor) -> Tensor:
        """Return (nodes, heads * head_dim) what attention brings, before it is added."""
        source, destination = self.source(x), self.destination(x)
        logits = [
            self._logits(block, source, destination[block.nodes], edge[block.edges])
            for block in graph.blocks(BLOCK)
        ]
        weights = self.drop(edge_softmax(graph, torch.cat(logits)))
        heard = u_mul_e_sum(graph, source.view(-1, *self.heads), weights[..., None])
        if self.edge_value is not None:
            # The sum over edges first: a linear map of it costs a thirtieth of one of each edge.
            mean = edge_sum(graph, weights[..., None] * edge[:, None])
            maps = self.edge_value.weight.view(*self.heads, -1)
            heard = heard + torch.einsum("nhe,hde->nhd", mean, maps)
        return heard.flatten(1)

    def _logits(self, block: Block, source: Tensor, destination: Tensor, edge: Tensor) -> Tensor:
        """Return (edges, heads)."""
        joint = u_add_v(block, source, destination) + self.edge(edge)
        return (F.leaky_relu(joint, 0.2).view(-1, *self.heads) * self.score).sum(-1)


@STRUCTURE_BACKBONES.register("gat")
class GAT(StructureBackbone):
    """Graph attention (GATv2) with scalar edge features; invariant.

    Args:
        features: widths of the graph's features.
        num_heads: attention heads of a layer.
        head_dim: width of a head; a node is as wide as all heads together.
        num_layers: attention layers, each added to its input and normed.
        dropout: on attention weights and on each layer's output.
        edge_values: let a node hear its edges, not only weigh its neighbours by them; false is
            GATv2 as published, which cannot tell how far its neighbours are.
    """

    def __init__(
        self,
        features: FeatureWidths,
        *,
        num_heads: Count = 4,
        head_dim: Count = 32,
        num_layers: Layers = 4,
        dropout: Rate = 0.1,
        edge_values: bool = True,
    ) -> None:
        super().__init__()
        self.num_layers, self.width = num_layers, num_heads * head_dim
        self.scalars = NodeScalars(features, self.width)
        self.into = nn.Linear(self.scalars.width, self.width)
        self.layers = nn.ModuleList(
            GATv2Layer(num_heads, head_dim, features.edge_s, dropout, edge_values)
            for _ in range(num_layers)
        )

    def embed(self, graph: Graph) -> NodeState:
        """Return (nodes, width) and no vectors."""
        s = self.into(self.scalars(graph))
        return NodeState(s, s.new_zeros((len(s), 0, 3)))

    def layer(self, graph: Graph, state: NodeState, index: int) -> NodeState:
        """Return the state after one attention layer."""
        return NodeState(self.layers[index](graph, state.s, graph.edges["edge_s"]), state.v)
