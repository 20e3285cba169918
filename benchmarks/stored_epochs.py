"""Epochs with the language model's states stored, against epochs that run it: one interleaved run.

    python benchmarks/stored_epochs.py PREPARED [--plm esm2_35m] [--threads 2]

PREPARED is what `python -m zoo.prepare ppbs` wrote. The weights are random: speed does not depend
on them. The first epoch is left out on both sides; filling the store is told apart.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import torch

from zoo.settings.config import Config, load_config
from zoo.training.fitting import train
from zoo.training.job import Hardware
from zoo.training.planning import Wish, plan

SMALL = [
    "fusion.write_back=side", "fusion.side_width=32", "fusion.args.width=32",
    "fusion.args.gate_width=16", "head.args.hidden=32", "structure.name=gearnet",
    "structure.args.hidden=32", "structure.args.num_layers=2", "graph.k=10",
]  # fmt: skip
"""A structure branch that is no slower than the store, so that the store is what is measured."""


def epochs(config: Config, data: Path, folder: Path, name: str) -> tuple[list[float], float]:
    """Return the seconds of every epoch, and of all before the first."""
    wish = Wish(config=config, data=data, out=folder / name, store=folder, hardware=Hardware("cpu"))
    rows: list[float] = []
    begun = time.perf_counter()
    train(plan(wish)[0], epoch=lambda row: rows.append(row["seconds"]))
    return rows, time.perf_counter() - begun - sum(rows)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--plm", default="esm2_35m")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--full", action="store_true", help="the shipped GVP instead")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    base = load_config("ppbs_esm2_8m_gvp_local").with_values([
        f"sequence.name={given.plm}", "sequence.weights=random",
        *(["fusion.write_back=side"] if given.full else SMALL),
    ])  # fmt: skip
    stored: list[float] = []
    live: list[float] = []
    with tempfile.TemporaryDirectory() as name:
        for turn in range(2):
            for times, values in (
                (stored, ["train.epochs=4"]),
                (live, ["train.epochs=2", "train.store=none"]),
            ):
                kind = "stored" if times is stored else "live"
                found, before = epochs(
                    base.with_values(values), given.data, Path(name), f"{kind}{turn}"
                )
                times += found[1:]
                print(
                    f"{kind}: {[round(x, 2) for x in found]} s, {before:.1f} s before", flush=True
                )
    ratio = statistics.median(live) / statistics.median(stored)
    print(f"median epoch: live {statistics.median(live):.2f} s, stored "
          f"{statistics.median(stored):.2f} s: 1/{ratio:.1f}")  # fmt: skip


if __name__ == "__main__":
    main()
