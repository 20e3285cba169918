"""The estimate of what a batch needs: near the truth, also where memory is quadratic."""

from __future__ import annotations

import pytest
import torch

from tests import shelf
from zoo.errors import ZooError
from zoo.models import headroom
from zoo.models.headroom import Headroom
from zoo.models.inference import predict_logits
from zoo.models.memory import PeakTracker
from zoo.system import memory
from zoo.system.memory import out_of_memory

# The tiny T5 says that it was made for 64 tokens.
pytestmark = pytest.mark.filterwarnings("ignore:a chain of .* residues is longer")


def model(kind, plm_folders):
    if kind == "none":
        return shelf.small_model("none", task="ppbs")
    if kind == "8m":
        return shelf.small_model("esm2_8m", task="ppbs", weights="random")
    made = shelf.small_model(plm_folders["t5"], task="ppbs")
    made.seq.max_tokens = None  # as a model without fixed positions
    return made


def needed(head: Headroom, proteins, monkeypatch) -> float:
    """Return the estimate: the least free memory that is enough."""
    low, high = 1.0, 1e12
    while high / low > 1.01:
        middle = (low * high) ** 0.5
        monkeypatch.setattr(memory, "free_memory", lambda device, free=middle: free)
        try:
            head.check(proteins)
            high = middle
        except ZooError:
            low = middle
    return high * memory.MARGIN


@pytest.mark.parametrize("kind", ["none", "8m", "t5"])
@pytest.mark.parametrize("lengths", [(600,), (300, 280)])
def test_the_estimate_is_near_what_a_batch_takes(kind, lengths, plm_folders, monkeypatch):
    made = model(kind, plm_folders)
    proteins = [shelf.ordinary(length) for length in lengths]
    with PeakTracker() as tracker:
        predict_logits(made, proteins, "cpu")
    assert 0.9 < needed(Headroom(made, "cpu"), proteins, monkeypatch) / tracker.peak < 1.8


def test_a_language_model_with_a_table_of_positions_is_measured_as_quadratic(plm_folders):
    assert Headroom(model("t5", plm_folders), "cpu")._square > 10
    assert Headroom(model("8m", plm_folders), "cpu")._square < 1


def test_small_batches_and_other_devices_are_not_measured(plm_folders, monkeypatch):
    monkeypatch.setattr(memory, "free_memory", lambda device: 0)
    made = model("none", plm_folders)
    Headroom(made, "cpu").check([shelf.ordinary(headroom.ALWAYS_FITS)])
    Headroom(made, "cuda").check([shelf.ordinary(5000)])
    with pytest.raises(ZooError, match=r"600 residues \(ordinary\) needs about"):
        Headroom(made, "cpu").check([shelf.ordinary(600)])


def test_what_counts_as_out_of_memory():
    assert out_of_memory(torch.OutOfMemoryError("CUDA out of memory."))
    assert not out_of_memory(RuntimeError("expected a tensor"))
    assert not out_of_memory(ValueError("out of memory"))
