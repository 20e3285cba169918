"""Runs a model on proteins, and returns the logits of each protein."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zoo.errors import CheckpointError
from zoo.models.heads import ProteinHead
from zoo.models.model import FusedModel
from zoo.proteins.batch import Batch
from zoo.proteins.protein import Protein

Hidden = Callable[[Sequence[Protein], Batch], Mapping[int, Tensor]]
"""Reads the language model's stored states for a batch."""


class Shared:
    """The batch of some proteins, made once for all models that read it alike.

    Args:
        proteins: One or more proteins.
    """

    def __init__(self, proteins: Sequence[Protein]) -> None:
        self._proteins = proteins
        self._known: dict[object, Batch] = {}

    def of(self, model: FusedModel) -> Batch:
        """Return `model.batch(proteins)`."""
        key = (id(model.seq), model.graph_spec)
        if key not in self._known:
            self._known[key] = model.batch(self._proteins)
        return self._known[key]


@torch.inference_mode()
def predict_logits(
    model: FusedModel,
    proteins: Sequence[Protein],
    device: str,
    hidden: Hidden | None = None,
    batch: Batch | None = None,
) -> list[NDArray[np.float64]]:
    """Return the logits of each protein, run as one batch.

    Args:
        model: The model, on `device`.
        proteins: One or more proteins.
        device: Device to run on.
        hidden: Reads stored states of the language model; None to run it.
        batch: `model.batch(proteins)`, where it is known; see `Shared`.

    Returns:
        For each protein (outputs,), or (residues, outputs) over its chains end to end with NaN
        for a residue that is no node.

    Raises:
        CheckpointError: If an output is not finite, as with damaged weights. As NaN it would be
            taken for a residue without coordinates.
    """
    batch = batch or model.batch(proteins)
    states = (
        None if hidden is None else {k: h.to(device) for k, h in hidden(proteins, batch).items()}
    )
    out = model(batch.to(device), states).double().cpu().numpy()
    if not np.isfinite(out).all():
        names = ", ".join(protein.name for protein in proteins[:3])
        raise CheckpointError(
            f"The model's outputs are not finite (among {len(proteins)} proteins, first {names}): "
            "its weights are damaged, or float16 is too narrow for it."
        )
    if isinstance(model.head, ProteinHead):
        return list(out)
    return residue_rows(out, batch, list(map(len, proteins)))


def residue_rows(
    values: NDArray[np.float64], batch: Batch, residues: Sequence[int]
) -> list[NDArray[np.float64]]:
    """Return (residues, outputs) of each protein from (nodes, outputs); NaN where no node is.

    Args:
        values: Values of all nodes of a batch, one row for each node.
        batch: The batch of these nodes.
        residues: Number of residues of each protein.
    """
    parts = []
    row, owner = batch.graph.nodes["residue"].cpu().numpy(), batch.graph.protein.cpu().numpy()
    for index, count in enumerate(residues):
        mine = (owner == index) & (row >= 0)
        full = np.full((count, values.shape[1]), np.nan)
        full[row[mine]] = values[mine]
        parts.append(full)
    return parts
