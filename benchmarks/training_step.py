"""A training step with the language model's states stored, against the same step with it live.

    python benchmarks/training_step.py --data PPBS [--plm esm2_35m] [--rounds 5] [--device cpu]

GVP as shipped, global fusion, side write-back, AdamW; a batch of natural chains of about --tokens
residues. Live runs the frozen language model without gradients in every step, as ESM-GearNet does:
by `transformers`, padded, and by our own way. Stored reads the states from their file. The parts of
the stored step are told, as they bound what storing can win. The peers' step runs `transformers`
and the published form of GVP's layers, with the same weights. All weights are random.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import torch
import torch.nn.functional as F
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parent))
import race
from peers.pipeline import peer_of

import zoo
from zoo.backbones import packed
from zoo.backbones.hf import HFBackbone
from zoo.models.model import FusedModel
from zoo.proteins.batch import Batch
from zoo.proteins.protein import Protein
from zoo.proteins.structure import read_structure
from zoo.states.states import StateStore


def proteins(data: Path, tokens: int) -> list[Protein]:
    """Return the first chains by name that fill a batch."""
    found: list[Protein] = []
    for path in sorted((data / "structures").iterdir()):
        protein = read_structure(path)
        if len(protein) + sum(map(len, found)) > tokens:
            break
        found.append(protein)
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--plm", default="esm2_35m")
    parser.add_argument("--tokens", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()
    race.header(given.threads, given.device)
    model = zoo.create_model(
        given.plm, "gvp", fusion="global", task="ppbs", write_back="side", weights="random"
    ).to(given.device)  # fmt: skip
    chosen = proteins(given.data, given.tokens)
    batch = model.batch(chosen)
    print(f"{len(chosen)} chains, {batch.graph.total_nodes} residues")
    with tempfile.TemporaryDirectory() as name:
        read = stored(model, chosen, batch, Path(name), given.device)
        steps(model, batch.to(given.device), read, given.rounds)


def stored(
    model: FusedModel, chosen: list[Protein], batch: Batch, root: Path, device: str
) -> Callable[[], dict[int, Tensor]]:
    """Fill a store; return what reads the batch's states from it."""
    seq = model.seq
    assert isinstance(seq, HFBackbone)
    store = StateStore(root, seq, "plm", "0", model.taps, torch.float32)
    sequences = [[chain.sequence for chain in protein.chains] for protein in chosen]
    flat = [sequence for chains in sequences for sequence in chains]
    assert store.fill(flat, budget=4096, device=device, advance=lambda _: True)
    return lambda: {k: h.to(device) for k, h in store.of_chains(sequences, batch.graph).items()}


def steps(
    model: FusedModel, batch: Batch, read: Callable[[], dict[int, Tensor]], rounds: int
) -> None:
    """Hold stored and live outputs against each other, then race whole steps."""
    seq = model.seq
    assert isinstance(seq, HFBackbone) and batch.tokens is not None and batch.attend is not None
    target = torch.randint(0, 2, (batch.graph.total_nodes, 1), device=batch.tokens.device).float()
    peer = peer_of(model)
    optimizers = {
        one: torch.optim.AdamW([p for p in one.parameters() if p.requires_grad], 1e-3)
        for one in (model, peer)
    }

    def step(hidden: dict[int, Tensor] | None, one: FusedModel = model) -> None:
        optimizers[one].zero_grad(set_to_none=True)
        F.binary_cross_entropy_with_logits(one(batch, hidden), target).backward()
        optimizers[one].step()

    def padded() -> dict[int, Tensor]:
        with mock.patch.object(packed, "parts_of", return_value=None):
            return model.tap(batch)

    model.eval()
    with torch.no_grad():
        outputs = [model(batch, read()), model(batch), model(batch, padded()),
                   peer(batch, padded())]  # fmt: skip
    for other in outputs[1:]:
        torch.testing.assert_close(outputs[0], other, rtol=1e-3, atol=1e-4)
    print("outputs from stored and from live states, and the peers', are equal")
    model.train(), peer.train()
    works = {
        "the peers' step": lambda: step(padded(), peer),
        "live, transformers": lambda: step(padded()), "live, ours": lambda: step(None),
        "stored": lambda: step(read()), "  reading of it": read,
    }  # fmt: skip
    times = race.race(works, rounds, device=batch.tokens.device.type)
    race.show(times, "the peers' step")


if __name__ == "__main__":
    main()
