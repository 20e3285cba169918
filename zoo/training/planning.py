"""From what a user asks for to the models to train: which data, which folds, which seeds."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.backbones.plm import resolve
from zoo.backbones.weights import locate
from zoo.cli import err_console, leader
from zoo.config import Config
from zoo.create import NONE, check_names, targets_of
from zoo.errors import ConfigError
from zoo.metrics.floor import rounds
from zoo.prepare import prepared
from zoo.tasks.preparing import STORE, fingerprint, read_manifest
from zoo.tasks.samples import DataError, find_layout
from zoo.tasks.store import Store
from zoo.training.job import Hardware, Job
from zoo.training.record import begin, check_free, resumed
from zoo.training.splits import Plan, limited, with_validation
from zoo.training.states import default_root

IDENTITY = 0.9
PREPARED = "prepared"


@dataclass(frozen=True)
class Wish:
    """What was asked for.

    Attributes:
        config: None to take that of the run to go on with.
        data: prepared folder, or a benchmark's.
        out: folder of the run.
        seeds: models to train, with seeds from the config's on.
        fold: of data with folds only this one, from 1.
        resume: whether to go on with a run.
        store: root of what is kept on disk.
        limit: bytes that it may hold.
        hardware: where to train.
        loggers: beside curves.csv.
    """

    config: Config | None
    data: Path | None
    out: Path
    seeds: int
    fold: int | None
    resume: bool
    store: Path | None
    limit: int | None
    hardware: Hardware
    loggers: tuple[str, ...]


def plan(wish: Wish) -> list[Job]:
    """Return the models to train.

    Raises:
        ConfigError: for a wrong config, or a folder that holds another run.
        WeightsError: if the language model cannot be had.
        DataError: if the data cannot be had, or are for another task.
    """
    facts: dict[str, Any] = {}
    config = wish.config
    if wish.resume and (wish.seeds > 1 or wish.fold is not None):
        raise ConfigError("--seeds and --fold are those that the run began with: leave them out.")
    if wish.resume:
        config, facts = resumed(wish.out, wish.config)
    elif leader():
        check_free(wish.out)
    assert config is not None
    return lay_out(wish, config, facts)


def lay_out(wish: Wish, config: Config, facts: dict[str, Any] | None = None) -> list[Job]:
    """Return the models to train; the folder of the run is not looked at.

    Args:
        wish: what was asked for.
        config: of the models.
        facts: run.json of the run to go on with.
    """
    if config.sequence.name != NONE:  # before anything that takes time
        locate(resolve(config.sequence.name), config.sequence.weights)
    root = wish.store or default_root()
    data, manifest = _data(wish, config, facts or {}, root)
    config = dataclasses.replace(config, targets=manifest["targets"])
    check_names(config)
    return _jobs(wish, config, data, manifest, root, facts or {})


def write_down(wish: Wish, jobs: Sequence[Job]) -> None:
    """Have the folder hold a run: it can be gone on with from now on."""
    members = [
        {"folder": str(job.folder.relative_to(wish.out)), "name": job.name,
         "fold": job.plan.fold, "seed": job.config.seed}
        for job in jobs
    ]  # fmt: skip
    first = jobs[0]
    begin(wish.out, first.config, first.data, first.manifest, first.targets, members)


def _data(
    wish: Wish, config: Config, facts: dict[str, Any], root: Path
) -> tuple[Path, dict[str, Any]]:
    """Return the prepared folder and its manifest."""
    folder = wish.data or (Path(facts["data"]) if facts else None)
    if folder is None:
        raise ConfigError("--data is missing: a benchmark's folder, or what zoo.prepare wrote.")
    if config.task is None:
        raise ConfigError("The config has no task, so there is nothing to learn: --set task=ppbs.")
    manifest = read_manifest(folder)
    if not manifest.get("complete"):
        folder, manifest = _prepare(config.task, folder, root)
    if manifest["task"] != config.task:
        raise DataError(f"{folder} holds data for {manifest['task']!r}, and the config's task is "
                        f"{config.task!r}. For them: --set task={manifest['task']}.")  # fmt: skip
    if facts and facts["inputs"] != manifest["inputs"]:
        raise DataError(f"{folder} does not hold the data that {wish.out} was begun with: they "
                        "have changed, or are others.")  # fmt: skip
    return folder, manifest


def _prepare(task: str, folder: Path, root: Path) -> tuple[Path, dict[str, Any]]:
    """Read a benchmark's folder into the store; one process does, the others wait for it."""
    layout = find_layout(task, folder)
    way = f"{task}/None False"
    out = root / PREPARED / f"{task}-{fingerprint(layout, way)[:16]}"
    if leader():
        if not read_manifest(out).get("complete"):
            err_console.print(f"reading {folder} once, into {out}", markup=False, highlight=False,
                              soft_wrap=True)  # fmt: skip
        return out, prepared(layout, task, out, way, IDENTITY)
    while not (manifest := read_manifest(out)).get("complete"):
        time.sleep(1.0)
    return out, manifest


def _jobs(
    wish: Wish, config: Config, data: Path, manifest: dict[str, Any], root: Path,
    facts: dict[str, Any],
) -> list[Job]:  # fmt: skip
    with Store(data / STORE) as store:
        index = store.index()
    targets = targets_of(config)
    plans = _plans(config, index)
    if facts:
        chosen = [(m["fold"], m["seed"]) for m in facts["members"]]
    else:
        folds = [plan.fold for plan in plans] if wish.fold is None else [_only(wish.fold, plans)]
        chosen = [(fold, config.seed + at) for fold in folds for at in range(wish.seeds)]
    names = _names(chosen)
    return [
        Job(
            config=dataclasses.replace(config, seed=seed), data=data, manifest=manifest,
            index=index, plan=plans[fold or 0], targets=targets, name=name, root=root,
            folder=wish.out if len(chosen) == 1 else wish.out / name.replace(" ", "_"),
            limit=wish.limit, hardware=wish.hardware, loggers=wish.loggers,
            bar=err_console.is_terminal and not err_console.quiet and leader(),
        ) for (fold, seed), name in zip(chosen, names, strict=True)
    ]  # fmt: skip


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
    """Return what each model is called: by what differs between them."""
    seeds = len({seed for _, seed in chosen}) > 1
    names = []
    for fold, seed in chosen:
        parts = [f"fold {fold + 1}"] if fold is not None else []
        names.append(" ".join(parts + ([f"seed {seed}"] if seeds or not parts else [])))
    return names
