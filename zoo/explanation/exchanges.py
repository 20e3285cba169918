"""How each exchange weighs the branches, reduced to one number per residue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ConfigError
from zoo.models.inference import residue_rows
from zoo.models.model import FusedModel
from zoo.proteins.batch import Batch
from zoo.proteins.protein import Protein

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Exchanges:
    """The weights of the exchanges for one protein.

    Attributes:
        columns: values (residues,) by column name, NaN for a residue without a node. For fusions
            with gates: `gate_K_J`, the weight of the structure row after layers K and J; 0 trusts
            the sequence, 1 the structure. For fusions with attention: `heard_K_J`, the share of
            all attention that a residue's two rows receive, times the number of residues, so that
            1 is an even share; and `crossed_K_J`, the share of its rows' attention that goes to
            the other branch.
        attention: matrices (heads, 2n, 2n) by name, sequence rows first; empty with gates.
    """

    columns: Mapping[str, Array]
    attention: Mapping[str, NDArray[np.float32]]


def weighs(model: FusedModel) -> bool:
    """Return whether the model has exchanges with gates or attention."""
    return bool(model.fuse_after) and model.recipe.config.fusion.name != "serial"


def look(model: FusedModel, protein: Protein, batch: Batch) -> Exchanges:
    """Return the weights of a model's exchanges for one protein.

    Args:
        model: model whose branches exchange.
        protein: protein to look at.
        batch: batch of only this protein, on the model's device.

    Raises:
        ConfigError: if no exchange of the model has weights.
    """
    columns: dict[str, Array] = {}
    attention: dict[str, NDArray[np.float32]] = {}
    for one in model.explain(batch):
        place = "_".join(map(str, one.after))
        (weights,) = (weight.float().cpu().numpy() for weight in one.weights)
        if weights.ndim == 2:
            columns[f"gate_{place}"] = _placed(weights[:, 1], protein, batch)
            continue
        attention[f"attention_{place}"] = weights
        heard, crossed = reduced(weights)
        columns[f"heard_{place}"] = _placed(heard, protein, batch)
        columns[f"crossed_{place}"] = _placed(crossed, protein, batch)
    if not columns:
        raise ConfigError(
            f"Fusion {model.recipe.config.fusion.name!r} has no gates or attention to show; local, "
            "global and cross have. For attributions, set --steps above 0."
        )
    return Exchanges(columns, attention)


def reduced(weights: NDArray[np.float32]) -> tuple[Array, Array]:
    """Return the attention received (n,) and that paid across branches (n,), of (heads, 2n, 2n)."""
    mean = weights.mean(0, dtype=np.float64)
    n = len(mean) // 2
    received = mean.sum(0)
    heard = (received[:n] + received[n:]) / 2.0
    crossed = (mean[:n, n:].sum(1) + mean[n:, :n].sum(1)) / 2.0
    return heard, crossed


def _placed(values: NDArray[np.floating], protein: Protein, batch: Batch) -> Array:
    """Return values (residues,) from one value for each node with a residue."""
    nodes = np.full((len(batch.node_token), 1), np.nan)
    nodes[(batch.node_token >= 0).cpu().numpy(), 0] = values
    return residue_rows(nodes, batch, [len(protein)])[0][:, 0]
