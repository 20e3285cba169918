"""Graph networks against torch-geometric's: GVP, SchNet, GATv2; numbers are first held equal.

    python benchmarks/graph_networks.py [gvp schnet gatv2] [--threads 2] [--rounds 7] [--both]
    python benchmarks/graph_networks.py --device cuda

Needs `pip install torch-geometric`. A batch of 8 proteins (`--proteins`) of 300 residues, 30
neighbours each.
GVP's peer is `peers/gvp.py`; `--reference DIR` takes a checkout of the published code
(github.com/drorlab/gvp-pytorch) instead. `--both` runs with glibc's allocator as it is, and again
with the tuned one, on both sides. On a GPU there is the PyTorch engine alone.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parent))
import race
from peers import gvp as peer

from zoo.backbones.gvp import GVPLayer
from zoo.backbones.message_passing import numba_problem, use_engine
from zoo.proteins.graph import Graph

NODE, EDGE, LAYERS = (100, 16), (32, 1), 3
RESIDUES, NEIGHBOURS = 300, 30


def device() -> str:
    """Return where all is made, "cpu" or "cuda"."""
    return torch.get_default_device().type


def engines() -> tuple[str, ...]:
    """Return the engines that run there."""
    return ("dgl", "torch") if device() == "cpu" else ("torch",)


def gvp_engines(half: bool) -> tuple[str, ...]:
    """Return those of GVP, which has a kernel in Numba."""
    kernel = device() == "cpu" and not half and numba_problem() is None
    return (*engines(), "numba") if kernel else engines()


def graph(proteins: int = 8) -> Graph:
    """Return proteins as random walks with 3.8 angstrom steps, and their nearest neighbours."""
    sources, destinations, positions = [], [], []
    for number in range(proteins):
        steps = nn.functional.normalize(torch.randn(RESIDUES, 3), dim=1) * 3.8
        pos = steps.cumsum(0) * 0.5  # compact, as a protein is
        distance = torch.cdist(pos, pos).fill_diagonal_(torch.inf)
        near = distance.topk(NEIGHBOURS, largest=False).indices
        sources.append(near.flatten() + number * RESIDUES)
        destinations.append(torch.arange(RESIDUES).repeat_interleave(NEIGHBOURS)
                            + number * RESIDUES)  # fmt: skip
        positions.append(pos)
    src, dst, pos = map(torch.cat, (sources, destinations, positions))
    made = Graph(src, dst, (RESIDUES,) * proteins)
    made.edges["dist"] = (pos[src] - pos[dst]).norm(dim=1)
    return made


def step(forward: Callable[[], Any], train: bool, half: bool) -> Callable[[], object]:
    """Return one pass, with the backward pass if it trains."""

    def work() -> object:
        with torch.set_grad_enabled(train), torch.autocast(device(), torch.bfloat16, enabled=half):
            out = forward()
        if train:
            sum(x.float().sum() for x in out).backward()
        return out

    return work


def gvp(g: Graph, reference: Path | None, rounds: int) -> None:
    """Race a stack of GVP layers."""
    index = torch.stack([g.src, g.dst])
    ours = nn.ModuleList(GVPLayer(NODE, EDGE, gate=False, dropout=0.0) for _ in range(LAYERS))
    theirs, run_theirs = _gvp_peer(reference)
    peer.copy_weights(theirs, ours)
    shapes = [(g.total_nodes, 100), (g.total_nodes, 16, 3), (len(g.src), 32), (len(g.src), 1, 3)]
    s, v, *edge = (torch.randn(shape) for shape in shapes)
    s.requires_grad_(), v.requires_grad_()

    def own(engine: str) -> tuple[Tensor, Tensor]:
        with use_engine(engine):
            pair = (s, v)
            for layer in ours:
                pair = layer(g, *pair, edge)
            return pair

    def other() -> tuple[Tensor, Tensor]:
        return run_theirs((s, v), index, (edge[0], edge[1]))

    for engine in gvp_engines(half=False):
        _equal(f"gvp, {engine}", own(engine), other(), [s, v])
    for train in (False, True):
        for half in (False, True):
            works = {f"published form{', bf16' * half}": step(other, train, half)}
            if half:
                works = {"published form": step(other, train, False), **works}
            for engine in gvp_engines(half):
                works[f"ours, {engine}{', bf16' * half}"] = step(
                    lambda engine=engine: own(engine), train, half
                )
            print(f"gvp, {'forward + backward' if train else 'forward'}"
                  f"{', bfloat16' if half else ', float32'}")  # fmt: skip
            race.show(race.race(works, rounds, device=device()), "published form")


def _gvp_peer(reference: Path | None) -> tuple[nn.Module, Callable[..., Any]]:
    if reference is None:
        layers = nn.ModuleList(peer.Layer(NODE, EDGE) for _ in range(LAYERS))
    else:
        sys.path.insert(0, str(reference))
        from gvp import GVPConvLayer

        layers = nn.ModuleList(GVPConvLayer(NODE, EDGE, drop_rate=0.0) for _ in range(LAYERS))

    def run(pair: Any, index: Tensor, edge: Any) -> Any:
        for layer in layers:
            pair = layer(pair, index, edge)
        return pair

    return layers, run


def _equal(name: str, ours: Any, theirs: Any, leaves: list[Tensor]) -> None:
    """Hold outputs and gradients against each other."""
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
    along = [torch.randn_like(x) for x in ours]
    grads = [torch.autograd.grad(out, leaves, along) for out in (ours, theirs)]
    # In norm: where a ReLU's input is nearly 0, rounding decides whether one node has a gradient.
    worst = max(((a - b).norm() / b.norm()).item() for a, b in zip(*grads, strict=True))
    assert worst < 1e-3, worst  # float32 rounding; the tests hold 1e-12 in float64
    print(f"{name}: outputs and gradients equal, gradients to {worst:.1e}")


def schnet(g: Graph, _: Path | None, rounds: int) -> None:
    """Race an interaction block."""
    from torch_geometric.nn.models.schnet import InteractionBlock

    from zoo.backbones.schnet import Interaction, smear

    index, dist = torch.stack([g.src, g.dst]), g.edges["dist"]
    theirs, ours = InteractionBlock(128, 50, 128, 20.0), Interaction(128, 128, 50, 0.0)
    smeared, envelope = smear(dist, torch.linspace(0.0, 20.0, 50), 20.0)
    with torch.no_grad():
        pairs = [(ours.filter[0], theirs.mlp[0]), (ours.filter[2], theirs.mlp[2]),
                 (ours.into, theirs.conv.lin1), (ours.out[0], theirs.conv.lin2),
                 (ours.out[2], theirs.lin)]  # fmt: skip
        for a, b in pairs:
            a.load_state_dict(b.state_dict())
    x = torch.randn(g.total_nodes, 128, requires_grad=True)

    def own(engine: str) -> tuple[Tensor]:
        with use_engine(engine):
            return (ours(g, x, smeared, envelope),)

    def other() -> tuple[Tensor]:
        return (x + theirs(x, index, dist, smeared),)

    _equal("schnet", own(engines()[0]), other(), [x])
    _race_engines("schnet interaction", own, other, rounds)


def gatv2(g: Graph, _: Path | None, rounds: int) -> None:
    """Race graph attention with edge features."""
    from torch_geometric.nn import GATv2Conv

    from zoo.backbones.gat import GATv2Layer

    index, edge = torch.stack([g.src, g.dst]), torch.randn(len(g.src), 32)
    theirs = GATv2Conv(128, 32, heads=4, edge_dim=32, add_self_loops=False)  # its bias is 0
    ours = GATv2Layer(4, 32, 32, 0.0)
    with torch.no_grad():
        pairs = [(ours.source, theirs.lin_l), (ours.destination, theirs.lin_r),
                 (ours.edge, theirs.lin_edge)]  # fmt: skip
        for a, b in pairs:
            a.load_state_dict(b.state_dict())
        ours.score.copy_(theirs.att[0])
    x = torch.randn(g.total_nodes, 128, requires_grad=True)

    def own(engine: str) -> tuple[Tensor]:
        with use_engine(engine):
            return (ours.heard(g, x, edge),)

    def other() -> tuple[Tensor]:
        return (theirs(x, index, edge),)

    _equal("gatv2", own(engines()[0]), other(), [x])
    _race_engines("gatv2", own, other, rounds)


def _race_engines(
    name: str, own: Callable[[str], Any], other: Callable[[], Any], rounds: int
) -> None:
    for train in (False, True):
        works = {"torch-geometric": step(other, train, False)}
        for engine in engines():
            works[f"ours, {engine}"] = step(lambda engine=engine: own(engine), train, False)
        print(f"{name}, {'forward + backward' if train else 'forward'}, float32")
        race.show(race.race(works, rounds, device=device()), "torch-geometric")


RACES = {"gvp": gvp, "schnet": schnet, "gatv2": gatv2}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", help=", ".join(RACES))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--proteins", type=int, default=8)
    parser.add_argument("--reference", type=Path)
    parser.add_argument("--both", action="store_true")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    given = parser.parse_args()
    if given.both:
        race.with_both_allocators([word for word in sys.argv if word != "--both"])
        return
    torch.manual_seed(0)
    race.header(given.threads, given.device)
    torch.set_default_device(given.device)
    for name in given.names or RACES:
        RACES[name](graph(given.proteins), given.reference, given.rounds)


if __name__ == "__main__":
    main()
