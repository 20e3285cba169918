"""One part of a model: built with random numbers of its own, where the memory has room for it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from zoo.errors import ConfigError

Part = TypeVar("Part")
SHARE = 0.5
"""Of the free memory, that a part may take: what runs it needs some too."""
NO_MEMORY = ("can't allocate memory", "not enough memory", "Storage size calculation overflowed")
"""What PyTorch says where a tensor is larger than any memory."""
KEYS = {"lora": "sequence.lora.rank", "side": "fusion.side_width"}
"""Which config keys make a part small, where they are not the part's `args`."""


def built(seed: int, name: str, build: Callable[[], Part]) -> Part:
    """Return what `build` does, with the seed's own stream of random numbers.

    A stream for each part, so that a wider head leaves the backbone's weights as they were.

    Raises:
        ConfigError: if the part needs more than half of the memory that is free.
    """
    import psutil

    free = psutil.virtual_memory().available
    try:
        with _seeded(seed, name), _Room(SHARE * free):
            return build()
    except (MemoryError, RuntimeError) as error:
        too_large = isinstance(error, MemoryError) or any(x in str(error) for x in NO_MEMORY)
        if not too_large:
            raise
    keys = KEYS.get(name, f"the widths or the number of layers in {name}.args")
    raise ConfigError(
        f"The model's part {name!r} needs more than half of the memory that is free "
        f"({free / 1e9:.1f} GB): lower {keys}."
    )


class _Room(TorchDispatchMode):
    """Ends a building at the tensor that outgrows its size, before that one is written to."""

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
