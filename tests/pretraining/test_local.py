"""Attention heads that start by looking at the residue some places away."""

from __future__ import annotations

import pytest
import torch

from zoo.pretraining.local import OFFSETS, SHARE
from zoo.pretraining.network import network


@pytest.fixture(scope="module")
def looks() -> list[torch.Tensor]:
    """Return (heads, tokens, tokens) attention of each layer with its first weights."""
    torch.manual_seed(0)
    model = network(num_layers=2, width=256, num_heads=8).eval()
    model.set_attn_implementation("eager")
    ids = torch.randint(4, 24, (1, 40))
    with torch.no_grad():
        found = model.esm(input_ids=ids, attention_mask=torch.ones_like(ids),
                          output_attentions=True).attentions  # fmt: skip
    return [layer[0] for layer in found]


def test_a_share_of_the_heads_looks_at_one_distance_each(looks: list[torch.Tensor]) -> None:
    middle = torch.arange(10, 30)
    local = int(SHARE * 8)
    for layer, heads in enumerate(looks):
        for head in range(local):
            offset = OFFSETS[(layer * local + head) % len(OFFSETS)]
            share = [float(heads[head, middle, middle + at].mean()) for at in range(-5, 6)]
            assert max(share) == share[offset + 5] > 0.6


def test_the_others_look_at_all_residues_alike(looks: list[torch.Tensor]) -> None:
    for heads in looks:
        assert float(heads[int(SHARE * 8) :].max()) < 0.2


def test_one_head_is_left_to_look_at_all() -> None:
    model = network(num_layers=1, width=16, num_heads=1)
    assert not model.esm.encoder.layer[0].attention.self.key.bias.any()
