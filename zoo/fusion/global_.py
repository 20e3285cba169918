"""Global fusion: self-attention over all residues of a protein, as both branches see them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo.fusion import FUSIONS
from zoo.fusion.base import CommonWidth, Fused, Fusion, Pairs, rows_per_protein, spread
from zoo.settings.ranges import Count, Rate


@FUSIONS.register("global")
class GlobalAttention(Fusion):
    """Multi-head self-attention over a protein's residues as both branches see them.

    arXiv:2504.04770 has a global variant with multi-head self-attention; its equations are not
    known to us. Design choices of ours: a norm and a linear map take both branches to one width;
    the n sequence and n structure rows form one sequence (as in ESM-GearNet's cross fusion), told
    apart by a learned branch vector and without positions, which both branches have already put
    into their rows; the attended rows go back to the branch that they came from.

    Args:
        d_seq: columns of the sequence rows.
        d_struct: columns of the structure rows.
        num_heads: attention heads.
        head_dim: width of a head; all heads together are the common width.
        dropout: on the attended rows.
        residual: add to each branch's rows; else take their place.
        identity_start: begin with a write-back of zero (residual only).
    """

    takes_counts = True

    def __init__(
        self,
        d_seq: int,
        d_struct: int,
        *,
        num_heads: Count = 4,
        head_dim: Count = 32,
        dropout: Rate = 0.1,
        residual: bool = True,
        identity_start: bool = True,
    ) -> None:
        super().__init__()
        width = num_heads * head_dim
        self.num_heads = num_heads
        self.common = CommonWidth(
            d_seq, d_struct, width, residual=residual, identity_start=identity_start
        )
        self.branch = nn.Parameter(torch.randn(2, width) * 0.02)
        self.norm = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.drop = nn.Dropout(dropout)

    def forward(
        self,
        seq: Tensor,
        struct: Tensor,
        protein: Tensor,
        *,
        explain: bool = False,
        counts: Sequence[int] | None = None,
    ) -> Fused:
        """Return both branches' new rows; the weights are (heads, 2n, 2n) of each protein."""
        a, b = (
            self.common.seq_in(seq) + self.branch[0],
            self.common.struct_in(struct) + self.branch[1],
        )
        qkv = self.query_key_value(self.norm(torch.stack([a, b])))  # (2, rows, 3 width)
        qkv = qkv.unflatten(-1, (3, self.num_heads, -1)).permute(2, 3, 0, 1, 4)
        counts = rows_per_protein(protein) if counts is None else counts
        parts = qkv.split(list(counts), dim=3)  # each (3, heads, 2, n, head_dim)
        # One call a protein: no padding, no mask, and no protein can hear another.
        heard = torch.cat([_attend(part) for part in parts], dim=2) if parts else qkv[2]
        heard = heard.permute(1, 2, 0, 3).flatten(2)  # (2, rows, width)
        a, b = torch.stack([a, b]) + self.drop(self.out(heard))
        weights = tuple(_weights(part) for part in parts) if explain else None
        return Fused(self.common.seq_out(seq, a), self.common.struct_out(struct, b), weights)

    @staticmethod
    def placement(seq_layers: int, struct_layers: int) -> Pairs:
        """Return exchanges spread evenly."""
        return spread(seq_layers, struct_layers)


def _attend(part: Tensor) -> Tensor:
    """Return (heads, 2, n, head_dim) for the queries, keys and values of one protein."""
    q, k, v = part.flatten(2, 3)
    heard = F.scaled_dot_product_attention(q[None], k[None], v[None])[0]
    return heard.unflatten(1, (2, -1))


def _weights(part: Tensor) -> Tensor:
    """Return (heads, 2n, 2n): what `_attend` multiplies the values with."""
    q, k, _ = part.flatten(2, 3)
    return torch.softmax(q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5, dim=-1)


@FUSIONS.register("cross")
class Cross(GlobalAttention):
    """Baseline: one global exchange at the end, as in ESM-GearNet's `cross`."""

    @staticmethod
    def placement(seq_layers: int, struct_layers: int) -> Pairs:
        """Return one exchange at the end."""
        return ((seq_layers, struct_layers),)
