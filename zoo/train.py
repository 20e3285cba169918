"""`python -m zoo.train`: train a model, or continue a run that was stopped."""

from __future__ import annotations

import json as jsonlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zoo.command.cli import run
from zoo.command.interrupts import asked_to_stop
from zoo.command.options import (
    ConfigKeys,
    ConfigName,
    FusionName,
    SeqName,
    StoreFolder,
    StructName,
    TaskName,
)
from zoo.command.say import say, terminal
from zoo.errors import ConfigError
from zoo.system.listener import leader

if TYPE_CHECKING:
    from zoo.settings.config import Config
    from zoo.training.job import Job


def train(
    config: ConfigName = None,
    data: Annotated[
        Path | None, typer.Option(help="Folder of the benchmark, or one that zoo.prepare wrote.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder to write the run to.")] = None,
    task: TaskName = None,
    seq: SeqName = None,
    struct: StructName = None,
    fusion: FusionName = None,
    weights: Annotated[
        str | None, typer.Option(help="Weights of the language model: pretrained or random.")
    ] = None,
    set_: ConfigKeys = None,
    seeds: Annotated[
        int,
        typer.Option(min=1, help="Number of models to train from different seeds, as an ensemble."),
    ] = 1,
    fold: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Train on one fold only, from 1; default: one model for each fold of the data.",
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the stopped run in the folder --out.")
    ] = False,
    store: StoreFolder = None,
    store_limit: Annotated[
        float | None, typer.Option(help="Maximum size of the store, in GB.")
    ] = None,
    accelerator: Annotated[
        str, typer.Option(help="Kind of device to train on: auto, cpu, gpu or mps.")
    ] = "auto",
    devices: Annotated[str, typer.Option(help="Number of devices on each machine, or auto.")] = "1",
    nodes: Annotated[int, typer.Option(min=1, help="Number of machines.")] = 1,
    strategy: Annotated[
        str, typer.Option(help="How several devices share the training: auto, ddp or fsdp.")
    ] = "auto",
    logger: Annotated[
        list[str] | None,
        typer.Option(help="Log to tensorboard or wandb too; curves.csv is always written."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")] = False,
) -> None:
    """Train a model on a benchmark or on your own prepared data.

    The hidden states of a frozen language model are computed once and stored. A run that was
    stopped by Ctrl-C or killed continues with --resume, and ends with the same weights.

    Example: python -m zoo.train ppbs_esm2_8m_gvp_local --data PPBS --out runs/ppbs
    """
    if out is None:
        raise ConfigError("--out is missing: the folder to write the run to.")
    options = {"task": task, "sequence.name": seq, "structure.name": struct,
               "fusion.name": fusion, "sequence.weights": weights}  # fmt: skip
    wanted = _config(
        config, options, set_ or [], resume
    )  # this and the checks before the imports below, which take seconds
    _check(wanted, data, out, resume)

    from zoo.training.job import Hardware
    from zoo.training.planning import Wish
    from zoo.training.running import fit

    wish = Wish(
        config=wanted, data=data, out=out, seeds=seeds, fold=fold, resume=resume, store=store,
        limit=None if store_limit is None else round(store_limit * 1e9),
        hardware=Hardware(accelerator, devices, nodes, strategy), loggers=tuple(logger or ()),
    )  # fmt: skip
    with asked_to_stop() as asked:
        jobs = fit(wish, terminal(asked))
    if leader():
        _report(out, jobs, json)


def _config(
    base: str | None, options: Mapping[str, str | None], values: list[str], resume: bool
) -> Config | None:
    """Return the requested config; None to use that of the run to resume."""
    from zoo.settings.config import load_config

    given = any(value is not None for value in options.values())
    if base is None and resume and not given and not values:
        return None
    if base is None:
        raise ConfigError("CONFIG is missing: a shipped config (`zoo list`) or a YAML file.")
    return load_config(base).with_options(options).with_values(values)


def _check(config: Config | None, data: Path | None, out: Path, resume: bool) -> None:
    """Refuse a folder or data that cannot be used."""
    from zoo.training.starting import check_data, check_free

    if resume:
        return
    if leader():
        check_free(out)
    if data is None:
        raise ConfigError(
            "--data is missing: the folder of a benchmark, or one that zoo.prepare wrote."
        )
    assert config is not None  # only a run to resume has a config of its own
    check_data(config.task, data)


def _report(out: Path, jobs: list[Job], as_json: bool) -> None:
    from zoo.training.curves import best_row

    rows = []
    for job in jobs:
        best = best_row(job.folder)
        known = best["epoch"] == best["epoch"]  # curves.csv may be missing
        rows.append({
            "folder": str(job.folder), "name": job.name, "score": job.score,
            "epoch": int(best["epoch"]) + 1 if known else None,
            "val_score": best["val_score"] if known else None,
        })  # fmt: skip
    if as_json:
        print(jsonlib.dumps({"out": str(out), "members": rows}, indent=2))
        return
    for row in rows:
        if row["epoch"] is None:
            say(f"{row['name']}: the best validation score is unknown, as curves.csv is missing")
            continue
        say(f"{row['name']}: best validation score {row['val_score']:.4f} ({row['score']}), "
            f"epoch {row['epoch']}")  # fmt: skip
    say(f"wrote {out}; score it: python -m zoo.evaluate {out}")  # fmt: skip


if __name__ == "__main__":
    run(train)
