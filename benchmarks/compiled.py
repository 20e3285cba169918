"""Graph networks whose layers `torch.compile` compiled, against the same as they are.

    python benchmarks/compiled.py [gvp ...] [--copies 8] [--threads 2] [--rounds 7]
    python benchmarks/compiled.py --device cuda

On a batch of copies of the example protein, which has 70 residues: all layers, forward alone and
with the backward pass, float32; outputs are first held equal. It also prints how long the first
pass of each kind takes, which compiles, or reads what an earlier command compiled. To begin with
nothing compiled, name an empty folder with TORCHINDUCTOR_CACHE_DIR.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parent))
import race

from zoo.backbones import STRUCTURE_BACKBONES, StructureBackbone
from zoo.backbones.compiling import compile_layers
from zoo.backbones.message_passing import use_engine
from zoo.examples import example
from zoo.proteins.build_graph import FeatureWidths, GraphSpec, build_graph
from zoo.proteins.graph import Graph


def networks(name: str, device: str) -> dict[str, StructureBackbone]:
    """Return a network as it is and compiled, with the same weights and no dropout."""
    made = {}
    for side in ("as it is", "compiled"):
        torch.manual_seed(0)
        network = STRUCTURE_BACKBONES[name](FeatureWidths.of(GraphSpec()), dropout=0.0)
        made[side] = network.to(device)
    compile_layers(made["compiled"], device)
    return made


def layers(network: StructureBackbone, graph: Graph, engine: str, train: bool) -> Tensor:
    """Run all layers, and back where it trains; return the last scalars."""
    with use_engine(engine), torch.set_grad_enabled(train):
        state = network.embed(graph)
        s = network.run(graph, state, 0, network.num_layers).s
        if train:
            s.square().sum().backward()
    return s.detach()


def measure(name: str, graph: Graph, device: str, train: bool, rounds: int) -> None:
    """Race a network, forward or with the backward pass."""
    made = networks(name, device)
    works = {"compiled": partial(layers, made["compiled"], graph, "torch", train)}
    for engine in ("torch", "auto") if device == "cpu" else ("torch",):
        works[f"as it is, {engine}"] = partial(layers, made["as it is"], graph, engine, train)
    print(f"{name}, {made['compiled'].num_layers} layers, "
          f"{'forward + backward' if train else 'forward'}")  # fmt: skip
    first = race.race({"": works["compiled"]}, 1, warm=0, device=device)[""]
    print(f"  first compiled run {first[0]:.1f} s")
    torch.testing.assert_close(works["compiled"](), works["as it is, torch"](), rtol=1e-4,
                               atol=1e-5)  # fmt: skip
    race.show(race.race(works, rounds, device=device), "as it is, torch")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", default=["gvp"])
    parser.add_argument("--copies", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    given = parser.parse_args()
    race.header(given.threads, given.device)
    graph = Graph.batch([build_graph(example(), GraphSpec())] * given.copies).to(given.device)
    for name in given.names:
        for train in (False, True):
            measure(name, graph, given.device, train, given.rounds)


if __name__ == "__main__":
    main()
