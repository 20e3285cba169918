"""CDConv: kernels that are continuous in space and discrete along the sequence.

"Continuous-Discrete Convolution for Geometry-Sequence Modeling in Proteins", Fan et al., ICLR 2023,
openreview.net/forum?id=P5Z-Zl9XJ7. The kernel of an edge is a small network of the neighbour's
direction, orientation and distance, with weights of its own for each offset in sequence.

The paper pools every second residue between its blocks; here each residue stays a node, as all
graph networks of the zoo have it. Its neighbours are those of the graph that all share, of which
those within the radius are heard; batch norms are layer norms, so that no protein depends on its
batch.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo.backbones import STRUCTURE_BACKBONES
from zoo.backbones.base import NodeScalars, NodeState, StructureBackbone
from zoo.backbones.frames import direction
from zoo.backbones.message_passing import edge_sum, to_edges, with_loops
from zoo.proteins.build_graph import FeatureWidths
from zoo.proteins.features import offset_class
from zoo.proteins.graph import Block, Graph
from zoo.settings.ranges import Count, Layers, Positive, Rate, Whole

BLOCK = 4096
"""Edges at a time; on each are kernel channels times width numbers."""
GEOMETRY = 7
"""What a kernel is told of an edge: a direction, an orientation, a distance."""
Edge = tuple[Tensor, Tensor]
"""What kernels are told (edges, .), and what they are scaled by (edges, 1)."""


def frames(graph: Graph) -> Tensor:
    """Return (nodes, 3, 3) the axes b, n, o of each residue as rows.

    With u_i the unit step from CA i to the next, b is along u_(i-1) - u_i, n along u_(i-1) x u_i,
    and o = b x n. At an end or a break of the chain there is no frame, and the axes are zeros; the
    published code copies the neighbour's.
    """
    ahead, back = graph.nodes["steps"].unbind(1)
    normal = direction(torch.linalg.cross(-back, ahead, dim=-1))
    along = direction(-back - ahead) * normal.any(-1, keepdim=True)
    return torch.stack([along, normal, torch.linalg.cross(along, normal, dim=-1)], dim=1)


def told_by_offset(geometry: Tensor, offset: Tensor, offsets: int) -> Tensor:
    """Return (edges, offsets * 8): each edge's geometry and a one, in the columns of its offset.

    One linear map of it has weights and a bias of its own for each offset.
    """
    told = torch.cat([geometry, torch.ones_like(geometry[:, :1])], dim=1)
    mine = offset[:, None] == torch.arange(offsets, device=offset.device)
    return (mine[:, :, None] * told[:, None]).flatten(1)


class Convolution(nn.Module):
    """W times the sum over j of kernel(i, j) outer x_j: the continuous-discrete convolution."""

    def __init__(self, width: int, offsets: int, channels: int) -> None:
        super().__init__()
        self.kernels = nn.Linear(offsets * (GEOMETRY + 1), channels, bias=False)
        # As if each offset had a linear layer of its own.
        nn.init.uniform_(self.kernels.weight, -(GEOMETRY**-0.5), GEOMETRY**-0.5)
        self.out = nn.Linear(channels * width, width, bias=False)

    def forward(self, graph: Graph, x: Tensor, edge: Edge) -> Tensor:
        """Return (nodes, width)."""
        told, smooth = edge
        kernel = F.leaky_relu(self.kernels(told), 0.2) * smooth
        heard = [self._heard(block, x, kernel[block.edges]) for block in graph.blocks(BLOCK)]
        out: Tensor = self.out(torch.cat(heard))
        return out

    def _heard(self, block: Block, x: Tensor, kernel: Tensor) -> Tensor:
        message = kernel[:, :, None] * to_edges(block, x, "src")[:, None]
        return edge_sum(block, message.flatten(1))


class CDConvBlock(nn.Module):
    """A residual bottleneck: down to `inner` channels, a convolution, and up again."""

    def __init__(self, width: int, inner: int, offsets: int, channels: int, dropout: float) -> None:
        super().__init__()
        self.down = _step(width, inner, dropout, 0.2)
        self.norm = nn.LayerNorm(inner)
        self.convolution = Convolution(inner, offsets, channels)
        self.drop = nn.Dropout(dropout)
        self.up = _step(inner, width, dropout, 0.1)

    def forward(self, graph: Graph, x: Tensor, edge: Edge) -> Tensor:
        """Return (nodes, width)."""
        inner = self.drop(F.leaky_relu(self.norm(self.down(x)), 0.2))
        out: Tensor = x + self.up(self.convolution(graph, inner, edge))
        return out


def _step(width_in: int, width: int, dropout: float, slope: float) -> nn.Sequential:
    linear = nn.Linear(width_in, width)
    return nn.Sequential(nn.LayerNorm(width_in), nn.LeakyReLU(slope), nn.Dropout(dropout), linear)


@STRUCTURE_BACKBONES.register("cdconv")
class CDConv(StructureBackbone):
    """Convolutions continuous in space and discrete along the sequence; invariant.

    Args:
        features: widths of the graph's features.
        hidden: width of a node.
        inner: channels that are convolved, as a bottleneck.
        kernel_channels: channels of a kernel.
        reach: offset in sequence, either way, from which on all share a kernel; other chains have
            one of their own.
        radius: angstrom, beyond which no neighbour is heard; those far in sequence fade before.
        num_layers: residual blocks with a convolution each.
        dropout: before each map of a block.
    """

    def __init__(
        self,
        features: FeatureWidths,
        *,
        hidden: Count = 128,
        inner: Count = 32,
        kernel_channels: Count = 24,
        reach: Whole = 5,
        radius: Positive = 12.0,
        num_layers: Layers = 4,
        dropout: Rate = 0.1,
    ) -> None:
        super().__init__()
        self.num_layers, self.width = num_layers, hidden
        self.reach, self.radius = reach, radius
        self.scalars = NodeScalars(features, hidden)
        self.into = nn.Linear(self.scalars.width, hidden)
        self.blocks = nn.ModuleList(
            CDConvBlock(hidden, inner, 2 * reach + 2, kernel_channels, dropout)
            for _ in range(num_layers)
        )

    def embed(self, graph: Graph) -> NodeState:
        """Return (nodes, hidden) and no vectors; a graph with loops and its geometry ride along."""
        s = self.into(self.scalars(graph))
        looped = with_loops(graph)
        return NodeState(s, s.new_zeros((len(s), 0, 3)), (looped, self._edges(looped)))

    def layer(self, graph: Graph, state: NodeState, index: int) -> NodeState:
        """Return the state after one block."""
        looped, edge = state.edge
        return NodeState(self.blocks[index](looped, state.s, edge), state.v, state.edge)

    def _edges(self, graph: Graph) -> Edge:
        """Return what kernels are told, and what they are scaled by."""
        pos, axes = graph.nodes["pos"], frames(graph)
        step = to_edges(graph, pos, "src") - to_edges(graph, pos, "dst")
        dist = torch.linalg.vector_norm(step, dim=-1, keepdim=True)
        here, there = to_edges(graph, axes, "dst"), to_edges(graph, axes, "src")
        towards = torch.einsum("eac,ec->ea", here, step / dist.clamp(min=1e-9))
        orientation = (here * there).sum(-1)
        geometry = torch.cat([towards, orientation, dist], dim=-1)
        offset = self._offsets(graph)
        share = (offset - self.reach).abs().clamp(max=self.reach)[:, None] / self.reach
        smooth = 0.5 - 0.5 * torch.tanh(16.0 * dist / self.radius * share - 14.0)
        told = told_by_offset(geometry, offset, 2 * self.reach + 2)
        return told, smooth * (dist <= self.radius)

    def _offsets(self, graph: Graph) -> Tensor:
        """Return (edges,) source minus destination as 0 to 2 `reach`; one more between chains."""
        position = graph.nodes["position"]
        step = position.index_select(0, graph.src) - position.index_select(0, graph.dst)
        return offset_class(step, self.reach)
