"""What ProteinMPNN knows of an edge: distances of 25 pairs of atoms, and the sequence offset.

Source as in `zoo.backbones.mpnn`. Atoms are N, CA, C, O and an ideal CB.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zoo.backbones.message_passing import to_edges
from zoo.proteins.features import offset_class
from zoo.proteins.graph import Block, Graph

BLOCK = 8192
"""Edges at a time: 400 numbers on each are computed."""
ATOMS = ("N", "CA", "C", "O", "CB")
PAIRS = (
    "CA-CA N-N C-C O-O CB-CB CA-N CA-C CA-O CA-CB N-C N-O N-CB CB-C CB-O O-C "
    "N-CA C-CA O-CA CB-CA C-N O-N CB-N C-CB O-CB C-O"
).split()  # fmt: skip
"""Pairs of an atom at the destination and one at the source, in the order of the weights."""
NUM_RBF, NEAREST, FARTHEST = 16, 2.0, 22.0
"""Gaussians of a distance, and their first and last centre in angstrom."""
REACH = 32
"""Largest offset in sequence that is told from larger ones."""
NUM_POSITIONAL = 16


def atoms_of(graph: Graph) -> tuple[Tensor, Tensor]:
    """Return positions (nodes, 5, 3) of `ATOMS`, and whether each is known (nodes, 5).

    CB lies where an ideal backbone has it, in glycine too; it needs N and C.
    """
    ca, (n, c, o) = graph.nodes["pos"], graph.nodes["backbone"].unbind(1)
    cross = torch.linalg.cross(-n, c, dim=-1)
    cb = -0.58273431 * cross - 0.56802827 * n - 0.54067466 * c
    vectors = torch.stack([n, torch.zeros_like(ca), c, o, cb], dim=1)
    known = vectors.ne(0).any(-1)
    known[:, 1] = True
    known[:, 4] = known[:, 0] & known[:, 2]
    return ca[:, None] + vectors, known


class EdgeFeatures(nn.Module):
    """norm(W [offset in sequence, Gaussians of 25 distances]), then a linear map.

    Distances are sqrt(d^2 + 1e-6), so that an atom's to itself has a gradient.
    """

    ends: Tensor
    centres: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.offset = nn.Embedding(2 * REACH + 2, NUM_POSITIONAL)
        self.embedding = nn.Linear(NUM_POSITIONAL + NUM_RBF * len(PAIRS), width, bias=False)
        self.norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, width)
        ends = [[ATOMS.index(name) for name in pair.split("-")] for pair in PAIRS]
        self.register_buffer("ends", torch.tensor(ends).T.contiguous(), persistent=False)
        centres = torch.linspace(NEAREST, FARTHEST, NUM_RBF)
        self.register_buffer("centres", centres, persistent=False)

    def forward(self, graph: Graph) -> Tensor:
        """Return (edges, width) of a graph with loops."""
        pos, known = atoms_of(graph)
        known = known.to(pos.dtype)
        rows = [self._on_edges(graph, block, pos, known) for block in graph.blocks(BLOCK)]
        return torch.cat(rows)

    def _on_edges(self, graph: Graph, block: Block, pos: Tensor, known: Tensor) -> Tensor:
        here, there = self.ends
        step = to_edges(block, pos[block.nodes][:, here], "dst")
        step = step - to_edges(block, pos[:, there], "src")
        distance = (step.square().sum(-1) + 1e-6).sqrt()
        spread = (FARTHEST - NEAREST) / NUM_RBF
        gaussians = torch.exp(-(((distance[..., None] - self.centres) / spread) ** 2))
        both = to_edges(block, known[block.nodes][:, here], "dst")
        both = both * to_edges(block, known[:, there], "src")
        told = (gaussians * both[..., None]).flatten(1)
        joined = torch.cat([self.offset(self._offsets(graph, block)), told], dim=-1)
        out: Tensor = self.out(self.norm(self.embedding(joined)))
        return out

    def _offsets(self, graph: Graph, block: Block) -> Tensor:
        """Return (edges,) destination minus source from -32 to 32 as 0 to 64; 65 between chains."""
        position = graph.nodes["position"]
        step = position[block.nodes][block.dst] - position[block.src]
        return offset_class(step, REACH)
