"""ProNet: filters of distances, directions and relative rotations of backbones.

"Learning Hierarchical Protein Representations via Complete 3D Graph Networks", Wang et al., ICLR
2023, arXiv:2207.12600, with the paper's two spherical orders. Of an angle they need the cosine
alone, and of a direction its three components, so no angle is computed.

It is the paper's level of the backbone. The all-atom level has the same filters and reads the
torsions chi 1 to 4 of each side chain beside those of the backbone: `graph.features: [backbone,
side_chain]`, which has one column more, the distance to the middle of the side chain. A torsion
with an unknown atom is (0, 0), where the authors' code has the angle 0.

The graph is the one that all share, of which edges shorter than the cutoff are heard. A residue at
an end or a break of its chain has no local frame, and its directions are zeros; one without N or C
has no rotation. The third filter reads the graph's own edge features: the offset in sequence, as in
the paper, and the distance.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from scipy.optimize import brentq
from scipy.special import spherical_jn
from torch import Tensor, nn

from zoo.backbones import STRUCTURE_BACKBONES
from zoo.backbones.base import NodeScalars, NodeState, StructureBackbone
from zoo.backbones.frames import direction
from zoo.backbones.message_passing import to_edges, u_mul_e_sum
from zoo.proteins.build_graph import FeatureWidths
from zoo.proteins.graph import Graph
from zoo.settings.ranges import Count, Layers, Positive, Rate

NEAREST = 1e-2
"""Least argument of a Bessel function, below which the formula of order one loses its digits."""


def local_frames(graph: Graph) -> Tensor:
    """Return (nodes, 3, 3) axes x, y, z as rows: z to the previous CA, the next beside x."""
    ahead, z = graph.nodes["steps"].unbind(1)
    x = direction(ahead - (ahead * z).sum(-1, keepdim=True) * z)
    return torch.stack([x, torch.linalg.cross(z, x, dim=-1), z], dim=1)


def rotation_cosines(graph: Graph) -> Tensor:
    """Return (edges, 3) cosines of the Euler angles from a destination's backbone to the source's.

    A backbone's x points from CA to N, and its z along x cross (x cross CA to C).
    """
    n, c, _ = graph.nodes["backbone"].unbind(1)
    x = direction(n)
    z = direction(torch.linalg.cross(x, torch.linalg.cross(x, c, dim=-1), dim=-1))
    x_here, z_here = to_edges(graph, x, "dst"), to_edges(graph, z, "dst")
    x_there, z_there = to_edges(graph, x, "src"), to_edges(graph, z, "src")
    line = direction(torch.linalg.cross(z_here, z_there, dim=-1))
    pairs = [(x_here, line), (z_here, z_there), (line, x_there)]
    return torch.stack([(a * b).sum(-1) for a, b in pairs], dim=1)


class Bessel(nn.Module):
    """Spherical Bessel functions of order 0 and 1 that are zero at the cutoff, normed on it."""

    zeros: Tensor
    scale: Tensor

    def __init__(self, num_radial: int, cutoff: float) -> None:
        super().__init__()
        self.cutoff = cutoff
        first = [math.pi * n for n in range(1, num_radial + 2)]
        # Between two zeros of order 0 lies one of order 1.
        between = zip(first, first[1:], strict=False)
        second = [brentq(lambda x: spherical_jn(1, x), low, high) for low, high in between]
        zeros = [first[:-1], second]
        scale = [
            [math.sqrt(2) / abs(float(spherical_jn(order + 1, x))) for x in row]
            for order, row in enumerate(zeros)
        ]
        self.register_buffer("zeros", torch.tensor(zeros), persistent=False)
        self.register_buffer("scale", torch.tensor(scale), persistent=False)

    def forward(self, dist: Tensor) -> tuple[Tensor, Tensor]:
        """Return (edges, num_radial) of each order; zeros from the cutoff on."""
        x = (dist[:, None, None] / self.cutoff * self.zeros).clamp(min=NEAREST)
        zeroth = x[:, 0].sin() / x[:, 0]
        first = x[:, 1].sin() / x[:, 1] ** 2 - x[:, 1].cos() / x[:, 1]
        near = (dist < self.cutoff).to(dist.dtype)[:, None]
        return zeroth * self.scale[0] * near, first * self.scale[1] * near


class Filtered(nn.Module):
    """silu(W (W_l sum over j of filter(e_ij) * x_j + W_r x_i)); a filter is two linear maps."""

    def __init__(self, width: int, edge_width: int, middle: int, dropout: float) -> None:
        super().__init__()
        self.inner = nn.Linear(edge_width, middle, bias=False)
        self.outer = nn.Linear(middle, width, bias=False)
        self.heard = nn.Linear(width, width)
        self.itself = nn.Linear(width, width, bias=False)
        self.out = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Dropout(dropout))

    def forward(self, graph: Graph, x: Tensor, edge: Tensor) -> Tensor:
        """Return (nodes, width)."""
        # Both maps as one: there is nothing between them.
        filters = F.linear(edge, self.outer.weight @ self.inner.weight)
        out: Tensor = self.out(self.heard(u_mul_e_sum(graph, x, filters)) + self.itself(x))
        return out


class ProNetBlock(nn.Module):
    """Three filtered sums, joined and mapped, beside a map of the node itself."""

    def __init__(
        self, width: int, edge_widths: tuple[int, ...], middle: int, dropout: float
    ) -> None:
        super().__init__()
        self.sent, self.kept = nn.Linear(width, width), nn.Linear(width, width)
        self.filtered = nn.ModuleList(Filtered(width, w, middle, dropout) for w in edge_widths)
        self.joined = _maps([len(edge_widths) * width, width, width, width])
        self.after = _maps([width, width, width])
        self.out = nn.Linear(width, width)
        self.apply(_as_published)

    def forward(self, graph: Graph, x: Tensor, edges: tuple[Tensor, ...]) -> Tensor:
        """Return (nodes, width)."""
        sent = F.silu(self.sent(x))
        pairs = zip(self.filtered, edges, strict=True)
        heard = torch.cat([filtered(graph, sent, edge) for filtered, edge in pairs], dim=1)
        out: Tensor = self.out(self.after(self.joined(heard) + F.silu(self.kept(x))))
        return out


def _as_published(part: nn.Module) -> None:
    """Begin as the authors' code does.

    A block has eight maps in a row and no way around them: with the smaller weights and the biases
    that PyTorch begins with, all residues are the same number after four blocks.
    """
    if isinstance(part, nn.Linear):
        nn.init.xavier_uniform_(part.weight)
        if part.bias is not None:
            nn.init.zeros_(part.bias)


def _maps(widths: list[int]) -> nn.Sequential:
    steps = zip(widths, widths[1:], strict=False)
    return nn.Sequential(*(part for pair in steps for part in (nn.Linear(*pair), nn.SiLU())))


@STRUCTURE_BACKBONES.register("pronet")
class ProNet(StructureBackbone):
    """Filters of distance, direction and relative rotation of backbones; invariant.

    Args:
        features: widths of the graph's features.
        hidden: width of a node.
        middle: width between the two maps that make a filter.
        num_radial: Bessel functions of the distance, for each spherical order.
        cutoff: angstrom, from which on no neighbour is heard.
        num_layers: interaction blocks.
        dropout: on each filtered sum.
    """

    def __init__(
        self,
        features: FeatureWidths,
        *,
        hidden: Count = 128,
        middle: Count = 64,
        num_radial: Count = 6,
        cutoff: Positive = 10.0,
        num_layers: Layers = 4,
        dropout: Rate = 0.1,
    ) -> None:
        super().__init__()
        self.num_layers, self.width, self.cutoff = num_layers, hidden, cutoff
        self.scalars = NodeScalars(features, hidden)
        self.into = nn.Linear(self.scalars.width, hidden)
        self.bessel = Bessel(num_radial, cutoff)
        widths = (4 * num_radial, 6 * num_radial, features.edge_s)
        self.blocks = nn.ModuleList(
            ProNetBlock(hidden, widths, middle, dropout) for _ in range(num_layers)
        )

    def embed(self, graph: Graph) -> NodeState:
        """Return (nodes, hidden) and no vectors; what filters are made of rides along."""
        s = self.into(self.scalars(graph))
        return NodeState(s, s.new_zeros((len(s), 0, 3)), self._edges(graph))

    def layer(self, graph: Graph, state: NodeState, index: int) -> NodeState:
        """Return the state after one interaction block."""
        return NodeState(self.blocks[index](graph, state.s, state.edge), state.v, state.edge)

    def _edges(self, graph: Graph) -> tuple[Tensor, Tensor, Tensor]:
        """Return (edges, .): distance with direction, with rotation, and the graph's features."""
        dist = graph.edges["dist"]
        zeroth, first = self.bessel(dist)
        step = graph.edges["edge_v"][:, 0]
        axes = to_edges(graph, local_frames(graph), "dst")
        towards = _harmonics(zeroth, first, torch.einsum("eac,ec->ea", axes, step))
        cosines = rotation_cosines(graph)
        rotation = [_harmonics(zeroth, first, cosines[:, i : i + 1]) for i in range(3)]
        near = (dist < self.cutoff).to(dist.dtype)[:, None]
        return towards, torch.cat(rotation, dim=1), graph.edges["edge_s"] * near


def _harmonics(zeroth: Tensor, first: Tensor, components: Tensor) -> Tensor:
    """Return (edges, .) order 0 times its harmonic, and order 1 times each component's."""
    harmonic = math.sqrt(3.0 / (4.0 * math.pi)) * components
    products = (first[:, None] * harmonic[:, :, None]).flatten(1)
    return torch.cat([zeroth * math.sqrt(1.0 / (4.0 * math.pi)), products], dim=1)
