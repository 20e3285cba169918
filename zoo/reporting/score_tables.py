"""The scores in metrics.json as tables that fit 80 columns."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from zoo.metrics.multiple import clear, differences_in, told
from zoo.metrics.suite import POOLED, without_intervals
from zoo.metrics.verdict import MODEL, headlines
from zoo.system.counting import counted
from zoo.tasks import HEADLINE, Kind

Values = Mapping[str, Any]
LEGEND = "below each score: the best baseline; * better, ! worse (p < 0.05)"
SEEN = "These samples were seen in training: the scores show how well they were learnt."


def render(metrics: Values) -> Iterator[Table | Text]:
    """Yield tables of every target: scores with the best baseline below each, and subsets."""
    models = len(metrics["members"])
    of = f", {models} models" if models > 1 else ""
    for name, found in metrics["targets"].items():
        rows = part(found, MODEL, POOLED)["examples"]
        of_all = counted(metrics["samples"], "sample")
        title = f"{metrics['split']}: {counted(rows, 'row')} of {of_all}{of}"
        yield Text.assemble("\n", (name, "bold"), f", {title}")
        yield _scores(found)
        if found["differences"]:
            yield Text(LEGEND, "dim")
        if found["calibration_error"]:
            before, after = map(_number, found["calibration_error"].values())
            yield Text(f"calibration error {after}, {before} before temperature")
        subsets = [part for part in found["parts"] if part["model"] == MODEL][1:]
        if subsets:
            yield _subsets(found, subsets)
    yield Text(drawn(metrics), "dim")
    if corrected := correction(metrics):
        yield Text(corrected, "dim")
    if _units(metrics) == [1]:
        yield Text(without_intervals(metrics["samples"]), "yellow")
    if metrics["split"] == "train":
        yield Text(SEEN, "yellow")


def drawn(metrics: Values) -> str:
    """Return a sentence on how the intervals were made."""
    resamples, units = metrics["bootstrap"]["n"], _units(metrics)
    if units == [1]:
        return "no intervals, as there is one protein or group"
    count = f"{units[-1]:,} " if len(units) == 1 else ""
    return f"95 % intervals, {resamples:,} resamples of {count}proteins or groups"


def _units(metrics: Values) -> list[int]:
    """Return the numbers of units that were resampled for the scores on all subsets."""
    parts = [part(found, MODEL, POOLED) for found in metrics["targets"].values()]
    return sorted({value["n_groups"] for one in parts for value in one["values"].values()})


def correction(metrics: Values) -> str:
    """Return a sentence on the p-values of all differences; "" without any."""
    return told(differences_in(metrics["targets"]), metrics["bootstrap"]["n"])


def _scores(found: Values) -> Table:
    table = _table("metric", "value", "model - baseline")
    values = part(found, MODEL, POOLED)["values"]
    for metric in headlines_first(found["kind"], values):
        table.add_row(metric, cell(values[metric]), "")
        moved = found["differences"].get(metric)
        if moved:
            baseline = part(found, moved["baseline"], POOLED)["values"][metric]
            change = Text.assemble(cell(moved, "+"), _mark(moved))
            name = Text(f"  {moved['baseline']}", "dim")
            table.add_row(name, Text(cell(baseline), "dim"), change)
    return table


def headlines_first(kind: Kind, names: Collection[str]) -> list[str]:
    """Return the names of metrics, those of the headline first."""
    first = headlines(kind, names)
    return [*first, *(name for name in names if name not in first)]


def _mark(moved: Values) -> tuple[str, str]:
    """Return a mark and its colour if the model is clearly better or worse than a baseline."""
    if not clear(moved):
        return "", ""
    higher = moved["value"] > 0
    return (" *", "green") if higher == (moved["better"] == "higher") else (" !", "red")


def _subsets(found: Values, subsets: Sequence[Values]) -> Table:
    """Return the headline metrics of every subset, and the differences to the best baseline."""
    metric, *within = headlines(found["kind"], subsets[0]["values"]) or [HEADLINE[found["kind"]]]
    baseline = found["differences"].get(metric, {}).get("baseline")
    table = _table("subset", "rows", metric, *([f"model - {baseline}"] if baseline else []))
    for part in subsets:
        moved = found["subsets"].get(part["subset"], {})
        rows = {metric: (part["subset"] or "(none)", f"{part['examples']:,}")}
        rows |= {name: (Text(f"  {name}", "dim"), "") for name in within}
        for name, (label, count) in rows.items():
            change = [_changed(moved.get(name))] if baseline else []
            table.add_row(label, count, cell(part["values"].get(name)), *change)
    return table


def _changed(moved: Values | None) -> Text:
    """Return the difference to a baseline with its mark."""
    return Text.assemble(cell(moved, "+"), _mark(moved) if moved else "")


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
