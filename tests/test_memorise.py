"""A model must be able to memorise: a handful of proteins, every task, both write-backs."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from tests import shelf
from zoo.models.create import create_model
from zoo.tasks import TASKS

PROTEINS = [shelf.ordinary(12 + 2 * i, seed=i) for i in range(3)]


@pytest.mark.parametrize("write_back", ["deep", "side"])
@pytest.mark.parametrize("task", list(TASKS))
def test_a_handful_of_proteins_is_memorised(task: str, write_back: str) -> None:
    model = create_model(
        "esm2_8m", "gat", fusion="local", task=task, write_back=write_back, weights="random"
    )
    batch = model.batch(PROTEINS)
    generator = torch.Generator().manual_seed(0)
    rows = batch.graph.total_nodes if TASKS[task].target.level == "residue" else len(PROTEINS)
    target = torch.randint(0, 2, (rows, TASKS[task].target.outputs), generator=generator).float()
    hidden = model.tap(batch) if write_back == "side" else None
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=2e-3)
    for _ in range(150):
        loss = F.binary_cross_entropy_with_logits(model(batch, hidden), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if loss.item() < 0.1:
            break
    assert loss.item() < 0.1
