"""Train a model on prepared data, or go on where a run was."""

from __future__ import annotations

import json as jsonlib
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich import get_console

from zoo.cli import INTERRUPTED, Interrupts, console, err_console, leader, run, warn
from zoo.errors import ConfigError
from zoo.locks import claimed
from zoo.options import ConfigName, FusionName, SeqName, StructName

if TYPE_CHECKING:
    from zoo.config import Config
    from zoo.training.job import Job
    from zoo.training.module import TrainingModule
    from zoo.training.planning import Wish

LOG = "train.log"


def train(
    config: ConfigName = None,
    data: Annotated[
        Path | None, typer.Option(help="Folder of the benchmark, or that zoo.prepare wrote.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the run.")] = None,
    seq: SeqName = None,
    struct: StructName = None,
    fusion: FusionName = None,
    weights: Annotated[str | None, typer.Option(help="pretrained or random.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="Any config key: train.epochs=2.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Models to train, an ensemble.")] = 1,
    fold: Annotated[
        int | None, typer.Option(min=1, help="Of data with folds, only this one.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where --out stopped.")] = False,
    store: Annotated[
        Path | None, typer.Option(help="Folder of stored states and graphs; ZOO_STORE.")
    ] = None,
    store_limit: Annotated[float | None, typer.Option(help="GB that it may hold.")] = None,
    accelerator: Annotated[str, typer.Option(help="auto, cpu, gpu, mps.")] = "auto",
    devices: Annotated[str, typer.Option(help="How many, or auto.")] = "1",
    nodes: Annotated[int, typer.Option(min=1, help="Machines.")] = 1,
    strategy: Annotated[str, typer.Option(help="auto, ddp, fsdp.")] = "auto",
    logger: Annotated[
        list[str] | None, typer.Option(help="tensorboard, wandb; curves.csv is always there.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")] = False,
) -> None:
    """Train a model; the language model runs once, its states are kept.

    Stop it with Ctrl-C or kill it: the same command with --resume goes on to the same weights.

    Example: python -m zoo.train ppbs_esm2_8m_gvp_local --data PPBS --out runs/ppbs
    """
    if out is None:
        raise ConfigError("--out is missing: the folder of the run.")
    options = {"sequence.name": seq, "structure.name": struct, "fusion.name": fusion,
               "sequence.weights": weights}  # fmt: skip
    wanted = _config(config, options, set_ or [], resume)  # before what takes seconds to import

    from zoo.training.job import Hardware
    from zoo.training.planning import Wish

    wish = Wish(
        config=wanted, data=data, out=out, seeds=seeds,
        fold=fold, resume=resume, store=store,
        limit=None if store_limit is None else round(store_limit * 1e9),
        hardware=Hardware(accelerator, devices, nodes, strategy), loggers=tuple(logger or ()),
    )  # fmt: skip
    jobs = fit(wish)
    if leader():
        _report(out, jobs, json)


def fit(wish: Wish) -> list[Job]:
    """Train what is wished for, and return what that was; told on standard error.

    Raises:
        SystemExit: if stopped by Ctrl-C or SIGTERM, with a checkpoint written.
    """
    from zoo.training.engine import together
    from zoo.training.planning import plan

    jobs = plan(wish)
    with asked_to_stop() as asked, alone(wish.out), together():
        _train_all(wish, jobs, asked)
    return jobs


def _config(
    base: str | None, options: Mapping[str, object], values: list[str], resume: bool
) -> Config | None:
    """Return the config that is asked for; None to take that of the run to go on with."""
    from zoo.config import load_config

    given = [f"{key}={value}" for key, value in options.items() if value is not None]
    if base is None and resume and not given and not values:
        return None
    if base is None:
        raise ConfigError("CONFIG is missing: a shipped config (`zoo list`) or a YAML file.")
    if "none" in options.values():
        given.append("fusion.name=none")
    return load_config(base).with_values([*given, *values])


@contextmanager
def asked_to_stop() -> Iterator[Callable[[], bool]]:
    """Yield whether Ctrl-C was pressed, or SIGTERM sent, as clusters do before they kill."""
    ended = False

    def note(*_: object) -> None:
        nonlocal ended
        ended = True

    before = signal.signal(signal.SIGTERM, note)
    try:
        with Interrupts() as interrupts:
            yield lambda: ended or interrupts.seen
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def alone(out: Path) -> Iterator[None]:
    """Keep other processes from training in the same folder.

    Raises:
        ConfigError: if one does.
    """
    if not leader():
        yield
        return
    path = out / ".lock"
    with claimed(path) as mine:
        if not mine:
            raise ConfigError(
                f"Another process is training in {out}. Wait for it, or choose another --out."
            )
        yield
    path.unlink(missing_ok=True)


def _train_all(wish: Wish, jobs: list[Job], asked: Callable[[], bool]) -> None:
    from zoo.training.callbacks import Stopped
    from zoo.training.fitting import train as train_one
    from zoo.training.planning import write_down

    written = wish.resume

    def begun(module: TrainingModule) -> None:
        nonlocal written
        if leader():
            lines.begin(module)
            if not written:
                write_down(wish, jobs)
            written = True

    for number, job in enumerate(jobs, 1):
        if job.finished:
            continue
        name = f"{job.name} ({number} of {len(jobs)})" if len(jobs) > 1 else ""
        lines = Lines(job, name)
        try:
            train_one(job, asked=asked, tell=lines.epoch, show=begun)
        except (Stopped, SystemExit):
            text = f"stopped; go on with: python -m zoo.train --resume --out {wish.out}"
            err_console.print(text, highlight=False, markup=False, soft_wrap=True)
            raise SystemExit(INTERRUPTED) from None


class Lines:
    """What is told of one model's training: on standard error, and in train.log."""

    def __init__(self, job: Job, name: str) -> None:
        self.job, self.name = job, name
        self.training = False

    def begin(self, module: TrainingModule) -> None:
        """Say what is trained, how fast, and on how much."""
        from zoo.summary import RANDOM_WARNING, title
        from zoo.training.optim import describe, groups
        from zoo.training.scoring import score_name

        settings, keys = self.job.config.train, self.job.plan.keys
        self.say(f"{self.name or self.job.folder}: {title(module.model)}")
        parts = groups(module.model, module.objective, settings.lr, settings.weight_decay)
        for name, count, rate, decay in describe(parts):
            self.say(f"  {name:20} {count:>12,} parameters  lr {rate:g}  weight decay {decay:g}")
        drawn = " (drawn from the training samples)" if self.job.plan.drawn else ""
        self.say(f"  {len(keys.train):,} training, {len(keys.validation):,} validation{drawn}, "
                 f"{len(keys.test):,} test samples (not read)")  # fmt: skip
        self.say(f"  score: {score_name(self.job.targets)}, on the validation samples")
        for target in module.objective.constant:
            self.say(f"  {target} has one value only in training: there is nothing to learn",
                     style="bold yellow")  # fmt: skip
        if module.model.taps and module.model.side is None and module.model.fuse_after:
            self.say("  the language model, from its first exchange on, runs in every step; with "
                     "fusion.write_back=side it would run once")  # fmt: skip
        if module.model.recipe.random_plm:
            self.say(RANDOM_WARNING, style="bold red")

    def epoch(self, row: dict[str, float]) -> None:
        """Tell an epoch."""
        from zoo.training.finishing import best_row

        self.training = True
        mark = " *" if best_row(self.job.folder)["epoch"] == row["epoch"] else ""
        self.say(
            f"epoch {row['epoch'] + 1:.0f} of {self.job.config.train.epochs}: "
            f"train loss {row['train_loss']:.4f}, validation loss {row['val_loss']:.4f}, "
            f"score {row['val_score']:.4f}{mark}, {row['seconds']:.1f} s"
        )

    def say(self, text: str, style: str | None = None) -> None:
        """Print a line, and keep it; one with a style is a warning."""
        if style is not None:
            warn(text, style)
        else:
            # Lightning's bar lives on rich's own console, and only that one prints above the bar.
            shown = get_console() if self.job.bar and self.training else err_console
            shown.print(text, markup=False, highlight=False, soft_wrap=True)
        self.job.folder.mkdir(parents=True, exist_ok=True)
        with (self.job.folder / LOG).open("a", encoding="utf-8") as file:
            file.write(text + "\n")


def _report(out: Path, jobs: list[Job], as_json: bool) -> None:
    from zoo.training.finishing import best_row
    from zoo.training.scoring import score_name

    rows = []
    for job in jobs:
        best = best_row(job.folder)
        known = best["epoch"] == best["epoch"]  # curves.csv can have been lost
        rows.append({
            "folder": str(job.folder), "name": job.name, "score": score_name(job.targets),
            "epoch": int(best["epoch"]) + 1 if known else None,
            "val_score": best["val_score"] if known else None,
        })  # fmt: skip
    if as_json:
        print(jsonlib.dumps({"out": str(out), "members": rows}, indent=2))
        return
    for row in rows:
        console.print(
            f"{row['name']}: best validation score {row['val_score'] or 0:.4f} ({row['score']}), "
            f"epoch {row['epoch']}", highlight=False, markup=False, soft_wrap=True,
        )  # fmt: skip
    console.print(f"wrote {out}; score it: python -m zoo.evaluate {out}", highlight=False,
                  markup=False, soft_wrap=True)  # fmt: skip


if __name__ == "__main__":
    run(train)
