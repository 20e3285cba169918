"""Compiles the layers of a graph network with `torch.compile`, each as a region of its own.

All layers of a network share what is compiled for the first one, because weights enter it as
arguments. Numbers of nodes and edges are symbols, so that a new length compiles nothing. Compiled
layers run on the PyTorch engine.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.utils._python_dispatch import is_in_torch_dispatch_mode

from zoo.backbones.message_passing import chosen_engine
from zoo.errors import ConfigError

if TYPE_CHECKING:
    from zoo.backbones.base import StructureBackbone

BACKEND = "inductor"
"""What `torch.compile` compiles with; it keeps what it compiled in TORCHINDUCTOR_CACHE_DIR."""
VARIANTS = 64
"""How often one layer's code is compiled at most: for training and evaluation, each precision, and
each architecture in the process. PyTorch's own limit is 8, which a search would exceed."""
WITHOUT = "Or leave train.compile and --compile out: the model is the same without."


def check_compile(network: bool, device: str) -> None:
    """Check, before work begins, that a model's layers can be compiled.

    Args:
        network: whether the model has a graph network.
        device: device that it will run on.

    Raises:
        ConfigError: if there is no network, no compiler for the device, or an engine was asked for
            that cannot be compiled; names the fix.
    """
    if not network:
        raise ConfigError(
            "Only the layers of a graph network are compiled, and this model has none. Leave "
            "train.compile and --compile out."
        )
    if (chosen := chosen_engine()) not in ("auto", "torch"):
        raise ConfigError(
            f"Engine {chosen!r} cannot be compiled. Use the engine auto or torch, or leave "
            "train.compile and --compile out."
        )
    if device.partition(":")[0] == "cpu":
        _check_cpu()
    elif device.startswith("cuda"):
        _check_cuda(device)


def _check_cpu() -> None:
    from torch._inductor.cpp_builder import get_cpp_compiler
    from torch._inductor.exc import InvalidCxxCompiler

    try:
        get_cpp_compiler()
    except InvalidCxxCompiler:
        raise ConfigError(
            f"Compiling for the CPU needs a C++ compiler, and {os.environ.get('CXX', 'g++')} does "
            "not run here. Fix: `apt-get install g++`, `conda install cxx-compiler`, or set CXX to "
            f"the path of one. {WITHOUT}"
        ) from None


def _check_cuda(device: str) -> None:
    from torch.utils._triton import has_triton

    if not has_triton():
        raise ConfigError(
            f"Compiling for {device} needs Triton, which does not run here. Fix: `pip install "
            f"triton`, and a GPU of compute capability 7.0 or more. {WITHOUT}"
        )


def compile_layers(struct: StructureBackbone | None, device: str) -> None:
    """Compile a graph network's layers in place, each at its first run; weights keep their names.

    Args:
        struct: the network, or None for a model without one; its layers are the members of its
            lists of modules.
        device: device that it will run on.

    Raises:
        ConfigError: as `check_compile` does.
    """
    check_compile(struct is not None, device)
    assert struct is not None
    import torch._dynamo.config as limits

    limits.recompile_limit = max(limits.recompile_limit, VARIANTS)
    for part in _layers_of(struct):
        part.compile(fullgraph=True, dynamic=True, backend=BACKEND)
    struct.compiled = True


def _layers_of(struct: nn.Module) -> Iterator[nn.Module]:
    for child in struct.children():
        if isinstance(child, nn.ModuleList):
            yield from child


@contextmanager
def running(struct: StructureBackbone) -> Iterator[None]:
    """Run what is inside compiled, and say whose layers they are where they cannot be.

    Under a mode that watches each operation, as when memory is measured, layers run as they are:
    PyTorch compiles nothing there.

    Raises:
        ConfigError: for a network, such as one of a plug-in, with what no compiler can trace.
    """
    from torch._dynamo.exc import TorchDynamoException

    if is_in_torch_dispatch_mode(include_infra_modes=False):
        with torch.compiler.set_stance("force_eager"):
            yield
        return
    try:
        with warnings.catch_warnings():  # PyTorch's tracer warns of what it reads itself
            warnings.filterwarnings("ignore", "The .grad attribute of a Tensor", UserWarning)
            yield
    except TorchDynamoException as error:
        reason = " ".join(str(error).split("\n\n")[0].split())
        raise ConfigError(
            f"The layers of {type(struct).__name__} cannot be compiled: {reason:.300}. {WITHOUT}"
        ) from error
