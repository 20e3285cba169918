"""Local fusion: every residue weighs its own sequence row against its own structure row."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zoo.fusion import FUSIONS
from zoo.fusion.base import CommonWidth, Fused, Fusion, Pairs, rows_per_protein, spread
from zoo.settings.ranges import Count, Rate


@FUSIONS.register("local")
class LocalGate(Fusion):
    """A gate per residue weighs its sequence row against its structure row.

        g_i = softmax(f(x_i^seq) + f(x_i^struct))
        x~_i = g_i[0] x_i^seq + g_i[1] x_i^struct

    Known of arXiv:2504.04770 from a third-party summary: these equations, per residue, with `f` an
    MLP that turns features into votes. Design choices of ours: a norm and a linear map take both
    branches to one width (a weighted sum needs equal widths), one `f` serves both (the notation
    has one letter), and a linear map writes the fused row back into each branch.

    Args:
        d_seq: columns of the sequence rows.
        d_struct: columns of the structure rows.
        width: common width in which the two are mixed.
        gate_width: hidden width of `f`.
        dropout: on the fused row.
        residual: add the fused row to each branch; else it takes the place of both.
        identity_start: begin with a write-back of zero (residual only).
    """

    def __init__(
        self,
        d_seq: int,
        d_struct: int,
        *,
        width: Count = 128,
        gate_width: Count = 64,
        dropout: Rate = 0.1,
        residual: bool = True,
        identity_start: bool = True,
    ) -> None:
        super().__init__()
        self.common = CommonWidth(
            d_seq, d_struct, width, residual=residual, identity_start=identity_start
        )
        self.votes = nn.Sequential(
            nn.Linear(width, gate_width), nn.ReLU(), nn.Linear(gate_width, 2)
        )
        self.drop = nn.Dropout(dropout)

    def forward(
        self, seq: Tensor, struct: Tensor, protein: Tensor, *, explain: bool = False
    ) -> Fused:
        """Return both branches' new rows; the weights are the gates (rows, 2) of each protein."""
        a, b = self.common.seq_in(seq), self.common.struct_in(struct)
        gate = torch.softmax(self.votes(a) + self.votes(b), dim=-1)
        mixed = self.drop(gate[:, :1] * a + gate[:, 1:] * b)
        weights = gate.split(rows_per_protein(protein)) if explain else None
        return Fused(
            self.common.seq_out(seq, mixed), self.common.struct_out(struct, mixed), weights
        )

    @staticmethod
    def placement(seq_layers: int, struct_layers: int) -> Pairs:
        """Return exchanges spread evenly."""
        return spread(seq_layers, struct_layers)
