"""SchNet: convolutions whose filters are computed from distances.

"SchNet: A continuous-filter convolutional neural network for modeling quantum interactions",
Schuett et al., arXiv:1706.08566, with residues or atoms as its particles.
"""

from __future__ import annotations

import math
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo.backbones import STRUCTURE_BACKBONES
from zoo.backbones.base import NodeScalars, NodeState, StructureBackbone
from zoo.backbones.message_passing import u_mul_e_sum
from zoo.proteins.build_graph import FeatureWidths
from zoo.proteins.graph import Graph
from zoo.settings.ranges import Count, Layers, Positive, Rate

LN2 = math.log(2.0)
BLOCK = 8192
"""Edges at a time: their filters stay in the processor's cache."""


class ShiftedSoftplus(nn.Module):
    """ln(0.5 exp(x) + 0.5), the paper's activation: smooth, and 0 at 0."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the same shape."""
        return F.softplus(x) - LN2


class Interaction(nn.Module):
    """x + W2 ssp(W1 sum_j x_j * filter(d_ij)), equation 2 and figure 2 of the paper."""

    def __init__(self, width: int, num_filters: int, num_gaussians: int, dropout: float) -> None:
        super().__init__()
        self.filter = nn.Sequential(
            nn.Linear(num_gaussians, num_filters),
            ShiftedSoftplus(),
            nn.Linear(num_filters, num_filters),
        )
        self.into = nn.Linear(width, num_filters, bias=False)
        self.out = nn.Sequential(
            nn.Linear(num_filters, width),
            ShiftedSoftplus(),
            nn.Linear(width, width),
            nn.Dropout(dropout),
        )

    def forward(self, graph: Graph, x: Tensor, smeared: Tensor, envelope: Tensor) -> Tensor:
        """Return (nodes, width)."""
        sent, heard = self.into(x), []
        for block in graph.blocks(BLOCK):
            filters = self._filters(smeared[block.edges]) * envelope[block.edges]
            heard.append(u_mul_e_sum(block, sent, filters))
        return x + self.out(torch.cat(heard))

    def _filters(self, smeared: Tensor) -> Tensor:
        """Return `self.filter`'s numbers, its ln 2 taken off a bias and not off every edge."""
        first, second = cast("nn.Linear", self.filter[0]), cast("nn.Linear", self.filter[2])
        bias = second.bias - LN2 * second.weight.sum(1)
        return F.linear(F.softplus(first(smeared)), second.weight, bias)


def smear(dist: Tensor, centres: Tensor, cutoff: float) -> tuple[Tensor, Tensor]:
    """Return Gaussians of distances (edges, centres), and an envelope (edges, 1) that ends them."""
    dist = dist[:, None]
    spacing = cutoff / max(len(centres) - 1, 1)
    near = (dist < cutoff).to(dist.dtype)
    envelope = 0.5 * (torch.cos(dist * math.pi / cutoff) + 1.0) * near
    return torch.exp(-0.5 * ((dist - centres) / spacing) ** 2), envelope


@STRUCTURE_BACKBONES.register("schnet")
class SchNet(StructureBackbone):
    """Continuous-filter convolutions over distances; invariant.

    Args:
        features: widths of the graph's features.
        hidden: width of a node.
        num_filters: width of the filters.
        num_gaussians: Gaussians of the distance, evenly from 0 to `cutoff`.
        cutoff: angstrom; a cosine takes messages to zero there (as SchNetPack does).
        num_layers: interaction blocks.
        dropout: after each block.
    """

    centres: Tensor

    def __init__(
        self,
        features: FeatureWidths,
        *,
        hidden: Count = 128,
        num_filters: Count = 128,
        num_gaussians: Count = 50,
        cutoff: Positive = 20.0,
        num_layers: Layers = 6,
        dropout: Rate = 0.1,
    ) -> None:
        super().__init__()
        self.num_layers, self.width, self.cutoff = num_layers, hidden, cutoff
        self.scalars = NodeScalars(features, hidden)
        self.into = nn.Linear(self.scalars.width, hidden)
        self.blocks = nn.ModuleList(
            Interaction(hidden, num_filters, num_gaussians, dropout) for _ in range(num_layers)
        )
        self.register_buffer("centres", torch.linspace(0.0, cutoff, num_gaussians))

    def embed(self, graph: Graph) -> NodeState:
        """Return (nodes, hidden) and no vectors; the smeared distances ride on the edges."""
        s = self.into(self.scalars(graph))
        edge = smear(graph.edges["dist"], self.centres, self.cutoff)
        return NodeState(s, s.new_zeros((len(s), 0, 3)), edge)

    def layer(self, graph: Graph, state: NodeState, index: int) -> NodeState:
        """Return the state after one interaction block."""
        return NodeState(self.blocks[index](graph, state.s, *state.edge), state.v, state.edge)
