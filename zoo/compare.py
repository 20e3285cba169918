"""`python -m zoo.compare`: compare runs on the same examples, with paired differences."""

from __future__ import annotations

import json as jsonlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from zoo.command.cli import run
from zoo.command.options import PairedResamples, ResampleSeed
from zoo.command.say import note, progress, say, show, warn
from zoo.command.sums import Sum, show_sum
from zoo.errors import ConfigError, unknown
from zoo.system.counting import counted

if TYPE_CHECKING:
    from zoo.metrics.comparison import Comparison
    from zoo.metrics.predictions import Predictions


def compare(
    runs: Annotated[
        list[Path], typer.Argument(help="Two or more folders with predictions.csv, or such files.")
    ],
    metric: Annotated[
        list[str] | None,
        typer.Option(help="Metric to compare, instead of all metrics; may be repeated."),
    ] = None,
    split: Annotated[
        str, typer.Option(help="Split to compare on: test, validation or train.")
    ] = "test",
    bootstrap: PairedResamples = None,
    seed: ResampleSeed = 0,
    intersect: Annotated[
        bool,
        typer.Option(
            "--intersect", help="Compare only the examples that all runs have, instead of refusing."
        ),
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the comparison as JSON.")] = False,
) -> None:
    """Compare runs by each metric with its interval, and by the paired difference to the first.

    Example: python -m zoo.compare runs/gvp runs/egnn --metric average_precision
    """
    from zoo.metrics.comparison import align, compare_targets

    if len(runs) < 2:
        raise ConfigError("One run cannot be compared with itself; name two or more.")
    given = load(runs)
    targets = align(given, split, intersect)
    _check_metrics(metric, targets)
    with progress("resampling", len(targets)) as done:
        found = compare_targets(targets, split, metric, bootstrap, seed, done)
    if not any(comparison.metrics for comparison in found):
        raise ConfigError(
            "These predictions do not allow this metric: MCC needs validation predictions of "
            "every run, and means within groups need groups."
        )
    if json:
        print(jsonlib.dumps([comparison.to_dict() for comparison in found], indent=2))
    else:
        ids = [one.id[one.split == split] for each in targets for one in each.values()]
        _show_all(found, len({key for some in ids for key in some.tolist()}))
    for total in sums(given, targets, split):
        show_sum(total, tell=note if json else say)


def _show_all(found: list[Comparison], samples: int) -> None:
    from zoo.metrics.multiple import told
    from zoo.metrics.suite import without_intervals

    for comparison in found:
        _show(comparison)
    say("95 % intervals; paired differences to the first run", style="dim")
    if corrected := told([one for comparison in found for one in comparison.differences]):
        say(corrected, style="dim")
    if any(comparison.clusters == 1 for comparison in found):
        warn(without_intervals(samples))


def sums(
    runs: Mapping[str, Mapping[str, Predictions]], targets: list[dict[str, Predictions]], split: str
) -> Iterator[Sum]:
    """Yield the sum over the rows of all runs, for each target."""
    for aligned in targets:
        name = next(iter(aligned.values())).target.name
        many = sum(int((one[name].split == split).sum()) for one in runs.values())
        used = sum(int((one.split == split).sum()) for one in aligned.values())
        left = {"not in every run": many - used} if many > used else {}
        yield Sum(f"rows of {name}", many, used, left)


def load(runs: list[Path]) -> dict[str, Any]:
    """Return the predictions of every run, named by its folder, or by its path if not unique."""
    from zoo.metrics.predictions import NAME, read_predictions

    folders = [path.parent if path.name == NAME else path for path in runs]
    short = [folder.resolve().name for folder in folders]
    names = short if len(set(short)) == len(short) else [str(path) for path in runs]
    if len(set(names)) < len(names):
        raise ConfigError("The same run is named twice.")
    return {name: read_predictions(path) for name, path in zip(names, runs, strict=True)}


def _check_metrics(asked: list[str] | None, targets: list[dict[str, Any]]) -> None:
    from zoo.metrics.suite import SUITES

    kinds = {next(iter(predictions.values())).target.kind for predictions in targets}
    valid = {metric.name for kind in kinds for metric in SUITES[kind]}
    for name in asked or ():
        if name not in valid:
            raise unknown("metric", name, valid)


def _show(comparison: Comparison) -> None:
    title = f"\n{comparison.target}, {comparison.split}: "
    say(f"{title}{counted(comparison.examples, 'row')} in "
        f"{counted(comparison.clusters, 'group')}", style="bold")  # fmt: skip
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("run", overflow="fold")
    for column in ("value", "difference"):
        table.add_column(column, no_wrap=True)
    table.add_column("p", justify="right", no_wrap=True)
    for name, better, entries in comparison.metrics:
        table.add_row(Text(name, "bold"), Text(f"{better} is better", "dim"), "", "")
        for entry in entries:
            p = "" if entry.difference is None else _number(entry.difference.p_holm)
            table.add_row(f"  {entry.run}", _cell(entry.value), _cell(entry.difference, "+"), p)
    show(table)


def _cell(found: Any, sign: str = "") -> str:
    """Return a value with its interval."""
    if found is None:
        return ""
    value, low, high = (_number(each, sign) for each in (found.value, found.low, found.high))
    return f"{value} ({low} .. {high})"


def _number(value: float, sign: str = "") -> str:
    if value != value:
        return "-"
    return f"{value:{sign}.3f}" if abs(value) < 100 else f"{value:{sign}.4g}"


if __name__ == "__main__":
    run(compare)
