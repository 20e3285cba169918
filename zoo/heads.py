"""Heads: from a row of features a node to predictions, without activation."""

from __future__ import annotations

from typing import Literal

import torch
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


class Units(nn.Module):
    """From the network's range to the target's: `x * scale + shift`, set from training data.

    A regression is learnt in standard deviations around the mean; a classifier starts at the
    logits of what is frequent. Both are buffers, saved with the weights.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.register_buffer("shift", torch.zeros(outputs))
        self.register_buffer("scale", torch.ones(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Return (..., outputs), in float32 also from half precision."""
        return x.float() * self.scale + self.shift


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
        self.units = Units(outputs)

    def forward(self, graph: Graph, features: Tensor) -> Tensor:
        """Return (nodes, outputs)."""
        out: Tensor = self.units(self.mlp(self.norm(features)))
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
        self.units = Units(outputs)

    def forward(self, graph: Graph, features: Tensor) -> Tensor:
        """Return (proteins, outputs)."""
        out: Tensor = self.units(self.mlp(readout(graph, self.norm(features), self.pool)))
        return out


HEADS: dict[str, type[ResidueHead] | type[ProteinHead]] = {
    "residue": ResidueHead,
    "protein": ProteinHead,
}
