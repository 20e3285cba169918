"""Heads: turn the features of each node into predictions, without activation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo.backbones.message_passing import readout
from zoo.proteins.graph import Graph
from zoo.settings.ranges import Count, Rate


class BranchNorm(nn.LayerNorm):
    """A LayerNorm of each branch's columns by themselves.

    The branches differ in scale, and one norm over both would leave the smaller one as small beside
    the other as it was.

    Args:
        widths: Columns of each branch.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__(sum(widths))
        self.widths = list(widths)

    def forward(self, x: Tensor) -> Tensor:
        """Return (..., columns)."""
        columns = (x.split(self.widths, -1) for x in (x, self.weight, self.bias))
        return torch.cat(
            [
                F.layer_norm(part, part.shape[-1:], weight, bias, self.eps)
                for part, weight, bias in zip(*columns, strict=True)
            ],
            dim=-1,
        )


def _hidden(widths: Sequence[int], hidden: int, dropout: float) -> nn.Sequential:
    """Return the hidden layer."""
    return nn.Sequential(
        BranchNorm(widths), nn.Linear(sum(widths), hidden), nn.GELU(), nn.Dropout(dropout)
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
        widths: Columns of the features, in the parts that are normed by themselves.
        outputs: Columns of the prediction.
        hidden: Width of the hidden layer.
        dropout: Dropout rate of the hidden layer.
    """

    def __init__(
        self, widths: Sequence[int], outputs: int, *, hidden: Count = 128, dropout: Rate = 0.1
    ) -> None:
        super().__init__()
        self.hidden = _hidden(widths, hidden, dropout)
        self.out = nn.Linear(hidden, outputs)
        self.units = Units(outputs)

    def forward(self, graph: Graph, features: Tensor) -> Tensor:
        """Return (nodes, outputs)."""
        out: Tensor = self.units(self.out(self.hidden(features)))
        return out


class ProteinHead(nn.Module):
    """A prediction for every protein: a hidden layer a node, pooled, then a linear map.

    Pooled features of all proteins are much alike: a hidden layer behind the pooling can die as a
    whole (every unit of a ReLU off for every protein), and then nothing is learnt any more.

    Args:
        widths: Columns of the features, in the parts that are normed by themselves.
        outputs: Columns of the prediction.
        hidden: Width of the hidden layer.
        dropout: Dropout rate of the hidden layer.
        pool: How the rows of all nodes become one row for the protein.
    """

    def __init__(
        self,
        widths: Sequence[int],
        outputs: int,
        *,
        hidden: Count = 128,
        dropout: Rate = 0.1,
        pool: Literal["mean", "sum"] = "mean",
    ) -> None:
        super().__init__()
        self.pool = pool
        self.hidden = _hidden(widths, hidden, dropout)
        self.out = nn.Linear(hidden, outputs)
        self.units = Units(outputs)

    def forward(self, graph: Graph, features: Tensor) -> Tensor:
        """Return (proteins, outputs)."""
        out: Tensor = self.units(self.out(readout(graph, self.hidden(features), self.pool)))
        return out


HEADS: dict[str, type[ResidueHead] | type[ProteinHead]] = {
    "residue": ResidueHead,
    "protein": ProteinHead,
}
