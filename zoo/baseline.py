"""`python -m zoo.baseline`: score trivial baselines, which every model should beat."""

from __future__ import annotations

import json as jsonlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zoo.command.cli import run
from zoo.command.options import Resamples, ResampleSeed
from zoo.command.say import progress, say, show, warn

if TYPE_CHECKING:
    from zoo.metrics.suite import Report


def baseline(
    data: Annotated[Path, typer.Argument(help="Folder of prepared data, written by zoo.prepare.")],
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for the predictions of each baseline, for use with zoo.compare."),
    ] = None,
    features: Annotated[
        list[str] | None,
        typer.Option(
            help="Feature set, as in graph.features, that boosted trees get besides letters, in a "
            "row of their own; may be repeated.",
        ),
    ] = None,
    bootstrap: Resamples = 1000,
    seed: ResampleSeed = 0,
    json: Annotated[
        bool, typer.Option("--json", help="Print the scores as JSON, those of every subset too.")
    ] = False,
) -> None:
    """Fit every trivial baseline on the training data and score it on the test data.

    Example: python -m zoo.baseline prepared/ppbs --out runs
    """
    reports = []
    task, targets = _contents(data)
    with progress("scoring", len(targets)) as done:
        for target in targets:
            reports += _score(data, task, target, features or [], out, bootstrap, seed)
            done(targets.index(target) + 1)
    if json:
        print(jsonlib.dumps([report.to_dict() for report in reports], indent=2))
        return
    for target in targets:
        _show([report for report in reports if report.target == target.name], target)


def _contents(data: Path) -> tuple[str, list[Any]]:
    """Return the task of a prepared folder and its targets."""
    from zoo.data.preparing import read_manifest
    from zoo.errors import DataError
    from zoo.tasks import Target

    manifest = read_manifest(data)
    if not manifest.get("complete"):
        raise DataError(f"{data} holds no prepared data. Run `python -m zoo.prepare` first.")
    return manifest["task"], [*map(Target.from_dict, manifest["targets"])]


def _score(
    data: Path, task: str, target: Any, features: list[str], out: Path | None, bootstrap: int,
    seed: int,
) -> list[Report]:  # fmt: skip
    from zoo.data.preparing import STORE
    from zoo.data.store import Store
    from zoo.metrics.floor import predict_all, predict_trees
    from zoo.metrics.predictions import NAME, write_predictions
    from zoo.metrics.scannet import LENGTHS
    from zoo.metrics.suite import report

    with Store(data / STORE) as store:
        predictions = predict_trees(store, target, features) if features else {}
        predictions |= predict_all(store, target)
    if out is not None:
        for name, one in predictions.items():
            write_predictions(out / f"{target.name}_{name}" / NAME, [one])
    if not predictions:
        return []
    first, *others = predictions
    scored = report(
        predictions[first], {name: predictions[name] for name in others}, n=bootstrap, seed=seed,
        scannet_length=LENGTHS.get(task),
    )  # fmt: skip
    return [_named(scored, first)]


def _named(scored: Report, first: str) -> Report:
    """Rename the first baseline, which a report calls "model", to its own name."""
    import dataclasses

    parts = tuple(
        dataclasses.replace(part, model=first) if part.model == "model" else part
        for part in scored.parts
    )
    return dataclasses.replace(scored, parts=parts)


def _show(reports: list[Report], target: Any) -> None:
    from rich.table import Table

    from zoo.metrics.suite import without_intervals
    from zoo.reporting.score_tables import headlines_first

    for scored in reports:
        pooled = [part for part in scored.parts if part.subset == "all"]
        say(f"\n{scored.target}, test, {pooled[0].examples:,} known rows", style="bold")
        table = Table(box=None, pad_edge=False, header_style="dim")
        for column in ("metric", "baseline", "value"):
            table.add_column(column)
        for metric in headlines_first(target.kind, pooled[0].values):
            for row, part in enumerate(pooled):
                table.add_row("" if row else metric, part.model, _cell(part.values.get(metric)))
        show(table)
        say("95 % bootstrap intervals over proteins or groups", style="dim")
        if {value.n_groups for part in pooled for value in part.values.values()} == {1}:
            warn(without_intervals(pooled[0].examples))


def _cell(found: Any) -> str:
    if found is None or found.value != found.value:
        return "-"
    return f"{found.value:.3f} ({found.low:.3f} .. {found.high:.3f})"


if __name__ == "__main__":
    run(baseline)
