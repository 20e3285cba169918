"""`zoo.train`: what the verb of that name does, called from Python."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from zoo.errors import ConfigError
from zoo.models.runs import Run, read_run
from zoo.settings.config import Config, load_config
from zoo.system.listener import SILENT, Listener
from zoo.training.job import Hardware
from zoo.training.planning import Wish
from zoo.training.running import fit


def train(
    config: str | os.PathLike[str] | Config | None = None,
    data: str | os.PathLike[str] | None = None,
    out: str | os.PathLike[str] | None = None,
    *,
    task: str | None = None,
    seq: str | None = None,
    struct: str | None = None,
    fusion: str | None = None,
    weights: str | None = None,
    values: Mapping[str, Any] | None = None,
    seeds: int = 1,
    fold: int | None = None,
    resume: bool = False,
    store: str | os.PathLike[str] | None = None,
    store_limit: float | None = None,
    hardware: Hardware = Hardware(devices="1"),
    loggers: Sequence[str] = (),
    listener: Listener = SILENT,
) -> Run:
    """Train a model, or continue a run that was stopped, as `zoo train` does.

    Examples:
        >>> run = train("ppbs_esm2_8m_gvp_local", "prepared/ppbs", "runs/ppbs",
        ...             values={"train.epochs": 5}, listener=zoo.Listener(say=print))
        >>> scores = zoo.evaluate(run).scores

    Args:
        config: Name of a shipped config, YAML file, or a `Config`; None for that of the run to
            resume.
        data: Folder of the benchmark, or one that `zoo prepare` wrote; None for that of the run to
            resume.
        out: Folder to write the run to.
        task: Name of the task, in place of the config's.
        seq: Name of the language model.
        struct: Name of the graph network.
        fusion: Name of the fusion.
        weights: Weights of the language model: "pretrained" or "random".
        values: Further config keys, {"train.epochs": 5}.
        seeds: Number of models to train from different seeds, as an ensemble.
        fold: Only fold to train on, from 1; None for a model for each fold of the data.
        resume: Whether to continue the stopped run in `out`.
        store: Folder of the store of graphs and hidden states; None for the default folder.
        store_limit: Maximum size of the store, in GB.
        hardware: Devices to train on.
        loggers: Loggers beside curves.csv: "tensorboard", "wandb".
        listener: Receives a line for each epoch and the progress, and may ask to stop.

    Returns:
        The run, which `zoo.evaluate` and `zoo.predict` take.

    Raises:
        ConfigError: For a wrong config, or a folder that holds another run.
        DataError: If the data cannot be read, or are for another task.
        WeightsError: If the weights of the language model cannot be had here.
        Stopped: If the listener asked to stop; `resume=True` continues.
    """
    options = {"task": task, "sequence.name": seq, "structure.name": struct,
               "fusion.name": fusion, "sequence.weights": weights}  # fmt: skip
    missing = [name for name, given in {"config": config, "data": data}.items() if given is None]
    if out is None or (missing and not resume):
        what = "out" if out is None else missing[0]
        raise ConfigError(f"{what} is missing: zoo.train(CONFIG, DATA, OUT), or resume=True.")
    wish = Wish(
        config=_config(config, options, values or {}),
        data=None if data is None else Path(data), out=Path(out), seeds=seeds, fold=fold,
        resume=resume, store=None if store is None else Path(store),
        limit=None if store_limit is None else round(store_limit * 1e9), hardware=hardware,
        loggers=tuple(loggers),
    )  # fmt: skip
    fit(wish, listener)
    return read_run(Path(out))


def _config(
    base: str | os.PathLike[str] | Config | None,
    options: Mapping[str, str | None],
    values: Mapping[str, Any],
) -> Config | None:
    """Return the requested config; None to use that of the run to resume."""
    if base is None:
        if values or any(options.values()):
            raise ConfigError("config is missing: what is changed of a run needs the whole config.")
        return None
    return load_config(base).with_options(options).with_keys(values)
