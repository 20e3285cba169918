"""What a fusion is: aligned rows of both branches in, what each goes on with out.

Fusion sees scalars only, so a model is equivariant by construction, and gets rows with a protein
index: no padding, no graph.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from zoo.fusion import FUSIONS as FUSIONS  # plug-ins find it here

Pairs = tuple[tuple[int, int], ...]
"""(layer of the language model, layer of the graph network), one for each exchange."""


@dataclass(frozen=True)
class Fused:
    """What each branch goes on with, and how it came about.

    Attributes:
        seq: (rows, d_seq).
        struct: (rows, d_struct).
        weights: one tensor a protein where they were asked for: gates (rows, 2) of sequence and
            structure, or attention (heads, 2 rows, 2 rows) with all sequence rows first.
    """

    seq: Tensor
    struct: Tensor
    weights: tuple[Tensor, ...] | None = None


class Fusion(nn.Module, ABC):
    """One exchange between two aligned sets of rows; a model has one for each depth.

    A constructor takes the widths of the branches, then hyper-parameters by keyword.
    """

    one_way: ClassVar[bool] = False
    """Whether the sequence rows go on as they were."""
    takes_counts: ClassVar[bool] = False
    """Whether `forward` takes `counts`, how many rows each protein has. Without them it would ask
    the device, and wait for a GPU."""

    @abstractmethod
    def forward(
        self, seq: Tensor, struct: Tensor, protein: Tensor, *, explain: bool = False
    ) -> Fused:
        """Return both branches' new rows.

        Args:
            seq: (rows, d_seq) rows of the language model, one a node.
            struct: (rows, d_struct) scalars of the same nodes.
            protein: (rows,) which protein each row belongs to, ascending.
            explain: also return the gates or attention weights.
        """

    @staticmethod
    @abstractmethod
    def placement(seq_layers: int, struct_layers: int) -> Pairs:
        """Return where exchanges are made unless a config says otherwise."""


class WriteBack(nn.Module):
    """From the common width back to a branch: added to its rows, or in their place.

    With `identity_start` the map begins at zero, so that a residual model starts out as its two
    branches were.
    """

    def __init__(self, width: int, out: int, *, residual: bool, identity_start: bool) -> None:
        super().__init__()
        if identity_start and not residual:
            raise ValueError(
                "identity_start=True needs residual=True: a replaced row cannot start as itself"
            )
        self.residual = residual
        self.map = nn.Linear(width, out)
        if identity_start:
            nn.init.zeros_(self.map.weight)
            nn.init.zeros_(self.map.bias)

    def forward(self, before: Tensor, fused: Tensor) -> Tensor:
        """Return (rows, out)."""
        change: Tensor = self.map(fused)
        return before + change if self.residual else change


class CommonWidth(nn.Module):
    """Takes the rows of both branches to one width, where they can meet, and back again."""

    def __init__(
        self, d_seq: int, d_struct: int, width: int, *, residual: bool, identity_start: bool
    ) -> None:
        super().__init__()
        options = {"residual": residual, "identity_start": identity_start}
        self.seq_in = nn.Sequential(nn.LayerNorm(d_seq), nn.Linear(d_seq, width))
        self.struct_in = nn.Sequential(nn.LayerNorm(d_struct), nn.Linear(d_struct, width))
        self.seq_out = WriteBack(width, d_seq, **options)
        self.struct_out = WriteBack(width, d_struct, **options)


def spread(seq_layers: int, struct_layers: int) -> Pairs:
    """Return exchanges spread evenly over the depth of both, the last after the last layers.

    Examples:
        >>> spread(33, 3)
        ((11, 1), (22, 2), (33, 3))
    """
    count = min(seq_layers, struct_layers)
    steps = range(1, count + 1)
    return tuple((round(seq_layers * i / count), round(struct_layers * i / count)) for i in steps)


def rows_per_protein(protein: Tensor) -> list[int]:
    """Return how many rows each protein has, in order; proteins without rows have no entry.

    It makes the program wait for a GPU.
    """
    _, counts = torch.unique_consecutive(protein, return_counts=True)
    sizes: list[int] = counts.tolist()
    return sizes
