"""E(n)-equivariant network: nodes move, and messages see how far apart they are.

"E(n) Equivariant Graph Neural Networks", Satorras et al., arXiv:2102.09844, equations 3 to 6; the
norm of the features in each layer is ours.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zoo.backbones import STRUCTURE_BACKBONES
from zoo.backbones.base import NodeScalars, NodeState, StructureBackbone
from zoo.backbones.message_passing import edge_mean, edge_sum, to_edges
from zoo.proteins.build_graph import FeatureWidths
from zoo.proteins.graph import Graph
from zoo.settings.ranges import Count, Layers, Rate

NANOMETRE = 10.0
"""Positions enter in nanometres: squared distances in angstrom would saturate the first layer."""


class EGNNLayer(nn.Module):
    """One equivariant graph convolutional layer (EGCL)."""

    def __init__(self, width: int, edge_width: int, dropout: float) -> None:
        super().__init__()
        self.message = nn.Sequential(
            nn.Linear(2 * width + 1 + edge_width, width), nn.SiLU(), nn.Linear(width, width),
            nn.SiLU(),
        )  # fmt: skip
        last = nn.Linear(width, 1, bias=False)
        # As in the authors' code: nodes hardly move at first, or coordinates blow up with depth.
        nn.init.xavier_uniform_(last.weight, gain=0.001)
        self.step = nn.Sequential(nn.Linear(width, width), nn.SiLU(), last)
        self.update = nn.Sequential(
            nn.Linear(2 * width, width), nn.SiLU(), nn.Linear(width, width), nn.Dropout(dropout)
        )
        # Ours: sums over thirty neighbours grow from layer to layer, and with training without end.
        self.norm = nn.LayerNorm(width)

    def forward(self, graph: Graph, h: Tensor, x: Tensor, edge: Tensor) -> tuple[Tensor, Tensor]:
        """Return new features (nodes, width) and positions (nodes, 3)."""
        apart = to_edges(graph, x, "dst") - to_edges(graph, x, "src")
        squared = apart.square().sum(-1, keepdim=True)
        ends = [to_edges(graph, h, "dst"), to_edges(graph, h, "src")]
        message = self.message(torch.cat([*ends, squared, edge], dim=-1))
        # Divided by distance + 1, as in the authors' code: no step grows with the distance.
        direction = apart / (squared.clamp(min=1e-12).sqrt() + 1.0)
        x = x + edge_mean(graph, direction * self.step(message))
        h = h + self.update(torch.cat([h, edge_sum(graph, message)], dim=-1))
        return self.norm(h), x


@STRUCTURE_BACKBONES.register("egnn")
class EGNN(StructureBackbone):
    """E(n)-equivariant network; its one vector is how far a node has moved.

    Args:
        features: widths of the graph's features.
        hidden: width of a node and of a message.
        num_layers: equivariant layers.
        dropout: on each layer's update.
    """

    def __init__(
        self,
        features: FeatureWidths,
        *,
        hidden: Count = 128,
        num_layers: Layers = 4,
        dropout: Rate = 0.1,
    ) -> None:
        super().__init__()
        self.num_layers, self.width = num_layers, hidden
        self.scalars = NodeScalars(features, hidden)
        self.into = nn.Linear(self.scalars.width, hidden)
        self.layers = nn.ModuleList(
            EGNNLayer(hidden, features.edge_s, dropout) for _ in range(num_layers)
        )
        self.moved = nn.Linear(1, hidden)

    def embed(self, graph: Graph) -> NodeState:
        """Return (nodes, hidden) and a vector of zeros: nothing has moved."""
        s = self.into(self.scalars(graph))
        return NodeState(s, s.new_zeros((len(s), 1, 3)))

    def layer(self, graph: Graph, state: NodeState, index: int) -> NodeState:
        """Return the state after one layer."""
        start = graph.nodes["pos"] / NANOMETRE
        s, x = self.layers[index](graph, state.s, start + state.v[:, 0], graph.edges["edge_s"])
        return NodeState(s, (x - start)[:, None])

    def finish(self, state: NodeState) -> Tensor:
        """Return (nodes, hidden), with how far each node moved: the last step counts too."""
        length = state.v[:, 0].square().sum(-1, keepdim=True).clamp(min=1e-12).sqrt()
        return state.s + self.moved(length)
