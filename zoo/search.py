"""`python -m zoo.search`: search for a model's best settings with any number of workers."""

from __future__ import annotations

import dataclasses
import json as jsonlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zoo.command.cli import run
from zoo.command.interrupts import asked_to_stop
from zoo.command.options import (
    ConfigKeys,
    FusionName,
    SeqName,
    StoreFolder,
    StructName,
    TaskName,
    names,
)
from zoo.command.say import note, say, terminal
from zoo.errors import ConfigError, unknown
from zoo.system.counting import counted

if TYPE_CHECKING:
    from zoo.settings.config import Config
    from zoo.training.job import Job

BEGINNING = "global"
"""The fusion that a search begins with where none is named: `serial` has no layers to choose."""


def search(
    config: Annotated[
        str,
        typer.Argument(
            help="Shipped config or YAML file; it is also the first trial.",
            autocompletion=names("config"),
        ),
    ],
    data: Annotated[
        Path, typer.Option(help="Folder of the benchmark, or one that zoo.prepare wrote.")
    ],
    storage: Annotated[
        str,
        typer.Option(
            help="Where the trials are kept: a file, postgresql://, mysql:// or grpc://host:port."
        ),
    ] = "study.log",
    space: Annotated[
        str, typer.Option(help="Settings to search: a shipped space or a YAML file.")
    ] = "fusion",
    trials: Annotated[
        int, typer.Option(min=1, help="Total number of trials, of all workers together.")
    ] = 100,
    workers: Annotated[
        int, typer.Option(min=1, help="Number of worker processes on this machine, one per device.")
    ] = 1,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for the models and the report; default: next to the storage file."
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Name of the study in the storage; default: CONFIG-SPACE.")
    ] = None,
    task: TaskName = None,
    seq: SeqName = None,
    struct: StructName = None,
    fusion: FusionName = None,
    weights: Annotated[
        str | None, typer.Option(help="Weights of the language model: pretrained or random.")
    ] = None,
    set_: ConfigKeys = None,
    trial_set: Annotated[
        list[str] | None,
        typer.Option(help="Set a config key in trials only, e.g. train.epochs=8; may be repeated."),
    ] = None,
    objectives: Annotated[
        str, typer.Option(help="score; or with it latency, parameters or both, for a Pareto front.")
    ] = "score",
    latency_limit: Annotated[
        float | None,
        typer.Option(
            help="Maximum time that the best trial may take per protein, in milliseconds."
        ),
    ] = None,
    pruner: Annotated[
        str, typer.Option(help="How bad trials are stopped early: hyperband, percentile or none.")
    ] = "hyperband",
    trial_minutes: Annotated[
        float | None, typer.Option(help="Maximum duration of a trial, in minutes.")
    ] = None,
    worker_gb: Annotated[
        float | None, typer.Option(help="Maximum memory of a worker, in GB.")
    ] = None,
    fold: Annotated[
        int, typer.Option(min=1, help="Fold to search on, from 1, for data with folds.")
    ] = 1,
    seed: Annotated[
        int, typer.Option(min=0, help="Seed of the sampler that chooses the settings of trials.")
    ] = 0,
    retrain: Annotated[
        int,
        typer.Option(
            min=0, help="Number of best trials to train again on several seeds; 0 for none."
        ),
    ] = 3,
    seeds: Annotated[
        int,
        typer.Option(
            min=1, help="Models to train of each best trial, and of the config, one per seed."
        ),
    ] = 3,
    store: StoreFolder = None,
    store_limit: Annotated[
        float | None, typer.Option(help="Maximum size of the store, in GB.")
    ] = None,
    accelerator: Annotated[
        str, typer.Option(help="Kind of device to train on: auto, cpu, gpu or mps.")
    ] = "auto",
    grace: Annotated[
        float,
        typer.Option(
            min=60,
            help="Seconds without a sign of life after which a remote worker counts as dead.",
        ),
    ] = 180.0,
    json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")] = False,
) -> None:
    """Search for the best settings of a model, and train the best trials on several seeds.

    The same command continues after a stop, or joins the search from another machine. The config
    itself is the first trial. Trials see only training and validation data. The best ones are
    trained again on several seeds, as is the config, before one of them is named the best.

    Example: python -m zoo.search ppbs_esm2_8m_gvp_global --data PPBS --trials 60
    """
    _check_installed()
    from hpo.checking import check_draws, check_keys, own_numbers, relevant
    from hpo.search import PRUNERS, Search, parse_objectives
    from hpo.space import load_space
    from hpo.study import check_parallel, hidden, open_storage, revision_of
    from zoo.training.starting import check_data

    if pruner not in PRUNERS:
        raise unknown("pruner", pruner, PRUNERS)
    asked_for = parse_objectives(objectives, latency_limit)
    check_parallel(storage, workers)
    options = {"task": task, "sequence.name": seq, "structure.name": struct,
               "fusion.name": fusion, "sequence.weights": weights}  # fmt: skip
    base = _base(config, options, set_ or [])
    study = name or f"{Path(config).stem}-{Path(space).stem}"
    base = dataclasses.replace(base, revision=revision_of(storage, study) or base.revision)
    ranges = load_space(space)
    check_data(base.task, data)
    check_keys(ranges, base)

    from hpo.finishing import finish
    from hpo.supervisor import Supervisor
    from zoo.models.blueprint import resolve
    from zoo.system.files import saving
    from zoo.training.job import Hardware
    from zoo.training.planning import Wish, lay_out

    blueprint = resolve(base)
    # Conditions of the space may depend on the fusion's name, so it must be written out.
    base = base.with_options({"fusion.name": blueprint.fusion_name})
    kept = relevant(ranges, base)
    check_draws(kept, base, blueprint)
    default = own_numbers(kept, base)
    folder = out or _beside(storage, config)
    wish = Wish(
        config=base, data=data, out=folder, store=store,
        limit=None if store_limit is None else round(store_limit * 1e9),
        hardware=Hardware(accelerator, "1"),
    )  # fmt: skip
    with asked_to_stop() as asked:
        listener = terminal(asked)
        jobs = lay_out(wish, blueprint, listener=listener)
        if fold > len(jobs):
            raise ConfigError(f"--fold {fold}: the data have {_folds(jobs)}.")
        job = jobs[fold - 1]
        made = Search(
            name=study, storage=_absolute(storage),
            config=base.to_dict(), space=dict(ranges.source), space_name=ranges.name,
            in_trials=tuple(trial_set or ()), data=str(job.data.resolve()),
            inputs=job.manifest["inputs"], root=None if store is None else str(store.resolve()),
            limit=wish.limit, fold=None if job.plan.fold is None else fold, objectives=asked_for,
            latency_limit=latency_limit, pruner=pruner, minutes=trial_minutes,
            gigabytes=worker_gb, seed=seed, accelerator=accelerator, out=str(folder.resolve()),
            grace=grace,
        )  # fmt: skip
        made.base()  # an error if --trial-set is not valid
        if dropped := len(ranges.entries) - len(kept.entries):
            never = counted(dropped, "entry", "entries")
            note(f"not for this config: {never} of space {ranges.name}")
        ended = f"The trials that ended are in {hidden(storage)}. The same command continues."
        with saving(folder, ended):
            Supervisor(made, open_storage(made.storage), trials, workers, default, listener).run()
            outcome = finish(made, retrain, seeds, workers, listener)
    if json:
        print(jsonlib.dumps(outcome, indent=2))
    else:
        _show(outcome)


def _check_installed() -> None:
    import importlib.util

    if importlib.util.find_spec("optuna") is None:
        raise ConfigError(
            "The search needs Optuna, which is not installed. In the folder of the package: "
            "pip install -c constraints.txt '.[hpo,cluster]'"
        )


def _base(config: str, options: dict[str, str | None], values: list[str]) -> Config:
    from zoo.settings.config import NONE, load_config

    found = load_config(config).with_options(options).with_values(values)
    if found.task is None:
        raise ConfigError("The config has no task, so there is nothing to learn: --task ppbs.")
    alone = NONE in (found.sequence.name, found.structure.name)
    return found if alone or found.fusion.name else found.with_options({"fusion.name": BEGINNING})


def _beside(storage: str, config: str) -> Path:
    """Return the default of --out: next to a journal file, otherwise named after the config."""
    if "://" in storage:
        return Path(f"hpo_{Path(config).stem}")
    return Path(storage).with_suffix("") if Path(storage).suffix else Path(f"{storage}_out")


def _folds(jobs: list[Job]) -> str:
    return "no folds" if jobs[0].plan.fold is None else f"folds 1 to {len(jobs)}"


def _absolute(storage: str) -> str:
    return storage if "://" in storage else str(Path(storage).resolve())


def _show(outcome: dict[str, Any]) -> None:
    for row in outcome["retrained"]:
        half = row["half_width"]
        spread = (
            "" if half is None else f" (+- {half:.4f}, 95 %, {counted(len(row['scores']), 'seed')})"
        )
        own = ", the config itself" if row["default"] else ""
        say(f"trial {row['trial']}{own}: validation score {row['mean']:.4f}{spread}")
    if outcome["retrained"]:
        best = outcome["retrained"][0]
        if best["default"]:
            say("the search found nothing better than the config itself")
        say(f"best config: {outcome['config']}")
        say(f"score it on the test split, once: python -m zoo.evaluate {best['folder']}")
    say(f"report: {outcome['report']}")


if __name__ == "__main__":
    run(search)
