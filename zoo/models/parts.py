"""Builds one part of a model, with random numbers of its own and within the free memory."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from zoo.errors import ConfigError
from zoo.system.memory import MARGIN, free_memory, out_of_memory

Part = TypeVar("Part")
KEYS = {"lora": "sequence.lora.rank", "side": "fusion.side_width"}
"""Config keys that set a part's size, where that is not done by the part's `args`."""


def built(seed: int, name: str, build: Callable[[], Part]) -> Part:
    """Return what `build` returns, with a stream of random numbers for this part.

    Each part has a stream of its own, so that a wider head leaves the backbone's weights as they
    were.

    Raises:
        ConfigError: if the part needs more memory than is free.
    """
    free = free_memory()
    try:
        with _seeded(seed, name), _Room(MARGIN * free):
            return build()
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
    keys = KEYS.get(name, f"the widths or the number of layers in {name}.args")
    raise ConfigError(
        f"The model's part {name!r} needs more than the memory that is free "
        f"({free / 1e9:.1f} GB): lower {keys}."
    )


class _Room(TorchDispatchMode):
    """Stops building at the tensor that exceeds the given size, before it is written to."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Spare PyTorch the import of its compiler, two seconds, only to keep it out."""
        return False

    def __init__(self, size: float) -> None:
        super().__init__()
        self.left = size

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operation, and take what a new tensor needs off what is left."""
        out = func(*args, **(kwargs or {}))
        made = isinstance(out, torch.Tensor) and not any(isinstance(x, torch.Tensor) for x in args)
        if made:
            self.left -= out.untyped_storage().nbytes()
        if self.left < 0:
            raise MemoryError
        return out


@contextmanager
def _seeded(seed: int, part: str) -> Iterator[None]:
    """Seed the random numbers of one part, and put the generator back."""
    own = int.from_bytes(hashlib.sha256(f"{seed} {part}".encode()).digest()[:8], "big")
    with torch.random.fork_rng():
        torch.manual_seed(own % 2**63)
        yield
