"""The narrow trainable stream that stands in for the language model when it is only tapped."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class SideStream(nn.Module):
    """Takes in the language model's rows at each tapped layer and carries them on.

    Ladder Side-Tuning (Sung et al., arXiv:2206.06522): at every rung a gate mixes the stream with
    the backbone's rows brought down to its width, and a small block follows. The backbone is never
    changed, so all that it computes can be stored once.

    Args:
        d_seq: width of the language model.
        width: width of the stream.
        num_taps: tapped layers.
        dropout: in each block.
    """

    def __init__(self, d_seq: int, width: int, num_taps: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.width = width
        self.down = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(d_seq), nn.Linear(d_seq, width)) for _ in range(num_taps)
        )
        # The stream is empty at the first rung, so there is nothing to weigh it against.
        self.gates = nn.ParameterList(torch.zeros(()) for _ in range(num_taps - 1))
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.LayerNorm(width),
                nn.Linear(width, 2 * width),
                nn.GELU(),
                nn.Dropout(dropout),
                nn.Linear(2 * width, width),
            )
            for _ in range(num_taps)
        )

    def enter(self, tap: int, stream: Tensor | None, rows: Tensor) -> Tensor:
        """Return the stream (nodes, width) after rung `tap`; rows (nodes, d_seq) of that layer."""
        down = self.down[tap](rows)
        if stream is not None:
            gate = self.gates[tap - 1].sigmoid()
            down = gate * down + (1.0 - gate) * stream
        out: Tensor = down + self.blocks[tap](down)
        return out
