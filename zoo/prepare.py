"""`python -m zoo.prepare`: read a benchmark or your own labels once, and check for leaks."""

from __future__ import annotations

import json as jsonlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from zoo.command.cli import run
from zoo.command.interrupts import Interrupts
from zoo.command.say import say, show, terminal, warn
from zoo.command.sums import Sum, show_sum
from zoo.errors import ConfigError, DataError
from zoo.system.counting import counted
from zoo.tasks import TASKS


def prepare(
    task: Annotated[str, typer.Argument(help=f"Task of the data: {', '.join(TASKS.known())}.")],
    data: Annotated[
        Path, typer.Option(help="Folder of the benchmark's files, or your table or its folder.")
    ],
    out: Annotated[
        Path, typer.Option(help="Folder for the prepared data; an unfinished one is continued.")
    ],
    layout: Annotated[
        str | None, typer.Option(help="Layout of the files; detected from the folder if left out.")
    ] = None,
    identity: Annotated[
        float,
        typer.Option(
            help="Sequence identity from which chains of different splits are a leak, 0 to 1."
        ),
    ] = 0.9,
    strict: Annotated[
        bool, typer.Option(help="Fail if a chain leaks from one split into another.")
    ] = False,
    allow_pickle: Annotated[
        bool,
        typer.Option(help="Read pickled records. They can run code: only use data that you trust."),
    ] = False,
    target: Annotated[
        list[str] | None,
        typer.Option(help="Column of your table to learn; may be repeated. Else all further ones."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Read every sample into a compact store, report on each chain and check for leaks.

    Ctrl-C stops it; the same command continues where it stopped. Nothing is lost silently:
    report.csv has a row for every chain, and for every sample left out, with the reason; the exit
    code is 1 if there are any. Data that are there and complete are never replaced by others.

    Example: python -m zoo.prepare ppbs --data PPBS --out prepared/ppbs
    """
    from zoo.data.layouts.base import find_layout
    from zoo.data.preparing import prepared, way_of

    found = find_layout(task, data, layout)
    if hasattr(found, "allow_pickle"):
        found.allow_pickle = allow_pickle
    if target and found.wanted is None:
        raise ConfigError(f"--target names columns of a table of your own; task {task!r} has none.")
    if target:
        found.wanted = tuple(target)
    way = way_of(task, layout, allow_pickle, target or ())
    with Interrupts() as interrupts:
        listener = terminal(lambda: interrupts.seen)
        manifest = prepared(found, task, out, way, identity, listener)
    _print(manifest, out, json)
    if not manifest["samples"]:
        raise DataError(
            f"No sample could be prepared; {out / 'report.csv'} gives the reason for each."
        )
    if strict and manifest["leaks"]:
        raise DataError(
            f"{_leaking(manifest['leaks'], identity)}; {out / 'manifest.json'} lists them. Use "
            "python -m zoo.split --by cluster, or run without --strict."
        )
    if manifest["dropped"]:
        raise typer.Exit(1)


def sum_of(manifest: Mapping[str, Any]) -> Sum:
    """Return the sum over the samples of prepared data."""
    given = manifest.get("given", manifest["listed"])  # earlier versions did not count apart
    return Sum("samples", given, manifest["samples"], manifest["reasons"])


def _print(manifest: dict[str, Any], out: Path, as_json: bool) -> None:
    if as_json:
        values = {"out": str(out), **manifest, "sum": sum_of(manifest).to_dict()}
        print(jsonlib.dumps(values, indent=2))
        return
    if not manifest["samples"]:  # the error that follows names the report
        show_sum(sum_of(manifest), out / "report.csv")
        return
    _tables(manifest)
    residues = {name: count for name, count in manifest["residues"].items() if count}
    if residues:
        say("residues: " + ", ".join(f"{count:,} {name}" for name, count in residues.items()))
    show_sum(sum_of(manifest), out / "report.csv")
    _print_leaks(manifest["leaks"], manifest["identity"])
    say(f"every chain and reason: {out / 'report.csv'}")


def _tables(manifest: dict[str, Any]) -> None:
    """Print the size of each part, and the distribution of each target's labels in it."""
    from rich.table import Table

    parts = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("part", "samples", "hash of ids"):
        parts.add_column(column, justify="right" if column == "samples" else "left")
    for part, size in manifest["parts"].items():
        parts.add_row(part, f"{size:,}", manifest["ids_by_part"][part])
    labels = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("target", "part", "labels"):
        labels.add_column(column, overflow="fold")
    for target in manifest["targets"]:
        for part, facts in manifest["labels"][target["name"]].items():
            labels.add_row(f"{target['name']} ({target['kind']})", part, _labels(facts))
    show(parts)
    say("")
    show(labels)


def _labels(facts: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value:,}" for name, value in facts.items())


def _leaking(leaks: list[dict[str, Any]], identity: float) -> str:
    of = "of chains of different splits"
    chains = counted(len(leaks), f"pair {of} is", f"pairs {of} are")
    return f"{chains} at least {identity:.0%} identical"


def _print_leaks(leaks: list[dict[str, Any]], identity: float) -> None:
    if not leaks:
        say(f"no chain of one split is {identity:.0%} identical to one of another")
        return
    warn(f"{_leaking(leaks, identity)}:", style="bold yellow")
    for leak in leaks[:5]:
        (a, b), (first, second) = leak["ids"], leak["splits"]
        warn(f"  {a} ({first}) and {b} ({second}): {leak['identity']:.0%}", style="")


if __name__ == "__main__":
    run(prepare)
