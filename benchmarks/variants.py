"""Train variants of a binding-site config on folds of the training side; the test split stays shut.

    python -m zoo.prepare ppbs --data PPBS --out PREPARED
    python benchmarks/variants.py PREPARED ppbs_none_gat_none
    python benchmarks/variants.py PREPARED ppbs_none_gat_none --folds 0,1 --ema 0.99 \\
        --set structure.name=schnet --set 'structure.args={}' --out results/variants/schnet.json

Training and validation chains are divided into five folds, kin (30 % identity) in one. One model
a fold, trained on the other four, is scored on it after the last epoch: no epoch is chosen by it.
"""

from __future__ import annotations

import argparse
import copy
import json
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from zoo.data.kin import IDENTITY, related
from zoo.data.samples import Sample
from zoo.data.similarity import clusters_built_in
from zoo.data.store import Store
from zoo.models.blueprint import resolve
from zoo.models.create import build_model
from zoo.models.model import FusedModel
from zoo.proteins.batch import Batch, join
from zoo.proteins.build_graph import build_graph
from zoo.proteins.graph import Graph
from zoo.proteins.reading import readings
from zoo.settings.config import Config, load_config

FOLDS, TARGET, WARM_UP = 5, "binding_site", 0.1


def training_side(prepared: Path) -> tuple[list[Sample], NDArray[np.int64]]:
    """Return the training and validation chains, and the fold of each."""
    with Store(prepared / "store") as store:
        chains = [x for x in map(store.__getitem__, store.keys()) if x.split != "test"]
    sequences = [[chain.sequence for chain in x.protein.chains] for x in chains]
    groups = related(sequences, IDENTITY, clusters_built_in)
    return chains, np.array([zlib.crc32(str(group).encode()) % FOLDS for group in groups])


class Chains:
    """Chains with their graphs, which are built once, and batches of some of them."""

    def __init__(self, chains: list[Sample], model: FusedModel) -> None:
        self.chains = chains
        self.labels = [np.asarray(x.targets[TARGET], np.float32).reshape(-1) for x in chains]
        self.graphs = [build_graph(x.protein, model.graph_spec) for x in chains]
        self.tokenize = model.seq.tokenize if model.seq is not None else None

    def batch(self, some: list[int]) -> Batch:
        texts = [readings(self.chains[i].protein, "sequence") for i in some]
        names = tuple(self.chains[i].id for i in some)
        return join(Graph.batch([self.graphs[i] for i in some]), texts, self.tokenize, names)

    def order(
        self, some: NDArray[np.int64], residues: int, rng: np.random.Generator
    ) -> list[list[int]]:
        """Return the chains in a random order, cut into batches of at most so many residues."""
        found: list[list[int]] = [[]]
        for i in rng.permutation(some):
            if (
                found[-1]
                and sum(len(self.labels[j]) for j in found[-1]) + len(self.labels[i]) > residues
            ):
                found.append([])
            found[-1].append(int(i))
        return found


def logits(model: FusedModel, batch: Batch) -> torch.Tensor:
    found: torch.Tensor = model(batch)
    return found.reshape(-1)


def train(
    config: Config, data: Chains, some: NDArray[np.int64], given: argparse.Namespace
) -> FusedModel:
    """Return a model that was trained for the config's epochs, or the average of its weights."""
    torch.manual_seed(given.seed)
    rng = np.random.default_rng(given.seed)
    model = build_model(resolve(config.with_options({"seed": given.seed})))
    average = copy.deepcopy(model) if given.ema else None
    trained = [x for x in model.parameters() if x.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=given.rate, weight_decay=0.01)
    steps = len(data.order(some, config.train.tokens, rng)) * config.train.epochs

    def rate(step: int) -> float:
        return min(
            (step + 1) / (WARM_UP * steps), max(0.02, (steps - step) / ((1 - WARM_UP) * steps))
        )

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
    for epoch in range(config.train.epochs):
        losses = []
        for batch in data.order(some, config.train.tokens, rng):
            wanted = torch.from_numpy(np.concatenate([data.labels[i] for i in batch]))
            found = logits(model, data.batch(batch))
            loss = torch.nn.functional.binary_cross_entropy_with_logits(found, wanted)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(trained, 1.0)
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
            if average is not None:
                for mean, now in zip(average.parameters(), model.parameters(), strict=True):
                    mean.data.lerp_(now.data, 1 - given.ema)
        print(f"epoch {epoch + 1}: loss {np.mean(losses):.4f}", file=sys.stderr, flush=True)
    return average or model


def scored(model: FusedModel, data: Chains, some: NDArray[np.int64]) -> tuple[float, float]:
    """Return the average precision over all residues, and the mean of that within chains."""
    model.eval()
    with torch.no_grad():
        found = [logits(model, data.batch([int(i)])).numpy() for i in some]
    labels = [data.labels[i] for i in some]
    within = [average_precision_score(y, x) for y, x in zip(labels, found, strict=True) if y.any()]
    pooled = average_precision_score(np.concatenate(labels), np.concatenate(found))
    return float(pooled), float(np.mean(within))


def main() -> None:
    """Train a model on each fold's complement, and write the scores."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("prepared", type=Path)
    parser.add_argument("config")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--folds", default="0,1,2,3,4")
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--ema", type=float, default=0.0, help="decay of the weights' average")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    config = load_config(given.config).with_values(given.set)
    chains, fold = training_side(given.prepared)
    data = Chains(chains, build_model(resolve(config)))
    rows: list[dict[str, Any]] = []
    for number in map(int, given.folds.split(",")):
        model = train(config, data, np.flatnonzero(fold != number), given)
        pooled, within = scored(model, data, np.flatnonzero(fold == number))
        rows.append({"fold": number, "average precision": pooled, "mean within chains": within})
        print(json.dumps(rows[-1]), flush=True)
    if given.out:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        facts = {"config": config.to_dict(), "rate": given.rate, "ema": given.ema,
                 "seed": given.seed, "folds": rows}  # fmt: skip
        given.out.write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
