"""Train a model on proteins in memory, through prepared data that are deleted afterwards."""

from __future__ import annotations

import dataclasses
import hashlib
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zoo.data.preparing import STORE, index_record, write_manifest
from zoo.data.rounds import Plan, Round, with_validation
from zoo.data.samples import Sample
from zoo.data.store import Store, pack
from zoo.models.blueprint import Blueprint, resolve
from zoo.prediction.ensemble import Ensemble, load_ensemble
from zoo.prediction.inputs import content_hash
from zoo.proteins.protein import Protein
from zoo.settings.config import Config
from zoo.system.listener import Listener
from zoo.tasks import Target
from zoo.training.fitting import train
from zoo.training.job import Hardware, Job
from zoo.training.planning import scope_of


def trained(
    config: Config,
    proteins: Sequence[Protein],
    labels: Sequence[float],
    target: Target,
    *,
    store: Path | None,
    device: str,
    listener: Listener,
) -> Ensemble:
    """Return a model that was trained on some proteins, in memory.

    A tenth of the proteins is held out to choose the best epoch and to calibrate; proteins of
    equal sequences stay together.

    Args:
        config: Config of the model.
        proteins: Proteins with names of their own.
        labels: Value of the target for each protein; of a class, its number.
        target: What is predicted.
        store: Folder of the store of graphs and hidden states; None to keep nothing.
        device: Device to train and predict on: "cpu", "cuda" or "mps".
        listener: Receives the progress.

    Raises:
        DataError: If there are fewer than two different proteins.
    """
    samples = [
        Sample(one.name, one, {target.name: np.array(label, np.float32)}, split="train")
        for one, label in zip(proteins, labels, strict=True)
    ]
    with tempfile.TemporaryDirectory(prefix="zoo-") as scratch:
        job = _job(Path(scratch), config, samples, target, store, device)
        train(job, listener=listener)
        return load_ensemble(job.folder, device)


def _job(
    scratch: Path, config: Config, samples: Sequence[Sample], target: Target, store: Path | None,
    device: str,
) -> Job:  # fmt: skip
    manifest: dict[str, Any] = {
        "task": config.task, "inputs": _hash(samples, target), "complete": True,
        "targets": [dataclasses.asdict(target)],
    }  # fmt: skip
    (scratch / STORE).mkdir()
    with Store(scratch / STORE, write=True) as data:
        data.put({one.id: (index_record(one, [target]), pack(one)) for one in samples})
        index = data.index()
    write_manifest(scratch, manifest)
    keys = with_validation(Round([*index], [], []), index, config.train.data_seed)
    kind = {"cuda": "gpu"}.get(device.partition(":")[0], device)
    return Job(
        blueprint=_blueprint(config, manifest, index), data=scratch,
        manifest=manifest, index=index, plan=Plan(keys, None, drawn=True), name="model",
        folder=scratch / "model", root=store or scratch, hardware=Hardware(kind, "1"),
    )  # fmt: skip


def _blueprint(config: Config, manifest: dict[str, Any], index: dict[str, Any]) -> Blueprint:
    return resolve(config).with_targets(manifest["targets"]).with_scope(scope_of(index))


def _hash(samples: Sequence[Sample], target: Target) -> str:
    """Return a hash of proteins and labels, by which the store knows their graphs."""
    digest = hashlib.sha256(str(target).encode())
    for one in samples:
        digest.update(f"{one.id} {content_hash(one.protein)}".encode())
        digest.update(np.asarray(one.targets[target.name]).tobytes())
    return digest.hexdigest()[:32]
