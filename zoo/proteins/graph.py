"""The `Graph` record: named node and edge tensors of one or more proteins, on any device.

`Graph.to_dgl` converts it for DGL. It is not kept as a DGL graph, because DGL's CPU wheel accepts
no tensors on other devices, and many Python versions have no DGL wheel at all.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from zoo.system.counting import counted

if TYPE_CHECKING:
    from dgl import DGLGraph

#: Every field that a graph may have, with its shape and meaning.
NODE_FIELDS = {
    "pos": "(nodes, 3) CA, or atom, position in angstrom, centred on the protein's mean",
    "node_type": "(nodes,) residue letter or element, see GraphSpec.num_types",
    "node_s": "(nodes, columns) numbers of GraphSpec.features; no columns in atom graphs",
    "node_v": "(nodes, vectors, 3) vectors of GraphSpec.features; none in atom graphs",
    "backbone": "(nodes, 3, 3) vectors from CA to N, C and O in angstrom, zero where unknown",
    "steps": "(nodes, 2, 3) unit vectors to next and previous CA; zero at a break, or for atoms",
    "position": "(nodes,) place in the sequence; apart by features.APART or more between chains",
    "residue": "(nodes,) row of the residue in the protein's chains end to end, -1 for ligands",
}
EDGE_FIELDS = {
    "edge_s": "(edges, 32) 16 Gaussians of the distance, 16 of the sequence offset; 16 for atoms",
    "edge_v": "(edges, 1, 3) unit vector from destination to source",
    "dist": "(edges,) in angstrom",
    "relation": "(edges,) kind of neighbour, see features.RELATIONS",
}
#: The fields that turn with the protein; of these only `pos` moves with it.
VECTOR_FIELDS = ("pos", "node_v", "backbone", "steps", "edge_v")


@dataclass(eq=False)
class Graph:
    """Directed graphs of one or several proteins, whose nodes are numbered one after the other.

    Attributes:
        src: (edges,) source node of each edge.
        dst: (edges,) destination node of each edge, ascending; messages flow from source to
            destination.
        num_nodes: Number of nodes of each protein; a protein may have none.
        nodes: Node features by name, see `NODE_FIELDS`.
        edges: Edge features by name, see `EDGE_FIELDS`.
    """

    src: Tensor
    dst: Tensor
    num_nodes: tuple[int, ...]
    nodes: dict[str, Tensor] = field(default_factory=dict)
    edges: dict[str, Tensor] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"<Graph of {self.size}, on {self.device}>"

    @property
    def size(self) -> str:
        """Numbers of proteins, nodes and edges, as text."""
        proteins, edges = counted(self.num_proteins, "protein"), counted(len(self.src), "edge")
        return f"{proteins}: {counted(self.total_nodes, 'node')}, {edges}"

    @property
    def total_nodes(self) -> int:
        """Number of nodes of all proteins together."""
        if torch.compiler.is_compiling():  # a shape may change, and a tuple's numbers are constants
            return len(self.in_degrees)
        return sum(self.num_nodes)

    @property
    def num_proteins(self) -> int:
        """Number of proteins, including those without nodes."""
        return len(self.num_nodes)

    @property
    def device(self) -> torch.device:
        """The device that the tensors are on."""
        return self.src.device

    @cached_property
    def protein(self) -> Tensor:
        """(nodes,) index of the protein that each node belongs to."""
        counts = torch.tensor(self.num_nodes, dtype=torch.long, device=self.device)
        return torch.repeat_interleave(counts)

    @cached_property
    def in_degrees(self) -> Tensor:
        """(nodes,) number of edges that end in each node."""
        return torch.bincount(self.dst, minlength=self.total_nodes)

    @cached_property
    def constant_degree(self) -> int | None:
        """The number of edges that end in each node if it is the same for all nodes, else None."""
        degree = len(self.src) // max(self.total_nodes, 1)
        return degree if degree and bool((self.in_degrees == degree).all()) else None

    @cached_property
    def num_paths(self) -> int:
        """Number of pairs of edges of which the first ends where the second begins."""
        if self.constant_degree:
            return len(self.src) * self.constant_degree
        return int(self.in_degrees[self.src].sum())

    @cached_property
    def topology(self) -> DGLGraph:
        """The edges as a DGL graph without features, built once; DGL's operators take it."""
        import dgl

        return dgl.graph((self.src, self.dst), num_nodes=self.total_nodes)

    def blocks(self, edges: int) -> tuple[Block, ...]:
        """Return blocks of about `edges` edges each; the edges of one destination stay together.

        Blocks make better use of a CPU's cache. On other devices there is one block of all edges.
        In compiled code too: its kernels keep few temporaries, and their number must not change.
        """
        if torch.compiler.is_compiling():
            return (self._whole(),)
        if edges not in self._blocks:
            self._blocks[edges] = tuple(self._cut(edges))
        return self._blocks[edges]

    @cached_property
    def _blocks(self) -> dict[int, tuple[Block, ...]]:
        return {}

    def _whole(self) -> Block:
        return Block(
            src=self.src,
            dst=self.dst,
            edges=slice(0, len(self.src)),
            nodes=slice(0, self.total_nodes),
            num_sources=self.total_nodes,
            constant_degree=self.constant_degree,
        )

    def _cut(self, edges: int) -> Iterator[Block]:
        starts: list[int] = []
        if self.device.type == "cpu":
            cuts = self.dst[edges::edges].contiguous()
            starts = sorted({*torch.searchsorted(self.dst, cuts).tolist()} - {0})
        of_edges = pairwise([0, *starts, len(self.src)])
        of_nodes = pairwise([0, *(int(self.dst[at]) for at in starts), self.total_nodes])
        for (start, stop), (first, end) in zip(of_edges, of_nodes, strict=True):
            yield Block(
                src=self.src[start:stop],
                dst=self.dst[start:stop] - first,
                edges=slice(start, stop),
                nodes=slice(first, end),
                num_sources=self.total_nodes,
                constant_degree=self.constant_degree,
            )

    def settle(self) -> None:
        """Compute what compiled code reads of the graph: it cannot compute it itself.

        The properties take a lock, and a degree is a number that depends on the data.
        """
        _ = self.in_degrees, self.constant_degree

    def to(self, device: torch.device | str) -> Graph:
        """Return the graph with every tensor on `device`, including the cached properties.

        They are computed before the move, because on a GPU each would make the CPU wait for it.
        """
        moved = self._map(lambda tensor: tensor.to(device))
        vars(moved)["protein"] = self.protein.to(device)
        vars(moved)["in_degrees"] = self.in_degrees.to(device)
        vars(moved)["constant_degree"] = self.constant_degree
        vars(moved)["num_paths"] = self.num_paths
        return moved

    def float_to(self, dtype: torch.dtype) -> Graph:
        """Return the graph with its floating-point features in `dtype`."""
        return self._map(lambda x: x.to(dtype) if x.is_floating_point() else x)

    def _map(self, change: Callable[[Tensor], Tensor]) -> Graph:
        return dataclasses.replace(
            self,
            src=change(self.src),
            dst=change(self.dst),
            nodes={name: change(x) for name, x in self.nodes.items()},
            edges={name: change(x) for name, x in self.edges.items()},
        )

    def to_dgl(self) -> DGLGraph:
        """Return a DGL graph with the features in `ndata` and `edata`, for any `dgl.nn` layer."""
        graph = self.topology.local_var()
        graph.set_batch_num_nodes(torch.tensor(self.num_nodes))
        per_protein = torch.bincount(self.protein[self.dst], minlength=self.num_proteins)
        graph.set_batch_num_edges(per_protein)
        graph.ndata.update(self.nodes)
        graph.edata.update(self.edges)
        return graph

    @classmethod
    def from_dgl(cls, graph: Any) -> Graph:
        """Return the `Graph` of a homogeneous DGL graph, with its edges sorted by destination."""
        src, dst = graph.edges()
        order = torch.argsort(dst, stable=True)
        return cls(
            src=src[order].long(),
            dst=dst[order].long(),
            num_nodes=tuple(graph.batch_num_nodes().tolist()),
            nodes=dict(graph.ndata),
            edges={name: x[order] for name, x in graph.edata.items()},
        )

    @classmethod
    def batch(cls, graphs: Sequence[Graph]) -> Graph:
        """Join graphs that have the same features; only their node numbers are shifted."""
        counts = [graph.total_nodes for graph in graphs]
        starts = [sum(counts[:i]) for i in range(len(counts))]
        pairs = list(zip(graphs, starts, strict=True))
        return cls(
            src=torch.cat([graph.src + start for graph, start in pairs]),
            dst=torch.cat([graph.dst + start for graph, start in pairs]),
            num_nodes=tuple(n for graph in graphs for n in graph.num_nodes),
            nodes={k: torch.cat([g.nodes[k] for g in graphs]) for k in graphs[0].nodes},
            edges={k: torch.cat([g.edges[k] for g in graphs]) for k in graphs[0].edges},
        )


@dataclass(eq=False)
class Block:
    """The edges that end in a range of a graph's nodes, for computing on few edges at a time.

    Attributes:
        src: (edges,) source node of each edge, numbered in the whole graph.
        dst: (edges,) destination node of each edge, ascending, numbered from the block's first.
        edges: Slice of the graph's edges that the block holds.
        nodes: Slice of the graph's nodes that are its destinations; the blocks cover all nodes.
        num_sources: Number of nodes of the whole graph.
        constant_degree: `Graph.constant_degree` of the whole graph.
    """

    src: Tensor
    dst: Tensor
    edges: slice
    nodes: slice
    num_sources: int
    constant_degree: int | None

    @property
    def total_nodes(self) -> int:
        """Number of destination nodes."""
        return int(self.nodes.stop - self.nodes.start)

    @cached_property
    def topology(self) -> DGLGraph:
        """The edges as a DGL graph from all nodes to the destinations, built once."""
        import dgl

        return dgl.heterograph(
            {("node", "edge", "destination"): (self.src, self.dst)},
            num_nodes_dict={"node": self.num_sources, "destination": self.total_nodes},
        )
