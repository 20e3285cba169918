"""The encoder of ProteinMPNN: messages over the distances of all backbone atoms.

"Robust deep learning-based protein sequence design using ProteinMPNN", Dauparas et al., Science
378, 49 (2022), doi:10.1126/science.add2187. The published weights (MIT licence) come with the
package; `benchmarks/convert_mpnn.py` converts them. On a residue graph of 47 neighbours without
ligands, its numbers are those of the published code: the 48th neighbour is the residue itself.

Two things differ. The published code leaves residues with an incomplete backbone out; here, such
a residue stays a node, and a distance to an unknown atom gives zeros for its Gaussians. The atom of
a ligand, or a node of an atom graph, has its own position alone, as if it were a CA.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo.backbones import STRUCTURE_BACKBONES
from zoo.backbones.base import NodeState, StructureBackbone
from zoo.backbones.message_passing import edge_sum, u_add_v, with_loops
from zoo.backbones.mpnn_edges import EdgeFeatures
from zoo.proteins.build_graph import FeatureWidths
from zoo.proteins.features import LETTERS, NUM_LETTERS
from zoo.proteins.graph import Block, Graph
from zoo.settings.ranges import Count, Layers, Rate

BLOCK = 8192
"""Edges at a time: what is joined on them stays in the processor's cache."""
SCALE = 30.0
"""What a sum of messages is divided by, as published, however many there are."""
NUM_DECODER_LAYERS = 3


class Message(nn.Module):
    """W3 gelu(W2 gelu(W1 [v_i, e_ij, v_j])) on each edge from j to i."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.destination = nn.Linear(width, width)
        self.edge = nn.Linear(width, width, bias=False)
        self.source = nn.Linear(width, width, bias=False)
        self.hidden = nn.Linear(width, width)
        self.out = nn.Linear(width, width)

    def on_edges(self, block: Block, source: Tensor, destination: Tensor, edge: Tensor) -> Tensor:
        """Return (edges, width) before W3, of the parts of W1 that nodes give."""
        joint = u_add_v(block, source, destination[block.nodes]) + self.edge(edge[block.edges])
        return F.gelu(self.hidden(F.gelu(joint)))

    def total(self, graph: Graph, v: Tensor, edge: Tensor, heard: Tensor) -> Tensor:
        """Return (nodes, width) the sum of messages, with `heard` (nodes, width) as v_j.

        W3 is applied to the sum: it is linear, and there are fifty times as many edges as nodes.
        """
        source, destination = self.source(heard), self.destination(v)
        blocks = graph.blocks(BLOCK)
        sums = [edge_sum(b, self.on_edges(b, source, destination, edge)) for b in blocks]
        degree = graph.in_degrees.to(v.dtype)[:, None]
        return F.linear(torch.cat(sums), self.out.weight) + degree * self.out.bias

    def each(self, graph: Graph, v: Tensor, edge: Tensor) -> Tensor:
        """Return (edges, width) the message of each edge."""
        source, destination = self.source(v), self.destination(v)
        blocks = graph.blocks(BLOCK)
        return torch.cat([self.out(self.on_edges(b, source, destination, edge)) for b in blocks])


class NodeUpdate(nn.Module):
    """A node hears the messages on its edges, then passes a feed-forward network."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.message = Message(width)
        self.feed_forward = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )
        self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])
        self.drop = nn.Dropout(dropout)

    def forward(self, graph: Graph, v: Tensor, edge: Tensor, heard: Tensor) -> Tensor:
        """Return (nodes, width)."""
        v = self.norms[0](v + self.drop(self.message.total(graph, v, edge, heard) / SCALE))
        out: Tensor = self.norms[1](v + self.drop(self.feed_forward(v)))
        return out


class EdgeUpdate(nn.Module):
    """An edge hears both of its nodes."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.message = Message(width)
        self.norm = nn.LayerNorm(width)
        self.drop = nn.Dropout(dropout)

    def forward(self, graph: Graph, v: Tensor, edge: Tensor) -> Tensor:
        """Return (edges, width)."""
        out: Tensor = self.norm(edge + self.drop(self.message.each(graph, v, edge)))
        return out


class Decoder(nn.Module):
    """The published decoder without a sequence: what each residue is, told by the structure alone.

    Its layers hear the encoder's last states of the neighbours, and no letters.
    """

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(NodeUpdate(width, dropout) for _ in range(NUM_DECODER_LAYERS))
        self.letters = nn.Linear(width, NUM_LETTERS)

    def forward(self, graph: Graph, v: Tensor, edge: Tensor) -> Tensor:
        """Return (nodes, 20) ln(20 p) of each letter of `features.LETTERS`."""
        encoded = v
        for layer in self.layers:
            v = layer(graph, v, edge, encoded)
        known = self.letters(v).log_softmax(-1)[:, : len(LETTERS)]
        out: Tensor = known + torch.log(known.new_tensor(float(len(LETTERS))))
        return out


@STRUCTURE_BACKBONES.register("mpnn")
class MPNN(StructureBackbone):
    """ProteinMPNN's encoder with its published weights; reads no residue types; invariant.

    Args:
        features: widths of the graph's features, of which it reads none: it computes its own.
        hidden: width of a node and of an edge.
        num_layers: message-passing layers; the published weights have three.
        dropout: on each update of nodes and edges.
        log_odds: add the decoder's log-odds of the 20 residues given the structure to the features
            of a node, ln(20 p) in the order of `features.LETTERS`.
    """

    pretrained = "mpnn"
    neighbours = 47
    reads_features = False

    def __init__(
        self,
        features: FeatureWidths,
        *,
        hidden: Count = 128,
        num_layers: Layers = 3,
        dropout: Rate = 0.1,
        log_odds: bool = False,
    ) -> None:
        super().__init__()
        self.num_layers, self.width = num_layers, hidden
        self.edges = EdgeFeatures(hidden)
        self.nodes = nn.ModuleList(NodeUpdate(hidden, dropout) for _ in range(num_layers))
        # Nothing but the decoder reads the edges after the last layer.
        updates = num_layers if log_odds else num_layers - 1
        self.between = nn.ModuleList(EdgeUpdate(hidden, dropout) for _ in range(updates))
        self.decoder = Decoder(hidden, dropout) if log_odds else None

    @property
    def out_width(self) -> int:
        """Columns of what `finish` returns."""
        return self.width + (len(LETTERS) if self.decoder is not None else 0)

    def embed(self, graph: Graph) -> NodeState:
        """Return (nodes, hidden) zeros and no vectors; its own graph and edges ride along."""
        looped = with_loops(graph)
        edge = self.edges(looped)
        s = edge.new_zeros((graph.total_nodes, self.width))
        return NodeState(s, s.new_zeros((len(s), 0, 3)), (looped, edge))

    def layer(self, graph: Graph, state: NodeState, index: int) -> NodeState:
        """Return the state after one message-passing layer."""
        looped, edge = state.edge
        s = self.nodes[index](looped, state.s, edge, state.s)
        if index < len(self.between):
            edge = self.between[index](looped, s, edge)
        return NodeState(s, state.v, (looped, edge))

    def finish(self, state: NodeState) -> Tensor:
        """Return (nodes, hidden), or (nodes, hidden + 20) with the log-odds."""
        if self.decoder is None:
            return state.s
        looped, edge = state.edge
        return torch.cat([state.s, self.decoder(looped, state.s, edge)], dim=-1)

    def misfit(self) -> str | None:
        """Return why the published weights cannot be used with these arguments, or None."""
        if self.decoder is not None and self.num_layers != NUM_DECODER_LAYERS:
            return "log_odds=true reads the states after all three published layers"
        return None
