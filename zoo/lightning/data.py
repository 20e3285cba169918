"""The data of one training, and the model that they are prepared for."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zoo.errors import ConfigError
from zoo.models.blueprint import resolve
from zoo.models.create import build_model
from zoo.settings.config import Config, load_config
from zoo.system.listener import SILENT, Listener
from zoo.training.data import TrainingData
from zoo.training.engine import trainer_settings
from zoo.training.job import Job
from zoo.training.planning import Wish, lay_out


class FusedDataModule(TrainingData):
    """Training and validation batches of a config and its data; the test split is not read.

    The model is built here, as it decides on graphs, tokens and stored hidden states.

    Examples:
        >>> data = FusedDataModule("ppbs_esm2_8m_gvp_local", "prepared/ppbs")
        >>> module = FusedModule(data)
        >>> trainer = lightning.Trainer(**data.trainer_settings, callbacks=[...])
        >>> trainer.fit(module, datamodule=data)
        >>> zoo.save_model(module.model, "mine")

    Args:
        config: Name of a shipped config, YAML file, or a `Config`.
        data: Folder of a benchmark, or one that `zoo prepare` wrote.
        values: Further config keys, {"train.epochs": 5}.
        fold: Fold to train on, from 1, for data with folds.
        store: Folder of the store of graphs and hidden states; None for the default folder.
        listener: Receives the progress of computing them.

    Raises:
        ConfigError: For a wrong config, or data with folds and none named.
        DataError: If the data cannot be read, or are for another task.
        WeightsError: If the weights of the language model cannot be had here.
    """

    job: Job
    """The training: its blueprint, targets and samples."""

    def __init__(
        self,
        config: str | os.PathLike[str] | Config,
        data: str | os.PathLike[str],
        *,
        values: Mapping[str, Any] | None = None,
        fold: int | None = None,
        store: str | os.PathLike[str] | None = None,
        listener: Listener = SILENT,
    ) -> None:
        wanted = load_config(config).with_keys(values or {})
        wish = Wish(config=wanted, data=Path(data), out=Path(), fold=fold,
                    store=None if store is None else Path(store))  # fmt: skip
        jobs = lay_out(wish, resolve(wanted), listener=listener)
        if len(jobs) > 1:
            raise ConfigError(f"The data have folds 1 to {len(jobs)}: name the one, fold=1.")
        super().__init__(jobs[0], build_model(jobs[0].blueprint), listener)
        self.job = jobs[0]

    @property
    def trainer_settings(self) -> dict[str, Any]:
        """What the config says about the training, as arguments of `lightning.Trainer`."""
        return trainer_settings(self.settings)
