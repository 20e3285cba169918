"""What tests of compiled layers share: they are traced, and what was traced runs as it is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch._dynamo
from torch._dynamo.utils import counters

from zoo.backbones import compiling


@pytest.fixture(autouse=True)
def traced(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Trace as for any compiler, which itself is left out: that takes no compiler and no time."""
    monkeypatch.setattr(compiling, "BACKEND", "eager")
    torch._dynamo.reset()
    counters.clear()
    yield
    torch._dynamo.reset()


def traced_graphs() -> int:
    """Return how many graphs were traced since the test began."""
    return int(counters["stats"]["unique_graphs"])
