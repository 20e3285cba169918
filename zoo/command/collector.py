"""Lets Python's collector of cycles wait while a verb imports its libraries.

Torch and transformers make a million objects that stay, and the collector looks through all of
them again and again as they grow: that was a tenth of the time of a first prediction. Once no
module is imported any more it works as always, as a cycle may hold large tensors.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

PATIENCE = 20_000
"""New objects after which it works nevertheless, and looks whether modules are still imported."""


@contextmanager
def patient_collector() -> Iterator[None]:
    """Let the collector wait until modules are imported no more, at most until the block ends."""
    before, modules = gc.get_threshold(), [-1]

    def restore() -> None:
        gc.set_threshold(*before)
        if look in gc.callbacks:
            gc.callbacks.remove(look)

    def look(phase: str, info: dict[str, int]) -> None:
        if phase == "stop":
            if len(sys.modules) == modules[0]:
                restore()
            modules[0] = len(sys.modules)

    gc.callbacks.append(look)
    gc.set_threshold(PATIENCE, *before[1:])
    try:
        yield
    finally:
        restore()
