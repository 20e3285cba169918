"""The memory estimate: what it adds up, and how it scales."""

from __future__ import annotations

import pytest
import torch

from tests import shelf
from zoo.backbones.message_passing import use_engine
from zoo.models import memory
from zoo.models.create import create_model


def test_the_tracker_sees_what_is_live_at_once():
    with memory.PeakTracker() as tracker:
        a = torch.zeros(1000)
        b = a + 1
        del a
        c = b * 2
        view = c[:10]
    assert tracker.peak == 2 * 4000
    del b, c, view
    assert tracker.live == 0


@pytest.mark.parametrize("kind", ["residue", "atom"])
def test_an_estimate_from_a_short_protein_fits_a_longer_one(kind):
    model = create_model(
        "esm2_8m", "gvp", fusion="global", weights="random", values={"graph.kind": kind}
    )
    short, long = shelf.ordinary(60), shelf.ordinary(240)
    with use_engine("torch"):  # GVP's kernel, which large graphs alone take, needs less than both
        small = memory.trial(model, model.batch([short]), 60).memory
        large = memory.trial(model, model.batch([long]), 240).memory
    # Less, where the longer one's edges go in blocks and the shorter one's are a single block.
    assert small.inference / 2 < large.inference < 1.25 * small.inference
    assert small.training == pytest.approx(large.training, rel=0.25)


def test_training_adds_adams_moments_and_gradients():
    estimate = memory.MemoryEstimate(weights=100, trained=10, inference=2.0, training=5.0)
    assert estimate.at(300, training=False) == 700
    assert estimate.at(300, training=True) == 100 + 30 + 1500


def test_a_backward_pass_leaves_the_model_as_it_was():
    model = create_model("esm2_8m", "gat", fusion="local", weights="random")
    memory.backward(model, model.batch([shelf.SHELF["ordinary"]]))
    assert not model.training
    assert all(p.grad is None for p in model.parameters())
