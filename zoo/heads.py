"""Heads: from a row of features a node to predictions, without activation."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from zoo.backbones.message_passing import readout
from zoo.proteins.graph import Graph


def _mlp(d_in: int, hidden: int, outputs: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(d_in, hidden),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(hidden, outputs),
    )


class ResidueHead(nn.Module):
    """A prediction for every node.

    Args:
        d_in: columns of the features.
        outputs: columns of the prediction.
        hidden: width of the hidden layer.
        dropout: on the hidden layer.
    """

    def __init__(self, d_in: int, outputs: int, *, hidden: int = 128, dropout: float = 0.1) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(d_in)  # the two branches' features have different scales
        self.mlp = _mlp(d_in, hidden, outputs, dropout)

    def forward(self, graph: Graph, features: Tensor) -> Tensor:
        """Return (nodes, outputs)."""
        out: Tensor = self.mlp(self.norm(features))
        return out


class ProteinHead(nn.Module):
    """A prediction for every protein.

    Args:
        d_in: columns of the features.
        outputs: columns of the prediction.
        hidden: width of the hidden layer.
        dropout: on the hidden layer.
        pool: how the nodes' features become the protein's.
    """

    def __init__(
        self,
        d_in: int,
        outputs: int,
        *,
        hidden: int = 128,
        dropout: float = 0.1,
        pool: Literal["mean", "sum"] = "mean",
    ) -> None:
        super().__init__()
        self.pool = pool
        self.norm = nn.LayerNorm(d_in)  # of each node: behind a sum it would undo the sum
        self.mlp = _mlp(d_in, hidden, outputs, dropout)

    def forward(self, graph: Graph, features: Tensor) -> Tensor:
        """Return (proteins, outputs)."""
        out: Tensor = self.mlp(readout(graph, self.norm(features), self.pool))
        return out


HEADS: dict[str, type[ResidueHead] | type[ProteinHead]] = {
    "residue": ResidueHead,
    "protein": ProteinHead,
}
