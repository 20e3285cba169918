"""Read a benchmark once into a store: resumable, in bounded memory, with nothing lost silently."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from zoo.errors import ZooError
from zoo.tasks.samples import ChainMatch, DroppedSample, Layout, Sample, Target
from zoo.tasks.store import Store, pack

BATCH = 64
"""Samples a transaction: what a kill can lose."""
MANIFEST, REPORT, STORE = "manifest.json", "report.csv", "store"
VERSION = 1
"""Of the store; another one is made anew."""


def fingerprint(layout: Layout, name: str) -> str:
    """Return a hash over the names, sizes and times of every file that a layout reads.

    Quick to make, so it tells whether prepared data are still those of the files beside them.
    """
    digest = hashlib.sha256(f"{VERSION} {name}".encode())
    for path in sorted(layout.inputs()):
        digest.update(f"{os.path.relpath(path, layout.root)} {_stamp(path)}".encode())
    return digest.hexdigest()[:32]


def contents(layout: Layout) -> str:
    """Return a hash over the names and bytes of every file that a layout reads.

    The same on every machine, and however the layout was found, so it tells whether two prepared
    folders hold the same data.
    """
    digest = hashlib.sha256(f"{VERSION} {type(layout).__name__}".encode())
    named = {Path(os.path.relpath(path, layout.root)).as_posix(): path for path in layout.inputs()}
    for name, path in sorted(named.items()):
        if path.is_file():
            with path.open("rb") as file:
                digest.update(name.encode() + hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:32]


def _stamp(path: Path) -> str:
    try:
        stat = path.stat()
    except OSError:
        return "absent"
    return f"{stat.st_size} {stat.st_mtime_ns}"


def read_manifest(out: Path) -> dict[str, Any]:
    """Return what is known of a prepared folder; {} where there is nothing, or not yet."""
    try:
        manifest: dict[str, Any] = json.loads((out / MANIFEST).read_text())
    except (OSError, ValueError, RecursionError):
        return {}
    return manifest


def fill(layout: Layout, out: Path, stamp: str, advance: Callable[[int, int], bool]) -> bool:
    """Read every sample that the store lacks; return whether all were read.

    Args:
        layout: where samples come from.
        out: folder of the prepared data.
        stamp: `fingerprint`; a store of other files is made anew.
        advance: told how many are done and how many there are; returns whether to go on.
    """
    if read_manifest(out).get("stamp") != stamp:
        shutil.rmtree(out / STORE, ignore_errors=True)
    (out / STORE).mkdir(parents=True, exist_ok=True)
    write_manifest(out, {"stamp": stamp, "complete": False})
    keys = layout.keys()
    with Store(out / STORE, write=True) as store:
        done = store.done()
        todo = [key for key in keys if key not in done]
        for start in range(0, len(todo), BATCH):
            chunk = todo[start : start + BATCH]
            store.put({key: _entry(layout, key, keys) for key in chunk})
            if not advance(len(done) + start + len(chunk), len(keys)):
                return start + len(chunk) == len(todo)
    return True


def write_manifest(out: Path, manifest: dict[str, Any]) -> None:
    """Write the manifest whole, or leave the one that is there."""
    partial = out / f"{MANIFEST}.partial"
    partial.write_text(json.dumps(manifest, indent=2))
    partial.replace(out / MANIFEST)


def _entry(layout: Layout, key: str, keys: list[str]) -> tuple[dict[str, Any], bytes | None]:
    try:
        sample = layout.read(key)
    except (DroppedSample, ZooError) as error:
        return {"dropped": str(error)}, None
    return index_record(sample, layout.targets), pack(sample)


def index_record(sample: Sample, targets: Iterable[Target]) -> dict[str, Any]:
    """Return what summaries, splits and leakage need of a sample, without its coordinates."""
    return {
        "id": sample.id, "split": sample.split, "subset": sample.subset, "group": sample.group,
        "sequences": [chain.sequence for chain in sample.protein.chains],
        "matches": [dataclasses.asdict(match) for match in sample.matches or _chains(sample)],
        "targets": {
            target.name: _facts(np.asarray(sample.targets[target.name]), target)
            for target in targets if target.name in sample.targets
        },
    }  # fmt: skip


def _chains(sample: Sample) -> list[ChainMatch]:
    """Return what is to be told of chains where the labels are the protein's."""
    return [
        ChainMatch(
            chain.name,
            matched=int(chain.resolved.sum()),
            missing=int((~chain.resolved).sum()),
            modified=len(chain.report.modified),
            notes=chain.report.notes,
        )
        for chain in sample.protein.chains
    ]


def _facts(values: np.ndarray[Any, Any], target: Target) -> dict[str, Any]:
    """Return the known values of a protein, or count, sum and extremes over its residues."""
    if target.level == "protein":
        flat = values.reshape(-1)
        if target.kind == "multilabel":
            return {"positive": np.flatnonzero(flat > 0.5).tolist()}
        return {"value": float(flat[0]) if np.isfinite(flat[0]) else None}
    known = values[np.isfinite(values)]
    return {
        "count": int(known.size), "sum": float(known.sum()), "squares": float((known**2).sum()),
    }  # fmt: skip
