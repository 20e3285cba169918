"""The description of one model to train: its blueprint, its data and its folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.data.rounds import Plan
from zoo.models.blueprint import Blueprint
from zoo.models.checkpoint import WEIGHTS, is_whole
from zoo.settings.config import Config
from zoo.system.devices import available
from zoo.tasks import Target
from zoo.training.scoring import score_name, undefined

CHECKPOINTS = "checkpoints"


@dataclass(frozen=True)
class Hardware:
    """Devices to train on, in the words of Lightning's `Trainer`.

    Attributes:
        accelerator: kind of device: "auto", "cpu", "gpu" or "mps".
        devices: number of devices on each machine, or "auto".
        nodes: number of machines.
        strategy: how the devices share the training: "auto", "ddp" or "fsdp".
    """

    accelerator: str = "auto"
    devices: str = "auto"
    nodes: int = 1
    strategy: str = "auto"

    @property
    def device(self) -> str:
        """The kind of device, in PyTorch's words: "cuda", "mps" or "cpu"."""
        return {"auto": available()[0], "gpu": "cuda"}.get(self.accelerator, self.accelerator)


@dataclass(frozen=True)
class Job:
    """One model to train.

    Attributes:
        blueprint: blueprint of the model, with the targets of the data.
        data: folder of the prepared data.
        manifest: contents of the manifest of the prepared data.
        index: facts on each sample, by key, from the store of the prepared data.
        plan: keys of the training, validation and test samples.
        name: name of the model within its run, such as "seed 0" or "fold 2".
        folder: folder to write the model to.
        root: folder of the store for graphs and hidden states.
        limit: maximum size of the store in bytes; None for no limit but the disk.
        hardware: devices to train on.
        loggers: names of loggers used in addition to curves.csv.
    """

    blueprint: Blueprint
    data: Path
    manifest: dict[str, Any]
    index: dict[str, Any]
    plan: Plan
    name: str
    folder: Path
    root: Path
    limit: int | None = None
    hardware: Hardware = Hardware()
    loggers: Sequence[str] = ()

    @property
    def config(self) -> Config:
        """The config that the user asked for."""
        return self.blueprint.config

    @property
    def targets(self) -> tuple[Target, ...]:
        """The targets that the model predicts."""
        return self.blueprint.targets

    @property
    def undefined(self) -> dict[str, str]:
        """The targets whose score the validation samples do not define, each with the reason."""
        return undefined(self.targets, self.index, self.plan.keys.validation)

    @property
    def score(self) -> str:
        """The name of the validation score, which chooses the best epoch."""
        return score_name(self.targets, self.undefined)

    @property
    def checkpoints(self) -> Path:
        """The folder of the checkpoints."""
        return self.folder / CHECKPOINTS

    @property
    def finished(self) -> bool:
        """Whether the model is trained to its end: its weights file exists and is complete."""
        return is_whole(self.folder / WEIGHTS)
