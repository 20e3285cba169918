"""What the hierarchical fusions are to be compared with: one-way, and no exchange at all."""

from __future__ import annotations

from torch import Tensor, nn

from zoo.fusion import FUSIONS
from zoo.fusion.base import Fused, Fusion, Pairs, WriteBack
from zoo.settings.ranges import Count, Rate


@FUSIONS.register("serial")
class Serial(Fusion):
    """Baseline: the language model's last rows enter the graph network's input, one way.

    The usual practice (LM-GVP, Wu et al. arXiv:2212.03447, ESM-GearNet's `series`). After the last
    layer these rows are the language model's output, behind its final norm.

    Args:
        d_seq: columns of the sequence rows.
        d_struct: columns of the structure rows.
        dropout: on the sequence rows.
        hidden: width of a hidden layer on the sequence rows, for a serial model with as many
            parameters as another one; None for the usual linear map alone.
        residual: add to the graph network's own input; else take its place, as Wu et al. do.
        identity_start: begin with a write-back of zero (residual only).
    """

    one_way = True

    def __init__(
        self,
        d_seq: int,
        d_struct: int,
        *,
        dropout: Rate = 0.1,
        hidden: Count | None = None,
        residual: bool = True,
        identity_start: bool = False,
    ) -> None:
        super().__init__()
        self.seq_in = nn.Sequential(nn.LayerNorm(d_seq), nn.Dropout(dropout))
        if hidden is not None:
            self.seq_in.extend([nn.Linear(d_seq, hidden), nn.GELU()])
        self.struct_out = WriteBack(
            hidden or d_seq, d_struct, residual=residual, identity_start=identity_start
        )

    def forward(
        self, seq: Tensor, struct: Tensor, protein: Tensor, *, explain: bool = False
    ) -> Fused:
        """Return the sequence rows as they were and new structure rows; there are no weights."""
        return Fused(seq, self.struct_out(struct, self.seq_in(seq)))

    @staticmethod
    def placement(seq_layers: int, struct_layers: int) -> Pairs:
        """Return one exchange, from the last layer to the input."""
        return ((seq_layers, 0),)


# Late concatenation under its name in the literature, and the name for a model of one branch.
@FUSIONS.register("parallel")
@FUSIONS.register("none")
class NoExchange(Fusion):
    """Baseline: no exchange; the branches' features are joined at the end."""

    def __init__(self, d_seq: int, d_struct: int) -> None:
        super().__init__()
        raise ValueError("fusion 'parallel' and 'none' make no exchange: leave fuse_after empty")

    def forward(
        self, seq: Tensor, struct: Tensor, protein: Tensor, *, explain: bool = False
    ) -> Fused:
        """Return both branches as they were."""
        return Fused(seq, struct)

    @staticmethod
    def placement(seq_layers: int, struct_layers: int) -> Pairs:
        """Return no exchange."""
        return ()
