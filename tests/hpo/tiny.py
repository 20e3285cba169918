"""A search over a small model on small data: a trial takes about a second."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import yaml

from hpo.search import Search
from hpo.space import load_space
from tests.training import runs
from zoo.settings.config import Config
from zoo.tasks import Target

SETTINGS = {**runs.SCHNET, **runs.SMALL, "task": "ppbs", "train.epochs": 2}


def data(folder: Path, *targets: Target, task: str = "ppbs", **facts: Any) -> Path:
    """Return prepared data of small proteins."""
    return runs.quick_data(folder, *targets, task=task, **facts)


def config(plm: str, **values: Any) -> Config:
    """Return the config that a search begins with."""
    given = {"sequence.name": plm, **SETTINGS, **values}
    found = Config().to_dict()
    from zoo.settings.checking import assign

    for key, value in given.items():
        assign(found, key, value)
    return Config.from_dict(found)


def search(tmp: Path, plm: str, space: str = "smoke", **given: Any) -> Search:
    """Return a search; `given` are its attributes, or with a dot config keys."""
    values = {key: value for key, value in given.items() if "." in key}
    prepared = tmp / "data"
    if not prepared.exists():
        data(prepared)
    ranges = load_space(space)
    made = Search(
        name="tiny", storage=str(tmp / "study.log"), config=config(plm, **values).to_dict(),
        space=dict(ranges.source), space_name=ranges.name, in_trials=(), data=str(prepared),
        inputs="1234", root=str(tmp / "store"), limit=None, fold=None, objectives=("score",),
        latency_limit=None, pruner="none", minutes=None, gigabytes=None, seed=0,
        accelerator="cpu", out=str(tmp / "out"), grace=60.0,
    )  # fmt: skip
    return dataclasses.replace(made, **{k: v for k, v in given.items() if "." not in k})


def space_file(folder: Path, entries: dict[str, Any]) -> Path:
    """Write a space of one's own."""
    path = folder / "own.yaml"
    path.write_text(yaml.safe_dump(entries, sort_keys=False))
    return path
