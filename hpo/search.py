"""The definition of a search, which every worker receives and a study is made for."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from hpo.space import Space, parse_space
from zoo.errors import ConfigError, unknown
from zoo.settings.config import Config

if TYPE_CHECKING:
    from zoo.training.job import Job

OBJECTIVES: dict[str, Literal["maximize", "minimize"]] = {
    "score": "maximize", "latency": "minimize", "parameters": "minimize",
}  # fmt: skip
"""Objectives and their directions: validation score, milliseconds per protein, and number of
trained parameters."""
PRUNERS = ("hyperband", "percentile", "none")


@dataclass(frozen=True)
class Search:
    """The definition of one search.

    Attributes:
        name: name of the study.
        storage: journal file, or address of a database or proxy.
        config: config of the first trial, with all keys.
        space: search space, as in its YAML file.
        space_name: name of the search space.
        in_trials: `key=value` settings that are used in trials only, to make them short.
        data: folder of the prepared data.
        inputs: hash of the data's files.
        root: folder of the store for graphs and states; None for the default.
        limit: maximum size of the store in bytes; None for no limit but the disk.
        fold: number of the fold to search on, from 1; None for data without folds.
        objectives: names of the objectives, in the order of a trial's values.
        latency_limit: maximum milliseconds per protein of a trial that may be the best.
        pruner: method that stops bad trials early: "hyperband", "percentile" or "none".
        minutes: maximum duration of a trial, in minutes.
        gigabytes: maximum memory of a worker, in GB.
        seed: seed of the sampler.
        accelerator: kind of device, in the words of Lightning's `Trainer`.
        out: folder for everything but the study.
        grace: seconds without a sign of life after which a remote worker counts as dead.
    """

    name: str
    storage: str
    config: dict[str, Any]
    space: dict[str, Any]
    space_name: str
    in_trials: tuple[str, ...]
    data: str
    inputs: str
    root: str | None
    limit: int | None
    fold: int | None
    objectives: tuple[str, ...]
    latency_limit: float | None
    pruner: str
    minutes: float | None
    gigabytes: float | None
    seed: int
    accelerator: str
    out: str
    grace: float

    def base(self) -> Config:
        """Return the config that trials start from: with the settings of trials only."""
        return Config.from_dict(self.config).with_values(self.in_trials)

    def ranges(self) -> Space:
        """Return the search space."""
        return parse_space(self.space_name, self.space)

    def job(self, config: Config) -> Job:
        """Return the job of training a config on the search's data; nothing is written."""
        from zoo.models.blueprint import resolve
        from zoo.training.job import Hardware
        from zoo.training.planning import Wish, lay_out

        wish = Wish(
            config=config, data=Path(self.data), out=self.folder / "trials", fold=self.fold,
            store=None if self.root is None else Path(self.root), limit=self.limit,
            hardware=Hardware(self.accelerator, "1"),
        )  # fmt: skip
        return lay_out(wish, resolve(config))[0]

    @property
    def folder(self) -> Path:
        """The folder for retrained models and the report."""
        return Path(self.out)

    @property
    def pruned(self) -> bool:
        """Whether trials can be stopped early, which Optuna does only for a single objective."""
        return self.pruner != "none" and len(self.objectives) == 1

    def identity(self) -> dict[str, Any]:
        """Return the settings that must be the same in every call on one study."""
        return {
            "config": self.config, "space": self.space, "in_trials": list(self.in_trials),
            "inputs": self.inputs, "fold": self.fold, "objectives": list(self.objectives),
            "latency_limit": self.latency_limit, "pruner": self.pruner,
        }  # fmt: skip

    def to_json(self) -> str:
        """Return the search as text for another process."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Search:
        """Return the search that `to_json` wrote."""
        data = json.loads(text)
        lists = {key: tuple(data[key]) for key in ("in_trials", "objectives")}
        return cls(**{**data, **lists})


def parse_objectives(text: str, latency_limit: float | None) -> tuple[str, ...]:
    """Return the objectives that a text like "score,latency" names.

    Raises:
        ConfigError: for an objective that is unknown or named twice, or if score is missing.
    """
    names = tuple(name.strip() for name in text.split(","))
    for name in names:
        if name not in OBJECTIVES:
            raise unknown("objective", name, OBJECTIVES)
    if len(set(names)) < len(names) or "score" not in names:
        raise ConfigError(f"--objectives {text}: name score, and each of the others at most once.")
    if latency_limit is not None and len(names) > 1:
        raise ConfigError("--latency-limit works only with the single objective score.")
    return ("score", *(name for name in names if name != "score"))
