"""Peak memory of a training step of GVP's stack against the published form on torch-geometric.

    python benchmarks/step_memory.py [--threads 2]

Needs `pip install torch-geometric`. Eight proteins of 300 residues, 30 neighbours, three layers of
(100, 16)/(32, 1), forward and backward, float32. Each side is a fresh process, with glibc's
allocator as it is and with blocks kept (zoo.command.allocator): how far its resident memory rises
above what it was before the step. A second line a side leaves allocators out: what tensors are
live at once, by an account of every operation's output.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parent))
import graph_networks as stack

from zoo.backbones.gvp import GVPLayer
from zoo.backbones.message_passing import numba_problem, use_engine
from zoo.command.allocator import keep_large_blocks
from zoo.models.memory import PeakTracker
from zoo.proteins.graph import Graph

SIDES = ("published form", "ours, dgl", "ours, torch", "ours, numba")


def measure(side: str) -> tuple[float, float]:
    """Return MB that resident memory rises in a first step, and MB of live tensors in a second."""
    torch.manual_seed(0)
    g = stack.graph()
    shapes = [(g.total_nodes, 100), (g.total_nodes, 16, 3), (len(g.src), 32), (len(g.src), 1, 3)]
    s, v, *edge = (torch.randn(shape) for shape in shapes)
    s.requires_grad_(), v.requires_grad_()
    if side == "published form":
        layers, run = stack._gvp_peer(None)
        index = torch.stack([g.src, g.dst])

        def step() -> None:
            sum(x.sum() for x in run((s, v), index, tuple(edge))).backward()
    else:
        layers = nn.ModuleList(
            GVPLayer(stack.NODE, stack.EDGE, gate=False, dropout=0.0) for _ in range(stack.LAYERS)
        )

        def step(g: Graph = g, s: Tensor = s, v: Tensor = v, edge: list[Tensor] = edge) -> None:
            with use_engine(side.split()[-1]):
                pair = (s, v)
                for layer in layers:
                    pair = layer(g, *pair, edge)
                sum(x.sum() for x in pair).backward()

        if side == "ours, numba":  # loading Numba is no part of a step
            one = torch.zeros(1, dtype=torch.long)
            step(Graph(one, one, (1,)), s[:1], v[:1], [x[:1] for x in edge])

    before = _status("VmRSS")
    step()
    risen = _status("VmHWM") - before
    with PeakTracker() as tracker:
        step()
    return risen, tracker.peak / 1e6


def _status(key: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(key)).split()[1]) / 1e3


def main() -> None:
    """Print megabytes and shares of the published form's."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    if given.side is not None:
        keep_large_blocks()
        print(*measure(given.side))
        return
    sides = SIDES if numba_problem() is None else SIDES[:-1]
    for allocator in ("system", "keep"):
        found = {}
        for side in sides:
            command = [sys.executable, __file__, "--side", side, "--threads", str(given.threads)]
            done = subprocess.run(command, env=os.environ | {"ZOO_ALLOCATOR": allocator},
                                  capture_output=True, text=True, check=True)  # fmt: skip
            found[side] = [float(x) for x in done.stdout.split()[-2:]]
        print(f"allocator: {allocator}")
        for side, (risen, live) in found.items():
            rss, tensors = found[SIDES[0]]
            print(f"  {side:16} resident {risen:7.0f} MB ({risen / rss:.2f})   "
                  f"live tensors {live:7.0f} MB ({live / tensors:.2f})")  # fmt: skip


if __name__ == "__main__":
    main()
