"""The sections of a run's page that are tables and pictures."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from zoo.metrics.predictions import Predictions
from zoo.metrics.suite import POOLED
from zoo.metrics.verdict import HEADLINE, MODEL
from zoo.page import picture, png_of, table
from zoo.reporting import drawing
from zoo.reporting.proteins import Bin, Scores
from zoo.runs import Run
from zoo.training.callbacks import CURVES, read_curves

CASES = 8
BINS = 10


def head(run: Run, metrics: Mapping[str, Any]) -> str:
    """Return the title, and what was trained and scored."""
    config = metrics["config"]
    facts = {
        "task": metrics["task"], "samples scored": metrics["samples"],
        "models": len(metrics["members"]), "language model": config["sequence"]["name"],
        "graph network": config["structure"]["name"], "fusion": config["fusion"]["name"],
    }  # fmt: skip
    cells = "".join(f"<div><b>{html.escape(str(v))}</b>{name}</div>" for name, v in facts.items())
    warned = "<p><b>The language model has random weights: it was never trained.</b></p>"
    told = (
        f"Split {metrics['split']} ({metrics['split_hash']}), scored {metrics['created']} with zoo "
        f"{metrics['versions']['zoo']}. Intervals are 95 %, {metrics['bootstrap']['n']:,} "
        "resamples of proteins or groups."
    )
    return (
        f"<h1>{html.escape(run.folder.resolve().name)}</h1><p class=soft>{html.escape(told)}</p>"
        f"{warned if metrics['random_plm'] else ''}<div class=facts>{cells}</div>"
    )


def scores(name: str, found: Mapping[str, Any]) -> str:
    """Return the scores of one target beside the best baseline, and those of its subsets."""
    rows = []
    for metric, value in _part(found, POOLED)["values"].items():
        moved = found["differences"].get(metric)
        rows.append((metric, _cell(value), moved["baseline"] if moved else "", _cell(moved, "+")))
    text = f"<h2>{html.escape(name)}: scores</h2>"
    text += table(("metric", "model", "best baseline", "model - baseline"), rows)
    metric = HEADLINE[found["kind"]]
    parts = [part for part in found["parts"] if part["model"] == MODEL][1:]
    if parts:
        lines = [
            (part["subset"] or "(none)", f"{part['examples']:,}",
             _cell(part["values"].get(metric)),
             _cell(found["subsets"].get(part["subset"], {}).get(metric), "+"))
            for part in parts
        ]  # fmt: skip
        text += f"<h2>{html.escape(name)}: subsets</h2>"
        text += table(("subset", "rows", metric, "model - baseline"), lines)
    return text


def _part(found: Mapping[str, Any], subset: str) -> Mapping[str, Any]:
    part: Mapping[str, Any] = next(
        part for part in found["parts"] if (part["model"], part["subset"]) == (MODEL, subset)
    )
    return part


def _cell(found: Mapping[str, Any] | None, sign: str = "") -> str:
    if found is None or found["value"] is None:
        return ""
    value, low, high = (
        "?" if found[name] is None else f"{found[name]:{sign}.3f}"
        for name in ("value", "low", "high")
    )
    return f"{value} ({low} .. {high})"


def curves(run: Run) -> str:
    """Return the losses and validation scores of every member; empty where none were kept."""
    found = {member.name: read_curves(member.folder / CURVES) for member in run.members
             if (member.folder / CURVES).is_file()}  # fmt: skip
    if not any(found.values()):
        return ""
    return picture("Training", "Losses in training (dashed) and validation, and the score that "
                   "chose the epoch.", png_of(drawing.curves(found)))  # fmt: skip


def calibration(one: Predictions) -> str:
    """Return how often what was said to be so likely was so; empty for numbers."""
    if one.target.kind == "regression":
        return ""
    p, y = one.y_pred, one.y_true
    if one.target.kind == "multiclass":
        known = ~np.isnan(y)
        p, y = p[known].max(1), (p[known].argmax(1) == y[known]).astype(float)
    p, y = p.ravel(), y.ravel()
    known = ~np.isnan(y) & ~np.isnan(p)
    if not known.any():
        return ""
    return picture("Calibration", f"Predicted probability against how often it came true, {BINS} "
                   "bins of equal size; on the line, probabilities mean what they say.",
                   png_of(drawing.reliability(p[known], y[known], BINS)))  # fmt: skip


def bins(title: str, told: str, first: str, metric: str, found: Sequence[Bin]) -> str:
    """Return a table of scores by a property of proteins."""
    rows = [(one.name, one.proteins, f"{one.mean:.3f} ({one.low:.3f} .. {one.high:.3f})")
            for one in found]  # fmt: skip
    return (
        f"<h2>{html.escape(title)}</h2><p class=soft>{html.escape(told)}</p>"
        f"{table((first, 'proteins', f'mean {metric}'), rows)}"
    )


def cases(found: Scores, lengths: Mapping[str, int], identity: Mapping[str, float]) -> str:
    """Return the best and the worst proteins."""
    keys = list(found.values)
    text = ""
    for title, some in (("Worst cases", keys[::-1][:CASES]), ("Best cases", keys[:CASES])):
        rows = [(key, lengths[key], _percent(identity.get(key)), f"{found.values[key]:.3f}")
                for key in some]  # fmt: skip
        names = ("protein", "residues", "nearest training sequence", found.name)
        text += f"<h2>{title}</h2>{table(names, rows)}"
    return text


def _percent(identity: float | None) -> str:
    if identity is None:
        return "?"
    return f"{100 * identity:.0f} %" if identity else "none found at 30 %"
