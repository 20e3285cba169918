"""Batches of proteins: tokens for the language model, a graph, and the token of each node."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from zoo.proteins.build_graph import GraphSpec, build_graphs
from zoo.proteins.graph import Graph
from zoo.proteins.protein import Protein
from zoo.proteins.reading import Reads, readings


@dataclass(frozen=True)
class Tokens:
    """The tokens of some chains, one row for each chain.

    Attributes:
        ids: (chains, tokens) token ids, padded with the language model's padding token.
        attend: (chains, tokens) False on padding.
        start: Column of the first residue, which is the number of special tokens before it.
    """

    ids: Tensor
    attend: Tensor
    start: int


Tokenize = Callable[[Sequence[str]], Tokens]


@dataclass(frozen=True)
class Batch:
    """The input of a model: one or several proteins.

    Attributes:
        graph: Graphs of the proteins, joined.
        node_token: (nodes,) index of each node's token in `tokens.flatten()`, -1 for a node without
            a token. It is the only link between sequence and structure. In a batch without
            tokens, it is the index of the node's residue, counted over all chains end to end.
        tokens: (chains, tokens) token ids; None if the language model does not run.
        attend: (chains, tokens) False on padding; None if the language model does not run.
        names: Name of each protein.
    """

    graph: Graph
    node_token: Tensor
    tokens: Tensor | None
    attend: Tensor | None
    names: tuple[str, ...]

    def __repr__(self) -> str:
        tokens = "no tokens" if self.tokens is None else f"tokens {tuple(self.tokens.shape)}"
        return f"<Batch of {self.graph.size}, {tokens}, on {self.graph.device}>"

    @cached_property
    def linked(self) -> Tensor:
        """(linked nodes,) indices of the nodes that have a token."""
        return (self.node_token >= 0).nonzero()[:, 0]

    @cached_property
    def linked_counts(self) -> tuple[int, ...]:
        """Number of `linked` nodes of each protein that has any."""
        counts = torch.bincount(self.graph.protein[self.linked]).tolist()
        return tuple(count for count in counts if count)

    def to(self, device: torch.device | str) -> Batch:
        """Return the batch with every tensor on `device`."""
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        moved: dict[str, Any] = {
            name: x.to(device) for name, x in fields.items() if isinstance(x, Tensor | Graph)
        }
        batch = dataclasses.replace(self, **moved)
        # On a GPU, computing them makes the CPU wait.
        vars(batch)["linked"] = self.linked.to(device)
        vars(batch)["linked_counts"] = self.linked_counts
        return batch


def collate(
    proteins: Sequence[Protein],
    tokenize: Tokenize | None,
    spec: GraphSpec | None = None,
    reads: Reads = "sequence",
) -> Batch:
    """Return the batch of some proteins.

    Args:
        proteins: One or more proteins.
        tokenize: Tokenizer of the language model; None for a model without one.
        spec: Settings of the graph.
        reads: What the language model reads of a chain.

    Raises:
        ValueError: If there are no proteins.
        StructureError: If the graph or the language model needs coordinates and a protein has none.
    """
    if not proteins:
        raise ValueError("a batch needs at least one protein")
    return join(
        build_graphs(proteins, spec),
        [readings(protein, reads) for protein in proteins],
        tokenize,
        tuple(protein.name for protein in proteins),
    )


def join(
    graph: Graph,
    sequences: Sequence[Sequence[str]],
    tokenize: Tokenize | None,
    names: tuple[str, ...],
) -> Batch:
    """Return the batch of proteins whose graph is already built.

    Args:
        graph: Graph of all proteins.
        sequences: What is read of the chains of each protein: a character for each residue.
        tokenize: Tokenizer of the language model; None if the language model does not run.
        names: Name of each protein.
    """
    if tokenize is None:
        return Batch(graph, residue_rows(graph, sequences), None, None, names)
    tokens = tokenize([sequence for chains in sequences for sequence in chains])
    width = tokens.ids.shape[1]
    counts = [len(sequence) for chains in sequences for sequence in chains]
    # The index of each residue's token, for all chains of all proteins end to end.
    token = torch.cat(
        [row * width + tokens.start + torch.arange(n) for row, n in enumerate(counts)]
    )
    rows = residue_rows(graph, sequences)
    node_token = torch.where(rows < 0, -1, token[rows.clamp(min=0)])
    return Batch(graph, node_token, tokens.ids, tokens.attend, names)


def residue_rows(graph: Graph, sequences: Sequence[Sequence[str]]) -> Tensor:
    """Return (nodes,) each node's residue, counted over the chains of all proteins; -1 for none."""
    sizes = torch.tensor([sum(map(len, chains)) for chains in sequences])
    residue = graph.nodes["residue"]
    return torch.where(residue < 0, -1, residue + (sizes.cumsum(0) - sizes)[graph.protein])


def gather_rows(h: Tensor, node_token: Tensor) -> Tensor:
    """Return (nodes, d) each node's row of `h` (chains, tokens, d); zeros for no token."""
    rows = h.flatten(0, 1).index_select(0, node_token.clamp(min=0))
    return rows.masked_fill((node_token < 0)[:, None], 0.0)


def write_rows(h: Tensor, node_token: Tensor, rows: Tensor) -> Tensor:
    """Return `h` (chains, tokens, d) with the row of each node's token replaced.

    The new row is the node's row of `rows` (nodes, d), or the mean if several nodes share a token.
    Tokens without a node, such as special tokens, keep their rows.
    """
    flat = h.flatten(0, 1)
    index, linked = node_token.clamp(min=0), (node_token >= 0)[:, None]
    # Masked instead of selected: the size of a selection makes the CPU wait for a GPU.
    total = torch.zeros_like(flat).index_add(0, index, torch.where(linked, rows, 0).to(flat.dtype))
    count = flat.new_zeros((len(flat), 1)).index_add(0, index, linked.to(flat.dtype))
    return torch.where(count > 0, total / count.clamp(min=1), flat).view_as(h)
