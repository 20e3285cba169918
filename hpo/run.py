"""Search over a model's settings, with any number of workers, and train the best on more seeds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zoo.cli import console, err_console, run
from zoo.errors import ConfigError
from zoo.options import FusionName, SeqName, StructName, names

if TYPE_CHECKING:
    from hpo.search import Search
    from zoo.config import Config


def search(
    config: Annotated[
        str,
        typer.Argument(
            help="Shipped config or YAML file: the first trial.", autocompletion=names("config")
        ),
    ],
    data: Annotated[Path, typer.Option(help="Folder of the benchmark, or of zoo.prepare.")],
    storage: Annotated[
        str, typer.Option(help="Journal file, postgresql://, mysql:// or grpc://host:port.")
    ] = "study.log",
    space: Annotated[str, typer.Option(help="Shipped space or YAML file.")] = "fusion",
    trials: Annotated[int, typer.Option(min=1, help="In all, by all workers.")] = 100,
    workers: Annotated[int, typer.Option(min=1, help="Processes here, one a device.")] = 1,
    out: Annotated[
        Path | None, typer.Option(help="Folder of what comes of it; beside a journal if left out.")
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Of the study; CONFIG-SPACE if left out.")
    ] = None,
    seq: SeqName = None,
    struct: StructName = None,
    fusion: FusionName = None,
    weights: Annotated[str | None, typer.Option(help="pretrained or random.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="Any config key: train.tokens=512.")
    ] = None,
    trial_set: Annotated[
        list[str] | None, typer.Option(help="A config key in trials only: train.epochs=8.")
    ] = None,
    objectives: Annotated[
        str, typer.Option(help="score, and with it latency, parameters: a Pareto front.")
    ] = "score",
    latency_limit: Annotated[
        float | None, typer.Option(help="Milliseconds a protein that the best may take.")
    ] = None,
    pruner: Annotated[str, typer.Option(help="hyperband, percentile or none.")] = "hyperband",
    trial_minutes: Annotated[float | None, typer.Option(help="That a trial may take.")] = None,
    worker_gb: Annotated[float | None, typer.Option(help="Memory that a worker may take.")] = None,
    fold: Annotated[int, typer.Option(min=1, help="Of data with folds.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Of the sampler.")] = 0,
    retrain: Annotated[int, typer.Option(min=0, help="Best trials to train again.")] = 3,
    seeds: Annotated[int, typer.Option(min=1, help="Models of each, and of the default.")] = 3,
    store: Annotated[Path | None, typer.Option(help="Of stored states; ZOO_STORE.")] = None,
    store_limit: Annotated[float | None, typer.Option(help="GB that it may hold.")] = None,
    accelerator: Annotated[str, typer.Option(help="auto, cpu, gpu, mps.")] = "auto",
    grace: Annotated[
        float, typer.Option(min=60, help="Seconds until a silent worker elsewhere is dead.")
    ] = 180.0,
) -> None:
    """Search; the same command goes on after a stop, or joins from another machine.

    The config itself is the first trial. Trials see training and validation data; the best are
    trained again on several seeds, beside the config, before one is named.

    Example: python -m hpo.run ppbs_esm2_8m_gvp_global --data PPBS --storage study.log --trials 60
    """
    from hpo.checking import check_draws, check_keys, own_numbers, relevant
    from hpo.search import PRUNERS, Search, parse_objectives
    from hpo.space import load_space
    from hpo.study import check_parallel, open_storage
    from zoo.errors import unknown

    if pruner not in PRUNERS:
        raise unknown("pruner", pruner, PRUNERS)
    asked_for = parse_objectives(objectives, latency_limit)
    check_parallel(storage, workers)
    base = _base(config, {"sequence.name": seq, "structure.name": struct, "fusion.name": fusion,
                          "sequence.weights": weights}, set_ or [])  # fmt: skip
    ranges = load_space(space)
    check_keys(ranges, base)  # before torch is imported
    kept = relevant(ranges, base)
    check_draws(kept, base)
    default = own_numbers(kept, base)

    _check_weights(base)  # before what takes more seconds to import
    from hpo.supervisor import Supervisor
    from zoo.training.job import Hardware
    from zoo.training.planning import Wish, lay_out

    folder = out or _beside(storage, config)
    wish = Wish(base, data, folder, 1, None, False, store,
                None if store_limit is None else round(store_limit * 1e9),
                Hardware(accelerator, "1"), ())  # fmt: skip
    job = lay_out(wish, base)[0]
    told = Search(
        name=name or f"{Path(config).stem}-{Path(space).stem}", storage=_absolute(storage),
        config=base.to_dict(), space=dict(ranges.source), space_name=ranges.name,
        in_trials=tuple(trial_set or ()), data=str(job.data.resolve()),
        inputs=job.manifest["inputs"], root=None if store is None else str(store.resolve()),
        limit=wish.limit, fold=None if job.plan.fold is None else fold, objectives=asked_for,
        latency_limit=latency_limit, pruner=pruner, minutes=trial_minutes, gigabytes=worker_gb,
        seed=seed, accelerator=accelerator, out=str(folder.resolve()), grace=grace,
    )  # fmt: skip
    told.base()  # whether --trial-set is valid
    dropped = len(ranges.entries) - len(kept.entries)
    if dropped:
        err_console.print(f"{dropped} entries of space {ranges.name} never apply to this config",
                          highlight=False)  # fmt: skip
    Supervisor(told, open_storage(told.storage), trials, workers, default).run()
    _finish(told, retrain, seeds, workers)


def _base(config: str, options: dict[str, str | None], values: list[str]) -> Config:
    from zoo.config import load_config

    given = [f"{key}={value}" for key, value in options.items() if value is not None]
    found = load_config(config).with_values([*given, *values])
    if found.task is None:
        raise ConfigError("The config has no task, so there is nothing to learn: --set task=ppbs.")
    return found


def _check_weights(config: Config) -> None:
    from zoo.backbones.plm import resolve
    from zoo.backbones.weights import locate
    from zoo.create import NONE

    if config.sequence.name != NONE:
        locate(resolve(config.sequence.name), config.sequence.weights)


def _beside(storage: str, config: str) -> Path:
    """Return the folder for what comes of a search: beside a journal, else named by the config."""
    if "://" in storage:
        return Path(f"hpo_{Path(config).stem}")
    return Path(storage).with_suffix("") if Path(storage).suffix else Path(f"{storage}_out")


def _absolute(storage: str) -> str:
    return storage if "://" in storage else str(Path(storage).resolve())


def _finish(search: Search, retrain: int, seeds: int, workers: int) -> None:
    """Train the best again, say which is the best, and write the report."""
    from hpo.report import write_report
    from hpo.retrain import retrained
    from hpo.study import load_study

    if retrain and len(search.objectives) == 1:
        retrained(search, retrain, seeds, workers)
    study = load_study(search.storage, search.name)
    page = write_report(study, search.folder / "report")
    console.print(f"report: {page}", highlight=False, markup=False, soft_wrap=True)


if __name__ == "__main__":
    run(search)
