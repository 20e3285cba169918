"""Computes in half precision with weights that are trained in float32.

A step of AdamW moves a weight by about the learning rate, 1e-5. Half precision has no number so
near to most weights (bfloat16 keeps 8 bits, so the next one is 0.4 % away): the step is rounded
off, and float16 has no number for AdamW's epsilon of 1e-8 either, which gives 0 / 0. So what is
trained is float32, and the language model computes with a rounded copy of it, as mixed-precision
training does (Micikevicius et al., arXiv:1710.03740).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import nn


def raise_trained(model: nn.Module) -> dict[str, torch.dtype]:
    """Turn the weights that are trained into float32, in place; return the dtype that each had.

    Weights that were float32 before are not in the answer.
    """
    named = list(model.named_parameters(remove_duplicate=False))
    half = {name: p.dtype for name, p in named if p.requires_grad and p.dtype != torch.float32}
    for name, parameter in named:
        if name in half:
            parameter.data = parameter.data.float()
    return half


@contextmanager
def lowered(model: nn.Module, dtypes: Mapping[str, torch.dtype]) -> Iterator[None]:
    """Let copies of some weights stand in for them while the block runs, each in its dtype.

    Gradients pass through the copies to the weights themselves.
    """
    places = [(model.get_submodule(name.rpartition(".")[0]), name) for name in dtypes]
    kept = [(module, name, getattr(module, name.rpartition(".")[2])) for module, name in places]
    for module, name, parameter in kept:
        _put(module, name, parameter.to(dtypes[name]))
    try:
        yield
    finally:
        for module, name, parameter in kept:
            _put(module, name, parameter)


def _put(module: nn.Module, name: str, weight: torch.Tensor) -> None:
    """Set a weight, or a copy of it, which `setattr` refuses in the place of a parameter."""
    module._parameters[name.rpartition(".")[2]] = weight  # type: ignore[assignment]
