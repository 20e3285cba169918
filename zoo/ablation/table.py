"""The filled table: the score of each cell, and its difference to serial fusion."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from typing import Any

import numpy as np

from zoo.ablation.rows import ROWS, SERIAL, Cell
from zoo.ablation.running import METRICS, Plan
from zoo.metrics.comparison import align, compare_target
from zoo.metrics.multiple import ALPHA, clear, correct, enough, told
from zoo.metrics.predictions import Predictions, read_predictions
from zoo.metrics.suite import POOLED
from zoo.system.files import read_json, write_json, write_whole
from zoo.tasks import HEADLINE

FOLDER, JSON, MARKDOWN = "table", "table.json", "table.md"
SPLIT = "test"
DIFFERENCES = ("to serial", "baseline")
"""Columns of differences."""
CLEAR = "*"
"""Mark of a difference that is clear after Holm's correction."""


def tabulate(plan: Plan, wanted: Sequence[Cell]) -> list[dict[str, Any]]:
    """Return a row for every finished cell, target and subset, and write them into OUT/table.

    A row has the number of trained parameters, the headline metric with its interval, the paired
    difference to serial fusion with the same graph network (no difference for the row without a
    graph network), and the difference to the best trivial baseline over all test samples. The
    p-values of each of these two columns are corrected for all its differences.
    """
    done = [cell for cell in wanted if plan.done(cell)]
    found = {cell: read_predictions(plan.out / cell.name) for cell in done}
    subsets = {cell: {name: _subsets(one) for name, one in found[cell].items()} for cell in done}
    resamples = plan.bootstrap or enough(
        sum(len(names) for cell in done for names in subsets[cell].values() if cell.row != SERIAL)
    )
    rows = []
    for cell in done:
        serial = found.get(Cell(SERIAL, cell.struct))
        metrics = read_json(plan.out / cell.name / METRICS)
        for target, one in found[cell].items():
            against = None if serial is None or cell.row == SERIAL else serial[target]
            for subset in subsets[cell][target]:
                rows.append({
                    "row": cell.row, "struct": cell.struct, "target": target, "subset": subset,
                    **_compared(one, against, subset, resamples),
                    "parameters": metrics.get("parameters"),  # missing in older tables
                    "baseline": _floor(metrics, target, subset, HEADLINE[one.target.kind]),
                })  # fmt: skip
    for column in DIFFERENCES:
        correct(differences(rows, column))
    _write(plan, done, rows)
    return rows


def differences(rows: Sequence[dict[str, Any]], column: str) -> list[dict[str, Any]]:
    """Return the differences in a column of the table."""
    return [row[column] for row in rows if row[column]]


def _subsets(one: Predictions) -> list[str]:
    """Return "all", followed by the subsets if there are several."""
    names = {name for text in set(one.subset[one.split == SPLIT].tolist())
             for name in text.split(",") if name}  # fmt: skip
    return [POOLED, *sorted(names)] if len(names) > 1 else [POOLED]


def _of_subset(one: Predictions, subset: str) -> Predictions:
    if subset == POOLED:
        return one
    mine = np.array([subset in text.split(",") for text in one.subset.tolist()])
    return one.take(mine & (one.split == SPLIT))


def _compared(one: Predictions, serial: Predictions | None, subset: str, n: int) -> dict[str, Any]:
    """Return the metric, the score, and the paired difference to serial fusion, if any."""
    runs = {"cell": {"t": _of_subset(one, subset)}}
    if serial is not None:
        runs = {"serial": {"t": _of_subset(serial, subset)}, **runs}
    (aligned,) = align(runs, SPLIT, intersect=False)
    wanted, cell = [HEADLINE[one.target.kind]], aligned["cell"]
    ((name, better, entries),) = compare_target(aligned, SPLIT, wanted, n).metrics
    moved = entries[-1].difference
    return {
        "metric": name, "better": better, "n": len(np.unique(cell.id[cell.split == SPLIT])),
        "score": entries[-1].value.to_dict(),
        "to serial": moved.to_dict() if moved else None,
    }  # fmt: skip


def _floor(metrics: Any, target: str, subset: str, metric: str) -> dict[str, Any] | None:
    """Return the difference to the best trivial baseline, from the metrics of zoo.evaluate."""
    (mine,) = (facts for facts in _targets(metrics) if facts["target"] == target)
    part = mine["differences"] if subset == POOLED else mine["subsets"].get(subset, {})
    floor: dict[str, Any] | None = part.get(metric)
    return floor


def _targets(metrics: Any) -> list[dict[str, Any]]:
    found = metrics["targets"]
    return list(found.values()) if isinstance(found, dict) else list(found)


def _write(plan: Plan, done: Sequence[Cell], rows: list[dict[str, Any]]) -> None:
    folder = plan.out / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for cell in done:
        shutil.copyfile(plan.out / cell.name / METRICS, folder / f"{cell.name}.json")
    write_json(folder / JSON, rows)
    write_whole(folder / MARKDOWN, markdown(rows))


def markdown(rows: Sequence[dict[str, Any]]) -> str:
    """Return a Markdown table per target and subset: rows are fusions, columns graph networks."""
    lines: list[str] = []
    for target, subset in dict.fromkeys((row["target"], row["subset"]) for row in rows):
        mine = [row for row in rows if (row["target"], row["subset"]) == (target, subset)]
        columns = sorted({row["struct"] for row in mine} - {"none"}) or ["none"]
        first = mine[0]
        lines += [
            f"### {target}, {subset}: {first['metric'].replace('_', ' ')} "
            f"({first['better']} is better), {first['n']} proteins", "",
            f"| | {' | '.join(f'{name} | parameters' for name in columns)} |",
            "|---" * (2 * len(columns) + 1) + "|",
        ]  # fmt: skip
        others = dict.fromkeys(row["row"] for row in mine if row["row"] not in ROWS)
        for name in (*ROWS, *others):
            cells = {row["struct"]: _told(row) for row in mine if row["row"] == name}
            if cells:
                if set(cells) == {"none"}:  # the row without a graph network has one cell
                    cells = {columns[0]: cells["none"]}
                shown = [cells.get(column, " | ") for column in columns]
                lines.append(f"| {name} | {' | '.join(shown)} |")
        lines.append("")
    if corrected := told(differences(rows, "to serial")):
        lines += [f"{CLEAR} differs from serial fusion: p < {ALPHA}. {corrected}.", ""]
    return "\n".join(lines)


def _told(row: dict[str, Any]) -> str:
    """Return two columns: the score with its difference, and the parameters."""
    parts = [interval_text(row["score"]), difference_text(row["to serial"])]
    count = "" if row["parameters"] is None else f"{row['parameters']:,}"
    return f"{'<br>'.join(part for part in parts if part)} | {count}"


def difference_text(moved: dict[str, Any] | None) -> str:
    """Return a difference with its interval and, if it is clear, a mark; "" without one."""
    mark = f" {CLEAR}" if moved and clear(moved) else ""
    return interval_text(moved, "+") + mark


def interval_text(values: dict[str, Any] | None, sign: str = "") -> str:
    """Return "value (low, high)", or "" for a score that is not defined."""
    if values is None or values["value"] is None:
        return ""
    ends = [values["low"], values["high"]]
    told = ", ".join("?" if end is None else f"{end:{sign}.3f}" for end in ends)
    return f"{values['value']:{sign}.3f} ({told})"
