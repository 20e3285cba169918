"""Turn a user's request into the models to train: their data, folds and seeds."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.backbones.compiling import check_compile
from zoo.data.layouts.base import find_layout
from zoo.data.preparing import REPORT, STORE, fingerprint, prepared, read_manifest, way_of
from zoo.data.rounds import Plan, limited, rounds, with_validation
from zoo.data.store import Store
from zoo.errors import ConfigError, DataError
from zoo.models.blueprint import Blueprint, resolve
from zoo.settings.config import CHAIN, COMPLEX, Config, Scope
from zoo.system.files import cache_root
from zoo.system.listener import SILENT, Listener, leader
from zoo.training.job import Hardware, Job
from zoo.training.record import begin, resumed
from zoo.training.starting import check_data, check_free

PREPARED = "prepared"
OLD_POCKETS = (
    "{} was prepared by an older version: residues at the cut of a pocket look like chain ends. "
    "Prepare the benchmark into a new folder for features of the whole protein."
)


@dataclass(frozen=True, kw_only=True)
class Wish:
    """A user's request to train models.

    Attributes:
        config: config of the models; None to use that of the run to resume.
        data: folder of prepared data or of a benchmark; None to use that of the run to resume.
        out: folder of the run.
        seeds: number of models to train, with the config's seed and the seeds after it.
        fold: number of the only fold to train, from 1; None for all folds.
        resume: whether to continue the run in `out`.
        store: folder for graphs and hidden states; None for the default folder.
        limit: maximum size of the store in bytes; None for no limit but the disk.
        hardware: devices to train on.
        loggers: names of loggers used in addition to curves.csv.
    """

    config: Config | None
    data: Path | None
    out: Path
    seeds: int = 1
    fold: int | None = None
    resume: bool = False
    store: Path | None = None
    limit: int | None = None
    hardware: Hardware = Hardware(devices="1")
    loggers: tuple[str, ...] = ()


def plan(wish: Wish, listener: Listener = SILENT) -> list[Job]:
    """Return the models to train.

    Raises:
        ConfigError: for a wrong config, or a folder that holds another run.
        WeightsError: if the weights of the language model cannot be found.
        DataError: if the data cannot be read, or are for another task.
        Stopped: when asked to stop while the data are prepared.
    """
    facts: dict[str, Any] = {}
    config = wish.config
    if wish.resume and (wish.seeds > 1 or wish.fold is not None):
        raise ConfigError("--seeds and --fold cannot change when a run is resumed: leave them out.")
    if wish.resume:
        config, facts = resumed(wish.out, wish.config)
    elif leader():
        check_free(wish.out)
    assert config is not None
    return lay_out(wish, resolve(config), facts, listener)


def lay_out(
    wish: Wish,
    blueprint: Blueprint,
    facts: dict[str, Any] | None = None,
    listener: Listener = SILENT,
) -> list[Job]:
    """Return the models to train, without looking at the folder of the run.

    Args:
        wish: request of the user.
        blueprint: blueprint of the models.
        facts: contents of run.json, for a run to resume.
        listener: receives the progress of preparing the data.
    """
    if blueprint.config.train.compile:
        check_compile(blueprint.structure is not None, wish.hardware.device)
    root = wish.store or cache_root()
    data, manifest = _data(wish, blueprint.config, facts or {}, root, listener)
    if blueprint.config.task == "lba" and "pocket" not in manifest and not facts:
        listener.say(OLD_POCKETS.format(data))
    blueprint = blueprint.with_targets(manifest["targets"]).with_pocket(manifest.get("pocket"))
    return _jobs(wish, blueprint, data, manifest, root, facts or {})


def write_down(wish: Wish, jobs: Sequence[Job]) -> None:
    """Write run.json into the folder of the run, so that the run can be resumed."""
    members = [
        {"folder": str(job.folder.relative_to(wish.out)), "name": job.name,
         "fold": job.plan.fold, "seed": job.config.seed}
        for job in jobs
    ]  # fmt: skip
    first = jobs[0]
    begin(wish.out, first.config, first.data, first.manifest, first.targets, members)


def _data(
    wish: Wish, config: Config, facts: dict[str, Any], root: Path, listener: Listener
) -> tuple[Path, dict[str, Any]]:
    """Return the prepared folder and its manifest."""
    folder, task = wish.data or Path(facts["data"]), config.task
    check_data(task, folder)
    assert task is not None  # else the line above is an error
    manifest = read_manifest(folder)
    if not manifest.get("complete"):
        folder, manifest = _prepare(task, folder, root, listener)
    if facts and facts["inputs"] != manifest["inputs"]:
        raise DataError(f"{folder} does not hold the data that {wish.out} was started with: they "
                        "have changed, or are different data.")  # fmt: skip
    return folder, manifest


def _prepare(
    task: str, folder: Path, root: Path, listener: Listener
) -> tuple[Path, dict[str, Any]]:
    """Read a benchmark's folder into the store; one process does it, the others wait."""
    layout, way = find_layout(task, folder), way_of(task)
    out = root / PREPARED / f"{task}-{fingerprint(layout, way)[:16]}"
    if leader():
        if not read_manifest(out).get("complete"):
            listener.say(f"reading {folder} once, into {out}")
        manifest = prepared(layout, task, out, way, listener=listener)
        if manifest["dropped"]:
            listener.warn(
                f"{manifest['listed']:,} samples in = {manifest['samples']:,} done + "
                f"{manifest['dropped']:,} left out; {out / REPORT} gives the reason for each"
            )
        return out, manifest
    while not (manifest := read_manifest(out)).get("complete"):
        time.sleep(1.0)
    return out, manifest


def _jobs(
    wish: Wish, blueprint: Blueprint, data: Path, manifest: dict[str, Any], root: Path,
    facts: dict[str, Any],
) -> list[Job]:  # fmt: skip
    with Store(data / STORE) as store:
        index = store.index()
    if not facts:  # a run that was begun without a scope goes on without one
        blueprint = blueprint.with_scope(scope_of(index))
    config = blueprint.config
    plans = _plans(config, index)
    if facts:
        chosen = [(m["fold"], m["seed"]) for m in facts["members"]]
    else:
        folds = [plan.fold for plan in plans] if wish.fold is None else [_only(wish.fold, plans)]
        chosen = [(fold, config.seed + at) for fold in folds for at in range(wish.seeds)]
    names = _names(chosen)
    return [
        Job(
            blueprint=_member(blueprint, seed), data=data, manifest=manifest, index=index,
            plan=plans[fold or 0], name=name, root=root,
            folder=wish.out if len(chosen) == 1 else wish.out / name.replace(" ", "_"),
            limit=wish.limit, hardware=wish.hardware, loggers=wish.loggers,
        ) for (fold, seed), name in zip(chosen, names, strict=True)
    ]  # fmt: skip


def scope_of(index: dict[str, Any]) -> Scope:
    """Return what is one protein in the data: a chain, if no sample has several."""
    kept = (fact for fact in index.values() if "dropped" not in fact)
    return CHAIN if all(len(fact["sequences"]) == 1 for fact in kept) else COMPLEX


def _member(blueprint: Blueprint, seed: int) -> Blueprint:
    """Return the blueprint of the model with that seed, which also sees an order of its own.

    The splits stay those of the config's `train.data_seed`, and so are the same for all seeds.
    """
    further = seed - blueprint.config.seed if blueprint.revision.seeds_shuffle else 0
    data_seed = blueprint.config.train.data_seed + further
    return blueprint.with_seed(seed).with_order(data_seed)


def _plans(config: Config, index: dict[str, Any]) -> list[Plan]:
    found, settings = rounds(index), config.train
    plans = []
    for number, keys in enumerate(found):
        full = with_validation(keys, index, settings.data_seed)
        kept = limited(full, settings.limit_examples, settings.data_seed)
        plans.append(Plan(kept, number if len(found) > 1 else None, full != keys))
    return plans


def _only(fold: int, plans: list[Plan]) -> int:
    if len(plans) == 1 or fold > len(plans):
        there = f"folds 1 to {len(plans)}" if len(plans) > 1 else "given splits and no folds"
        raise ConfigError(f"--fold {fold}: the data have {there}.")
    return fold - 1


def _names(chosen: list[tuple[int | None, int]]) -> list[str]:
    """Return the name of each model, made of the fold and seed by which the models differ."""
    seeds = len({seed for _, seed in chosen}) > 1
    names = []
    for fold, seed in chosen:
        parts = [f"fold {fold + 1}"] if fold is not None else []
        names.append(" ".join(parts + ([f"seed {seed}"] if seeds or not parts else [])))
    return names
