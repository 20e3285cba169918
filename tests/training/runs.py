"""Small prepared data, and jobs that train a small model on them in about a second."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from tests import shelf
from zoo.data.preparing import STORE, index_record, write_manifest
from zoo.data.rounds import Plan, rounds
from zoo.data.samples import SPLITS, Sample
from zoo.data.store import Store, pack
from zoo.models.blueprint import resolve
from zoo.settings.config import Config
from zoo.tasks import Target
from zoo.training.job import Job

BINDING = Target("binding_site", "binary", "residue")
#: One target of every kind and level.
TARGETS = {
    "binary residue": BINDING,
    "regression residue": Target("depth", "regression", "residue"),
    "binary": Target("soluble", "binary", "protein"),
    "regression": Target("pk", "regression", "protein"),
    "multiclass": Target("fold", "multiclass", "protein", 3, ("a", "b", "c")),
    "multilabel": Target("terms", "multilabel", "protein", 2, ("x", "y")),
}
SCHNET = {"structure.name": "schnet", "structure.args.num_layers": 2, "structure.args.hidden": 8,
          "structure.args.num_filters": 8}  # fmt: skip
SMALL: dict[str, Any] = {
    "graph.k": 6, "fusion.name": "local",
    "fusion.write_back": "side", "fusion.side_width": 8, "fusion.args.width": 8,
    "fusion.args.gate_width": 4, "head.args.hidden": 8, "train.epochs": 3, "train.tokens": 60,
    "sequence.weights": "pretrained",
}  # fmt: skip


def labels(target: Target, sequence: str, rng: np.random.Generator) -> np.ndarray[Any, Any]:
    """Return labels that can be learnt from the sequence, with some noise."""
    oily = np.array([letter in "AVILMFWC" for letter in sequence], float)
    share = oily.mean()
    if target.level == "residue":
        values = oily if target.kind == "binary" else 3.0 * oily + rng.normal(0, 0.1, len(oily))
        values[rng.random(len(values)) < 0.1] = np.nan
        return values.astype(np.float32)
    return np.float32({
        "binary": float(share > 0.4), "regression": 5.0 + 10.0 * share,
        "multiclass": float(min(2, int(share * 5))),
        "multilabel": [float(share > 0.35), float(len(sequence) > 25)],
    }[target.kind])  # fmt: skip


def samples(*targets: Target, count: int = 18, **facts: Any) -> list[Sample]:
    """Return small proteins, two thirds for training."""
    found = []
    for number in range(count):
        rng = np.random.default_rng(number)
        protein = shelf.ordinary(int(rng.integers(12, 40)), seed=number)
        protein = dataclasses.replace(protein, name=f"p{number:02}")
        sequence = protein.chains[0].sequence
        found.append(
            Sample(
                protein.name, protein, {t.name: labels(t, sequence, rng) for t in targets},
                split=SPLITS[max(0, number % 6 - 3)], **facts,
            )
        )  # fmt: skip
    return found


def prepare(folder: Path, targets: list[Target], found: list[Sample], task: str = "ppbs") -> Path:
    """Write prepared data as `zoo.prepare` does."""
    (folder / STORE).mkdir(parents=True)
    with Store(folder / STORE, write=True) as store:
        store.put({s.id: (index_record(s, targets), pack(s)) for s in found})
    listed = [dataclasses.asdict(target) for target in targets]
    write_manifest(
        folder, {"task": task, "inputs": "1234", "complete": True, "targets": listed, "leaks": []}
    )
    return folder


def job(data: Path, plm: str, folder: Path, root: Path, **values: Any) -> Job:
    """Return the job of training a small model."""
    from zoo.data.preparing import read_manifest

    manifest = read_manifest(data)
    struct = {} if "structure.name" in values else SCHNET
    given = {**SMALL, **struct, "sequence.name": plm, "task": manifest["task"], **values}
    config = Config().with_values([f"{key}={_text(value)}" for key, value in given.items()])
    config = dataclasses.replace(config, targets=manifest["targets"])
    with Store(data / STORE) as store:
        index = store.index()
    return Job(
        blueprint=resolve(config), data=data, manifest=manifest, index=index,
        plan=Plan(rounds(index)[0], None, False), name="seed 0",
        folder=folder, root=root,
    )  # fmt: skip


def _text(value: Any) -> str:
    return {True: "true", False: "false", None: "null"}.get(value, str(value)) if isinstance(
        value, bool | None
    ) else str(value)  # fmt: skip


def quick_data(folder: Path, *targets: Target, task: str = "ppbs", **facts: Any) -> Path:
    """Return prepared data of small proteins with these targets."""
    chosen = list(targets or (BINDING,))
    return prepare(folder, chosen, samples(*chosen, **facts), task)
