"""What a released version saved is loaded, and gives the same numbers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import zoo
from tests import shelf
from tests.kept.make import HOME, logits, models
from zoo.backbones.message_passing import use_engine

KEPT = sorted(path.parent for path in HOME.glob("*/*/config.yaml"))


@pytest.mark.parametrize("engine", shelf.ENGINES)
@pytest.mark.parametrize("folder", KEPT, ids=lambda p: f"{p.parent.name}-{p.name}")
def test_it_gives_the_same_numbers(folder: Path, engine: str) -> None:
    expected = torch.tensor(json.loads((folder / "expected.json").read_text()))
    model = zoo.load_model(folder)
    with use_engine(engine):
        assert torch.allclose(torch.tensor(logits(model)), expected, atol=2e-5)


def test_every_part_of_this_version_is_kept() -> None:
    assert {path.name for path in KEPT if path.parent.name == zoo.__version__} == set(models())
