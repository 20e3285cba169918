"""One model to train: what, on what, where to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.checkpoint import WEIGHTS, is_whole
from zoo.config import Config
from zoo.tasks.samples import Target
from zoo.training.splits import Plan

CHECKPOINTS, LAST = "checkpoints", "last.ckpt"


@dataclass(frozen=True)
class Hardware:
    """Where to train: Lightning's own words."""

    accelerator: str = "auto"
    devices: str = "auto"
    nodes: int = 1
    strategy: str = "auto"


@dataclass(frozen=True)
class Job:
    """One model to train.

    Attributes:
        config: with the data's targets in it.
        data: prepared folder.
        manifest: of it.
        index: of its store.
        plan: which samples.
        name: "seed 0", "fold 2".
        folder: to write.
        root: of the store of graphs and states.
        limit: bytes that the root may hold.
        hardware: where to train.
        loggers: beside curves.csv.
        bar: whether to show Lightning's progress bar.
    """

    config: Config
    data: Path
    manifest: dict[str, Any]
    index: dict[str, Any]
    plan: Plan
    targets: tuple[Target, ...]
    name: str
    folder: Path
    root: Path
    limit: int | None = None
    hardware: Hardware = Hardware()
    loggers: Sequence[str] = ()
    bar: bool = False

    @property
    def checkpoints(self) -> Path:
        """The folder of its checkpoints."""
        return self.folder / CHECKPOINTS

    @property
    def finished(self) -> bool:
        """Whether it has been trained to its end; weights that are cut off do not count."""
        return is_whole(self.folder / WEIGHTS)
