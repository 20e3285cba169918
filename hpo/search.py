"""All that defines a search: what every worker is told, and what a study is made for."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from hpo.space import Space, parse_space
from zoo.config import Config
from zoo.errors import ConfigError, unknown

if TYPE_CHECKING:
    from zoo.training.job import Job

OBJECTIVES: dict[str, Literal["maximize", "minimize"]] = {
    "score": "maximize", "latency": "minimize", "parameters": "minimize",
}  # fmt: skip
"""Validation score; milliseconds for one protein; weights that are trained."""
PRUNERS = ("hyperband", "percentile", "none")


@dataclass(frozen=True)
class Search:
    """One search.

    Attributes:
        name: of the study.
        storage: journal file, or address of a database or proxy.
        config: of the first trial, every key.
        space: what the trials change, as in its YAML.
        space_name: what it is called.
        in_trials: `key=value` that hold in trials only, to make them short.
        data: prepared folder.
        inputs: hash of the data's files.
        root: of the store of graphs and states; None for the default.
        limit: bytes that it may hold.
        fold: of data with folds, from 1; None for data with splits.
        objectives: what the trials' values are.
        latency_limit: milliseconds that a good trial may take for a protein.
        pruner: which trials are ended early.
        minutes: that a trial may take.
        gigabytes: of memory that a worker may take.
        seed: of the sampler.
        accelerator: Lightning's word.
        out: folder of everything but the study.
        grace: seconds without a sign of life after which a far worker counts as dead.
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
        """Return the config that trials begin from."""
        return Config.from_dict(self.config).with_values(self.in_trials)

    def ranges(self) -> Space:
        """Return the space."""
        return parse_space(self.space_name, self.space)

    def job(self, config: Config) -> Job:
        """Return what training a config on the search's data is; its folder is not written to."""
        from zoo.training.job import Hardware
        from zoo.training.planning import Wish, lay_out

        wish = Wish(
            config=config, data=Path(self.data), out=self.folder / "trials", seeds=1,
            fold=self.fold, resume=False, store=None if self.root is None else Path(self.root),
            limit=self.limit, hardware=Hardware(self.accelerator, "1"), loggers=(),
        )  # fmt: skip
        return dataclasses.replace(lay_out(wish, config)[0], bar=False)

    @property
    def folder(self) -> Path:
        """Where retrained models and the report go."""
        return Path(self.out)

    @property
    def pruned(self) -> bool:
        """Whether trials can be ended early: Optuna prunes on one objective only."""
        return self.pruner != "none" and len(self.objectives) == 1

    def identity(self) -> dict[str, Any]:
        """Return what must not change while a study lives."""
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
        """Return the search of `to_json`."""
        data = json.loads(text)
        lists = {key: tuple(data[key]) for key in ("in_trials", "objectives")}
        return cls(**{**data, **lists})


def parse_objectives(text: str, latency_limit: float | None) -> tuple[str, ...]:
    """Return the objectives that a text like "score,latency" names.

    Raises:
        ConfigError: for one that is unknown or named twice, or a set without the score.
    """
    names = tuple(name.strip() for name in text.split(","))
    for name in names:
        if name not in OBJECTIVES:
            raise unknown("objective", name, OBJECTIVES)
    if len(set(names)) < len(names) or "score" not in names:
        raise ConfigError(f"--objectives {text}: name score, and each of the others at most once.")
    if latency_limit is not None and len(names) > 1:
        raise ConfigError("--latency-limit is for one objective: leave the others out.")
    return ("score", *(name for name in names if name != "score"))
