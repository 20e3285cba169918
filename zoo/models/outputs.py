"""The meaning of a head's columns: which target each belongs to, and its value or probability."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from zoo.tasks import Target

Array = NDArray[np.float64]


def columns(targets: Iterable[Target]) -> dict[str, slice]:
    """Return the columns of a prediction that each target has, in their order."""
    found, start = {}, 0
    for target in targets:
        found[target.name] = slice(start, start + target.outputs)
        start += target.outputs
    return found


def activate(target: Target, logits: Array, temperature: float = 1.0) -> Array:
    """Return what a prediction means: a value, or probabilities.

    Args:
        target: what is predicted.
        logits: (..., outputs), its columns of the head; NaN stays NaN.
        temperature: divides logits (Guo et al. 2017); of no meaning to a regression.

    Returns:
        (...) for one output, else (..., outputs).
    """
    if target.kind == "multiclass":
        scaled = logits / temperature
        raised = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
        return np.asarray(raised / raised.sum(axis=-1, keepdims=True))
    if target.kind != "regression":
        logits = np.asarray(0.5 * (1.0 + np.tanh(0.5 * logits / temperature)))  # never overflows
    return logits[..., 0] if target.outputs == 1 else logits
