"""Reads a benchmark into a store once; it can be interrupted, and reports every dropped sample."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zoo.data.kin import with_kin
from zoo.data.layouts.base import Layout
from zoo.data.report import leaks, summarise, write_csv
from zoo.data.samples import ChainMatch, DroppedSample, Sample
from zoo.data.store import Store, pack
from zoo.errors import ConfigError, ZooError
from zoo.system.files import read_json, saving, write_json
from zoo.system.listener import SILENT, Listener, Stopped
from zoo.system.reading import plain_file
from zoo.tasks import Target

BATCH = 64
"""Samples written in one transaction, which is the most that a kill can lose."""
MANIFEST, REPORT, STORE = "manifest.json", "report.csv", "store"
RUN = "run.json"
"""What marks the folder of a run."""
IDENTITY = 0.9
"""Sequences of two splits that are at least this alike are listed as leaks."""
VERSION = 1
"""Version of the store's format; data prepared with another version are prepared again."""


def fingerprint(layout: Layout, name: str) -> str:
    """Return a hash of the names, sizes and times of all files that a layout reads.

    It is quick to compute, so it is used to check whether prepared data are still up to date.
    """
    pocket = "" if layout.nodes_within is None else f" nodes within {layout.nodes_within:g}"
    digest = hashlib.sha256(f"{VERSION} {name}{pocket}".encode())
    for path in sorted(layout.inputs()):
        digest.update(f"{os.path.relpath(path, layout.root)} {_stamp(path)}".encode())
    return digest.hexdigest()[:32]


def contents(layout: Layout) -> str:
    """Return a hash of the names and bytes of all files that a layout reads.

    It is the same on every machine, so it shows whether two prepared folders hold the same data.
    """
    digest = hashlib.sha256(f"{VERSION} {type(layout).__name__}".encode())
    named = {Path(os.path.relpath(path, layout.root)).as_posix(): path for path in layout.inputs()}
    for name, path in sorted(named.items()):
        if path.is_file():
            with plain_file(path).open("rb") as file:
                digest.update(name.encode() + hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:32]


def _stamp(path: Path) -> str:
    try:
        stat = path.stat()
    except OSError:
        return "absent"
    return f"{stat.st_size} {stat.st_mtime_ns}"


def read_manifest(out: Path) -> dict[str, Any]:
    """Return the manifest of a prepared folder, or {} if it has none yet."""
    return read_json(out / MANIFEST) or {}


def way_of(
    task: str, layout: str | None = None, allow_pickle: bool = False, targets: Sequence[str] = ()
) -> str:
    """Return the settings that data are read with, as one text: another text is other data."""
    return " ".join([f"{task}/{layout} {allow_pickle}", *targets])


def prepared(
    layout: Layout,
    task: str,
    out: Path,
    way: str,
    identity: float = IDENTITY,
    listener: Listener = SILENT,
) -> dict[str, Any]:
    """Return the manifest of prepared data, and prepare them first if they are not up to date.

    Args:
        layout: Layout that finds and reads the samples.
        task: Name of the task that the samples are for.
        out: Folder of the prepared data; one from an interrupted run is continued.
        way: Settings with which the data are read, as `way_of` returns them.
        identity: Sequence identity, from 0 to 1, from which two chains in different splits are
            listed as a leak.
        listener: Receives progress, and may ask to stop.

    Raises:
        ConfigError: If the folder holds other data, or something else.
        SaveError: If the disk is full, or the folder cannot be written to.
        Stopped: If the listener asked to stop; the same call continues where it stopped.
    """
    kept = "The samples that were read before are kept. Make room; the same command continues."
    with saving(out, kept):
        return _prepared(layout, task, out, way, identity, listener)


def _prepared(
    layout: Layout, task: str, out: Path, way: str, identity: float, listener: Listener
) -> dict[str, Any]:
    for remark in layout.remarks:
        listener.say(remark)
    stamp, manifest = fingerprint(layout, way), read_manifest(out)
    if manifest.get("complete") and manifest["stamp"] != stamp:
        manifest = _renewed(layout, out, way, stamp, manifest)
    fresh = manifest.get("complete")
    if not fresh:
        _check_free(layout.root, out, manifest)
        _fill_all(layout, out, way, stamp, listener)
    if not fresh or manifest["identity"] != identity:
        prints = {"stamp": stamp, "inputs": contents(layout), "way": way,
                  "root": os.path.abspath(layout.root)}  # fmt: skip
        return _finish(layout, task, out, prints, identity)
    return manifest


def _renewed(
    layout: Layout, out: Path, way: str, stamp: str, manifest: dict[str, Any]
) -> dict[str, Any]:
    """Return the manifest with a new stamp, if the files hold what they held before.

    Raises:
        ConfigError: If they do not. Complete data are never replaced, because runs may use them.
    """
    if manifest["inputs"] != contents(layout):
        root = manifest.get("root")
        same = root in (None, os.path.abspath(layout.root))
        what = f"whose files have changed since (in {layout.root})" if same else f"of {root}"
        raise _taken(out, f"data {what}")
    if manifest.get("pocket") != layout.nodes_within:
        raise _taken(out, "data with other pockets, such as an older version cut out")
    if manifest.get("way") != way:
        raise _taken(
            out, f"data that were read with other settings ({manifest.get('way', 'not recorded')})"
        )
    manifest = {**manifest, "stamp": stamp, "root": os.path.abspath(layout.root)}
    write_manifest(out, manifest)
    return manifest


def _check_free(root: Path, out: Path, manifest: Mapping[str, Any]) -> None:
    """Refuse a folder that holds unfinished data of another folder, or files of another verb.

    Raises:
        ConfigError: If it does.
    """
    if manifest:
        if manifest.get("root", os.path.abspath(root)) != os.path.abspath(root):
            raise _taken(out, f"unfinished data of {manifest['root']}")
        return
    for name in (RUN, MANIFEST, REPORT, STORE):
        if (out / name).exists():
            raise ConfigError(
                f"--out {out} is not free: {out / name} exists, and no manifest of prepared data "
                "beside it. Choose another --out."
            )


def _taken(out: Path, what: str) -> ConfigError:
    return ConfigError(
        f"{out} holds prepared {what}. A run that was trained on them would lose its data: choose "
        f"another --out, or delete {out} if nothing uses it."
    )


def _fill_all(layout: Layout, out: Path, way: str, stamp: str, listener: Listener) -> None:
    with listener.progress("reading", len(layout.keys())) as show:

        def advance(done: int, total: int) -> bool:
            show(done)
            return not listener.asked()

        begun = {"stamp": stamp, "way": way, "root": os.path.abspath(layout.root)}
        complete = fill(layout, out, begun, advance)
    if not complete:
        raise Stopped("interrupted; the same command continues where this stopped")


def _finish(
    layout: Layout, task: str, out: Path, prints: Mapping[str, str], identity: float
) -> dict[str, Any]:
    """Write kin, the report on every chain, and the manifest, which marks the folder complete."""
    with Store(out / STORE, write=True) as store:
        index = store.index()
        store.put({key: (fact, None) for key, fact in with_kin(index).items()})
    write_csv(index, out / REPORT)
    manifest = {
        "task": task, "source": layout.source, **prints, "complete": True,
        "targets": [dataclasses.asdict(target) for target in layout.targets],
        "pocket": layout.nodes_within,
        "identity": identity, "given": len(layout.keys()), **summarise(index, layout.targets),
        "leaks": leaks(index, identity),
    }  # fmt: skip
    write_manifest(out, manifest)
    return manifest


def fill(
    layout: Layout, out: Path, begun: Mapping[str, str], advance: Callable[[int, int], bool]
) -> bool:
    """Read every sample that the store lacks; return whether all were read.

    Args:
        layout: Layout that finds and reads the samples.
        out: Folder of the prepared data.
        begun: What the manifest says until all is read. It has the `fingerprint` of the files as
            its stamp; a store with another stamp is deleted and made again.
        advance: Called with the number of samples read and the number of all samples; returns
            whether to continue.
    """
    if read_manifest(out).get("stamp") != begun["stamp"]:
        shutil.rmtree(out / STORE, ignore_errors=True)
    (out / STORE).mkdir(parents=True, exist_ok=True)
    write_manifest(out, {**begun, "complete": False})
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
    """Write the manifest; if that fails, the old one stays as it was."""
    write_json(out / MANIFEST, manifest)


def _entry(layout: Layout, key: str, keys: list[str]) -> tuple[dict[str, Any], bytes | None]:
    try:
        sample = layout.read(key)
    except (DroppedSample, ZooError) as error:
        return {"dropped": str(error)}, None
    return index_record(sample, layout.targets), pack(sample)


def index_record(sample: Sample, targets: Iterable[Target]) -> dict[str, Any]:
    """Return the facts of a sample that summaries, splits and the search for leaks need.

    They leave out the coordinates, so that the index of a large data set stays small.
    """
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
    """Return the report on each chain of a sample whose labels belong to the whole protein."""
    stops = np.cumsum([len(chain) for chain in sample.protein.chains])[:-1]
    nodes = np.split(sample.protein.nodes, stops)
    return [
        ChainMatch(
            chain.name,
            matched=int(there.sum()),
            missing=int((~there).sum()),
            modified=len(chain.report.modified),
            notes=chain.report.notes,
        )
        for chain, there in zip(sample.protein.chains, nodes, strict=True)
    ]


def _facts(values: np.ndarray[Any, Any], target: Target) -> dict[str, Any]:
    """Return a protein's known value or labels, or count, sum and sum of squares over residues."""
    if target.level == "protein":
        flat = values.reshape(-1)
        if target.kind == "multilabel":
            return {"positive": np.flatnonzero(flat > 0.5).tolist()}
        return {"value": float(flat[0]) if np.isfinite(flat[0]) else None}
    known = values[np.isfinite(values)]
    facts: dict[str, Any] = {
        "count": int(known.size), "sum": float(known.sum()), "squares": float((known**2).sum()),
    }  # fmt: skip
    if target.kind == "multiclass":
        facts["classes"] = np.bincount(known.astype(int), minlength=target.outputs).tolist()
    return facts
