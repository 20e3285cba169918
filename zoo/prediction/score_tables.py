"""The scores of a run as tables of 80 columns, from what metrics.json holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from zoo.metrics.suite import POOLED
from zoo.metrics.verdict import HEADLINE, MODEL

Values = Mapping[str, Any]
LEGEND = "below each its best baseline; * better, ! worse: the interval is clear of 0"
SEEN = "These samples were seen in training: the scores say how well they were learnt."


def show(console: Console, metrics: Values) -> None:
    """Print the scores of every target, the best baseline below each, and subsets after them."""
    models = len(metrics["members"])
    of = f", {models} models" if models > 1 else ""
    for name, found in metrics["targets"].items():
        rows = part(found, MODEL, POOLED)["examples"]
        console.print(
            f"\n[bold]{escape(name)}[/], {metrics['split']}: {rows:,} rows of "
            f"{metrics['samples']:,} samples{of}", highlight=False,
        )  # fmt: skip
        console.print(_scores(found))
        if found["differences"]:
            console.print(f"[dim]{LEGEND}[/]", highlight=False)
        if found["calibration_error"]:
            before, after = map(_number, found["calibration_error"].values())
            console.print(f"calibration error {after}, {before} before temperature",
                          highlight=False)  # fmt: skip
        subsets = [part for part in found["parts"] if part["model"] == MODEL][1:]
        if subsets:
            console.print(_subsets(found, subsets))
    console.print(f"[dim]95 % intervals, {metrics['bootstrap']['n']:,} resamples of proteins or "
                  "groups[/]", highlight=False)  # fmt: skip
    if metrics["split"] == "train":
        console.print(SEEN, style="yellow", highlight=False)


def _scores(found: Values) -> Table:
    table = _table("metric", "value", "model - baseline")
    for metric, value in part(found, MODEL, POOLED)["values"].items():
        table.add_row(metric, cell(value), "")
        moved = found["differences"].get(metric)
        if moved:
            baseline = part(found, moved["baseline"], POOLED)["values"][metric]
            change = f"{cell(moved, '+')}{_mark(moved)}"
            table.add_row(f"[dim]  {moved['baseline']}[/]", f"[dim]{cell(baseline)}[/]", change)
    return table


def _mark(moved: Values) -> str:
    """Say whether the model is surely better or worse than its baseline."""
    low, high = moved["low"], moved["high"]
    if low is None or low <= 0 <= high:
        return ""
    return " [green]*[/]" if (low > 0) == (moved["better"] == "higher") else " [red]![/]"


def _subsets(found: Values, subsets: Sequence[Values]) -> Table:
    """Return the headline metric of every subset, and the difference to the best baseline."""
    metric = HEADLINE[found["kind"]]
    baseline = found["differences"].get(metric, {}).get("baseline")
    table = _table("subset", "rows", metric, *([f"model - {baseline}"] if baseline else []))
    for part in subsets:
        cells = [f"{part['examples']:,}", cell(part["values"].get(metric))]
        if baseline:
            moved = found["subsets"][part["subset"]].get(metric)
            cells.append(f"{cell(moved, '+')}{_mark(moved) if moved else ''}")
        table.add_row(escape(part["subset"] or "(none)"), *cells)
    return table


def _table(first: str, *names: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column(first, overflow="fold", min_width=12)
    for name in names:
        table.add_column(name, no_wrap=True, justify="right" if name == "rows" else "left")
    return table


def part(found: Values, model: str, subset: str) -> Values:
    """Return the scores of the model or a baseline on one subset."""
    one: Values = next(
        one for one in found["parts"] if (one["model"], one["subset"]) == (model, subset)
    )
    return one


def cell(found: Values | None, sign: str = "") -> str:
    """Return a value with its interval."""
    if found is None or found["value"] is None:
        return "-"
    value, low, high = (_number(found[name], sign) for name in ("value", "low", "high"))
    return f"{value} ({low} .. {high})"


def _number(value: float | None, sign: str = "") -> str:
    if value is None:
        return "-"
    return f"{value:{sign}.3f}" if abs(value) < 100 else f"{value:{sign}.4g}"
