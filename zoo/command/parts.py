"""The options of verbs that write Parquet parts, and what these verbs print."""

from __future__ import annotations

import json as jsonlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from zoo.command.cli import INTERRUPTED
from zoo.command.interrupts import asked_to_stop
from zoo.command.say import err_console, note, say, warn
from zoo.command.sums import Sum, show_sum
from zoo.errors import ConfigError, unknown
from zoo.system.counting import counted
from zoo.system.listener import Listener, Stopped
from zoo.system.shards import Shard, parse_shard, shard_around

if TYPE_CHECKING:
    from zoo.prediction.parts.loop import Tally
    from zoo.prediction.parts.workers import Run

PARQUET = "parquet"
PART_SIZE = 1024
ALL_FAILED = 4
SECONDS = 30.0
"""Time between two lines of progress in a log."""

ShardText = Annotated[
    str | None,
    typer.Option(
        "--shard",
        metavar="NUMBER/COUNT",
        help="With --format parquet: make this share of the parts, e.g. 3/64; by default that of "
        "the SLURM array or of the ranks of srun or torchrun, and 1/1 without these.",
    ),
]
WorkerCount = Annotated[
    int | None,
    typer.Option(
        "--workers", min=1, help="With --format parquet: number of processes on this machine."
    ),
]
PartSize = Annotated[
    int | None,
    typer.Option(
        "--part-size",
        min=1,
        help=f"With --format parquet: records of the inputs in a part; default: {PART_SIZE:,}.",
    ),
]

EngineName = Annotated[
    str | None,
    typer.Option(
        "--engine", help="With --format parquet: ray, for --workers tasks on a Ray cluster."
    ),
]
Address = Annotated[
    str | None,
    typer.Option(
        "--address",
        help="With --engine ray: address of the cluster, auto for this machine's; by default one "
        "begins here and ends with the command.",
    ),
]
GpusPerWorker = Annotated[
    float | None,
    typer.Option("--gpus-per-worker", min=0, help="With --engine ray: GPUs of each task."),
]
RAY = "ray"


class Spread(NamedTuple):
    """How parts are spread over processes, as the options say.

    Attributes:
        shard: Share of this command.
        workers: Number of processes or tasks.
        size: Number of records in a part.
        engine: What runs the processes; None for this machine alone.
        address: Address of the engine's cluster.
        gpus: GPUs of each task of the engine.
    """

    shard: str | None
    workers: int | None
    size: int | None
    engine: str | None
    address: str | None
    gpus: float | None


def wants_parts(format: str, valid: tuple[str, ...], spread: Spread) -> bool:
    """Return whether a command is to write parts.

    Raises:
        ConfigError: For a format or an engine that is not valid, or options of parts without parts.
    """
    if format not in valid:
        raise unknown("format", format, valid)
    if spread.engine not in (None, RAY):
        raise unknown("engine", spread.engine, (RAY,))
    if spread.engine is None:
        for option, value in (("--address", spread.address), ("--gpus-per-worker", spread.gpus)):
            if value is not None:
                raise ConfigError(f"{option} is for --engine {RAY}.")
    if format == PARQUET:
        return True
    for option, given in (("--shard", spread.shard), ("--workers", spread.workers),
                          ("--part-size", spread.size), ("--engine", spread.engine)):  # fmt: skip
        if given is not None:
            raise ConfigError(
                f"{option} is for --format parquet, whose parts several processes can write; "
                f"{format} is written by one."
            )
    return False


def chosen_shard(text: str | None) -> Shard:
    """Return the share that is asked for, or that a scheduler tells, which is then said."""
    if text is not None:
        return parse_shard(text)
    found, names = shard_around()
    if names:
        note(f"this process makes share {found} of the parts, by {names} (--shard 1/1 for all)")
    return found


def write_parts(run: Run, spread: Spread, as_json: bool) -> None:
    """Make the parts of a run, print what became of it, and leave with the exit code.

    Args:
        run: The run.
        spread: How it is spread.
        as_json: Whether to print JSON.
    """
    from zoo.prediction.parts.stream import check_beginnings
    from zoo.system.files import saving
    from zoo.system.parquet_writer import need_writer

    need_writer("--format parquet")
    check_beginnings(run.files)
    kept = "The parts that are complete stay. Make room; the same command makes the others."
    with saving(run.out, kept), asked_to_stop() as asked:
        listener = Listener(say=note, warn=_warn, progress=_progress, asked=asked)
        try:
            tally = _made(run, spread, listener)
        except Stopped as stop:
            note(str(stop))
            raise SystemExit(INTERRUPTED) from None
    _tell_of(tally, run)
    _report(tally, run.out, as_json)


def _made(run: Run, spread: Spread, listener: Listener) -> Tally:
    if spread.engine == RAY:
        from zoo.prediction.parts.on_ray import Cluster, work_on_ray

        return work_on_ray(run, Cluster(spread.address, spread.workers, spread.gpus or 0), listener)
    if spread.workers is not None and spread.workers > 1:
        from zoo.prediction.parts.workers import Workers

        return Workers(run, spread.workers, listener).work()
    return run.here(listener)


def _tell_of(tally: Tally, run: Run) -> None:
    """Say what was done with complexes, and which residues were left out."""
    from zoo.prediction.scope import told
    from zoo.prediction.unsure import left_out_residues

    if said := told(tally.outcome.complexes, tally.scope, run.job.scope):
        note(said)
    for line in left_out_residues(tally.outcome, run.job.min_plddt):
        note(line)


def _warn(text: str) -> None:
    warn(f"warning: {text}", style="yellow")


def _report(tally: Tally, out: Path, as_json: bool) -> None:
    from zoo.prediction.folder import FAILED, MANIFEST
    from zoo.prediction.parts.folder import read_manifest

    about = read_manifest(out)
    found = _sum(tally, about) if about["complete"] else None
    failed = about["failed"] if about["complete"] else len(tally.outcome.failed)
    if as_json:
        values = {"out": str(out), "parts": tally.parts, "made": tally.made,
                  "missing": tally.missing, "complete": about["complete"], "failed": failed,
                  "sum": found.to_dict() if found else None}  # fmt: skip
        print(jsonlib.dumps(values, indent=2))
    else:
        there = f"{tally.parts - tally.missing:,} of {tally.parts:,} there"
        say(f"{counted(tally.made, 'part')} made, {there}: {out}")
        if found:
            show_sum(found, out / FAILED if failed else None)
        else:
            say(f"{counted(tally.missing, 'part')} missing, of other shares or of a process at "
                f"work; who makes the last one completes {MANIFEST}")  # fmt: skip
    known = [row["reason"] for row in about["failures"]] if found else tally.outcome.failed.values()
    for reason in list(known)[:10]:
        warn(f"failed: {reason}", style="")
    if failed:
        raise SystemExit(1 if not found or found.done else ALL_FAILED)


def _sum(tally: Tally, about: dict[str, Any]) -> Sum:
    left = about["left_out"]
    given = about["written"] + about["failed"] + sum(left.values())
    return Sum("proteins", given, about["written"], {**about["reasons"], **left})


@contextmanager
def _progress(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Yield a function that gets how many records are behind: their total is not known before."""
    begun = told = time.monotonic()

    def line(done: int) -> str:
        rate = done / max(time.monotonic() - begun, 1e-9)
        return f"{done:,} records, {rate:.3g}/s"

    if err_console.is_terminal:
        with err_console.status("reading ...") as status:
            yield lambda done: status.update(line(done))
        return

    def log(done: int) -> None:
        nonlocal told
        if time.monotonic() - told > SECONDS:
            told = time.monotonic()
            note(line(done))

    yield log
