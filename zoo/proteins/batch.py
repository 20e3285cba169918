"""Several proteins as tensors: tokens for the pLM, one graph for the GNN, and the bridge."""

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


@dataclass(frozen=True)
class Tokens:
    """Chains as the pLM reads them, one row each.

    Attributes:
        ids: (chains, tokens) padded with the pLM's own padding token.
        attend: (chains, tokens) False on padding.
        start: column of the first residue: the number of special tokens before it.
    """

    ids: Tensor
    attend: Tensor
    start: int


Tokenize = Callable[[Sequence[str]], Tokens]


@dataclass(frozen=True)
class Example:
    """A protein with what is to be predicted: (residues, ...) or (...), NaN where unknown."""

    protein: Protein
    target: Tensor | None = None


@dataclass(frozen=True)
class Batch:
    """What a model takes.

    Attributes:
        graph: the proteins' graphs, joined.
        node_token: (nodes,) row of `tokens.flatten()` that each node is, -1 for none. This is
            the only bridge between sequence and structure. Without tokens, the row of its residue
            with all chains end to end.
        tokens: (chains, tokens), None for a model whose pLM does not run.
        attend: (chains, tokens), False on padding.
        names: one a protein.
        target: joined over proteins; None without.
    """

    graph: Graph
    node_token: Tensor
    tokens: Tensor | None
    attend: Tensor | None
    names: tuple[str, ...]
    target: Tensor | None = None

    @cached_property
    def linked(self) -> Tensor:
        """(linked nodes,) the nodes that have a token."""
        return (self.node_token >= 0).nonzero()[:, 0]

    def to(self, device: torch.device | str) -> Batch:
        """Return the batch with every tensor on `device`."""
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        moved: dict[str, Any] = {
            name: x.to(device) for name, x in fields.items() if isinstance(x, Tensor | Graph)
        }
        batch = dataclasses.replace(self, **moved)
        vars(batch)["linked"] = self.linked.to(device)  # a GPU would have to be waited for
        return batch


def collate(
    examples: Sequence[Protein | Example],
    tokenize: Tokenize | None,
    spec: GraphSpec | None = None,
) -> Batch:
    """Return the batch of some proteins; `tokenize` is None for a model without a pLM."""
    if not examples:
        raise ValueError("a batch needs at least one protein")
    full = [e if isinstance(e, Example) else Example(e) for e in examples]
    proteins = [example.protein for example in full]
    batch = join(
        build_graphs(proteins, spec),
        [[chain.sequence for chain in protein.chains] for protein in proteins],
        tokenize,
        tuple(protein.name for protein in proteins),
    )
    return dataclasses.replace(batch, target=_join([example.target for example in full]))


def join(
    graph: Graph,
    sequences: Sequence[Sequence[str]],
    tokenize: Tokenize | None,
    names: tuple[str, ...],
) -> Batch:
    """Return the batch of featurised proteins.

    Args:
        graph: of all of them.
        sequences: of the chains of each protein.
        tokenize: None for a model whose pLM does not run.
        names: one a protein.
    """
    if tokenize is None:
        return Batch(graph, residue_rows(graph, sequences), None, None, names)
    tokens = tokenize([sequence for chains in sequences for sequence in chains])
    width = tokens.ids.shape[1]
    counts = [len(sequence) for chains in sequences for sequence in chains]
    # The token of every residue, all chains of all proteins end to end.
    token = torch.cat(
        [row * width + tokens.start + torch.arange(n) for row, n in enumerate(counts)]
    )
    rows = residue_rows(graph, sequences)
    bridge = torch.where(rows < 0, -1, token[rows.clamp(min=0)])
    return Batch(graph, bridge, tokens.ids, tokens.attend, names)


def residue_rows(graph: Graph, sequences: Sequence[Sequence[str]]) -> Tensor:
    """Return (nodes,) the residue of each node, all proteins' chains end to end; -1 for none."""
    sizes = torch.tensor([sum(map(len, chains)) for chains in sequences])
    residue = graph.nodes["residue"]
    return torch.where(residue < 0, -1, residue + (sizes.cumsum(0) - sizes)[graph.protein])


def _join(targets: Sequence[Tensor | None]) -> Tensor | None:
    known = [target for target in targets if target is not None]
    if not known:
        return None
    if len(known) < len(targets):
        raise ValueError("some examples of the batch have a target and others have none")
    return torch.cat([torch.atleast_1d(target) for target in known])


def gather_rows(h: Tensor, node_token: Tensor) -> Tensor:
    """Return (nodes, d) the rows of `h` (chains, tokens, d) that nodes are; zero for no token."""
    rows = h.flatten(0, 1).index_select(0, node_token.clamp(min=0))
    return rows.masked_fill((node_token < 0)[:, None], 0.0)


def write_rows(h: Tensor, node_token: Tensor, rows: Tensor) -> Tensor:
    """Return `h` (chains, tokens, d) with each node's token replaced by its row of `rows`.

    Several nodes of one token write their mean; tokens without a node, special ones among them,
    stay as they are.
    """
    flat = h.flatten(0, 1)
    index, linked = node_token.clamp(min=0), (node_token >= 0)[:, None]
    # Masked and not chosen: how many are chosen, a GPU would have to be waited for.
    total = torch.zeros_like(flat).index_add(0, index, torch.where(linked, rows, 0).to(flat.dtype))
    count = flat.new_zeros((len(flat), 1)).index_add(0, index, linked.to(flat.dtype))
    return torch.where(count > 0, total / count.clamp(min=1), flat).view_as(h)
