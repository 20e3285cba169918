"""Heads learn what the features hold, however alike the features of all proteins are."""

from __future__ import annotations

import pytest
import torch

from zoo.models.heads import ProteinHead
from zoo.proteins.graph import Graph


@pytest.mark.parametrize("pool", ["mean", "sum"])
@pytest.mark.parametrize("seed", range(3))
def test_a_protein_head_does_not_die_on_features_that_are_much_alike(pool: str, seed: int) -> None:
    torch.manual_seed(seed)
    none = torch.zeros(0, dtype=torch.long)
    graph = Graph(none, none, (30,) * 8)
    common, own = torch.randn(1, 64), torch.randn(8, 64).repeat_interleave(30, 0)
    features = 3.0 * common + 0.3 * own + 0.3 * torch.randn(240, 64)
    classes = torch.arange(8) % 4
    head = ProteinHead([64], 4, hidden=32, pool=pool)  # type: ignore[arg-type]
    optimizer = torch.optim.Adam(head.parameters(), lr=0.02)
    for _ in range(150):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(head(graph, features), classes)
        loss.backward()
        optimizer.step()
    assert (head.eval()(graph, features).argmax(1) == classes).all()
