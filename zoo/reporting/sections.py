"""The tables and pictures of a run's page."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

from zoo.metrics.calibration import reliability
from zoo.metrics.comparison import Comparison
from zoo.metrics.multiple import clear, told
from zoo.metrics.predictions import Predictions
from zoo.metrics.suite import POOLED
from zoo.metrics.verdict import MODEL
from zoo.models.runs import Run
from zoo.models.summary import RANDOM_WARNING
from zoo.reporting import drawing
from zoo.reporting.page import figures, picture, png_of, table
from zoo.reporting.proteins import Bin, Scores, by_identity, by_length
from zoo.reporting.score_tables import cell, correction, drawn, part
from zoo.system.counting import counted
from zoo.tasks import HEADLINE
from zoo.training.curves import CURVES, read_curves

CASES = 8
BINS = 10


def head(run: Run, metrics: Mapping[str, Any]) -> str:
    """Return the title, and the facts on the model and its evaluation."""
    config = metrics["config"]
    scored = counted(metrics["samples"], "sample scored", "samples scored")
    facts = {
        "task": metrics["task"], **_labelled(scored),
        **_labelled(counted(len(metrics["members"]), "model")),
        "language model": config["sequence"]["name"],
        "graph network": config["structure"]["name"], "fusion": config["fusion"]["name"],
    }  # fmt: skip
    warned = f"<p><b>{RANDOM_WARNING}</b></p>" if metrics["random_plm"] else ""
    told = (
        f"Split {metrics['split']} ({metrics['split_hash']}), scored {metrics['created']} with zoo "
        f"{metrics['versions']['zoo']}; {drawn(metrics)}. {correction(metrics)}"
    )
    return (
        f"<h1>{html.escape(run.folder.resolve().name)}</h1>"
        f"{''.join(_verdict(*one) for one in metrics['targets'].items())}"
        f"<p class=soft>{html.escape(told)}</p>"
        f"{warned}{figures(facts)}"
    )


def _labelled(count: str) -> dict[str, str]:
    """Return a count by the words for what is counted."""
    number, _, what = count.partition(" ")
    return {what: number}


def _verdict(name: str, found: Mapping[str, Any]) -> str:
    """Return a sentence that says whether the model beats its best baseline, and by how much."""
    metric = HEADLINE[found["kind"]]
    moved = found["differences"].get(metric)
    own = part(found, MODEL, POOLED)["values"].get(metric)
    score = f"{metric} {cell(own)}"
    if not moved:
        return f"<p><b>{html.escape(name)}: {html.escape(score)}; no baseline was scored.</b></p>"
    other = part(found, moved["baseline"], POOLED)["values"][metric]
    text = (
        f"{name}: the model is {standing(moved)} its best baseline. It has {score}; the baseline "
        f"{moved['baseline']} has {cell(other)}. The difference is {cell(moved, '+')}, and "
        f"{moved['better']} is better."
    )
    return f"<p><b>{html.escape(text)}</b></p>"


def standing(moved: Mapping[str, Any]) -> str:
    """Return how a model stands to what it differs from: "better than", by the corrected p."""
    if not clear(moved):
        return "not clearly different from"
    better = (moved["value"] > 0) == (moved["better"] == "higher")
    return "better than" if better else "worse than"


def scores(name: str, found: Mapping[str, Any]) -> str:
    """Return the scores of one target next to the best baseline, and those of its subsets."""
    rows = []
    pooled = {one["model"]: one["values"] for one in found["parts"] if one["subset"] == POOLED}
    for metric, value in pooled[MODEL].items():
        moved = found["differences"].get(metric)
        rows.append(
            (
                metric,
                cell(value),
                moved["baseline"] if moved else "",
                cell(pooled[moved["baseline"]].get(metric)) if moved else "",
                cell(moved, "+") if moved else "",
                p_value(moved),
            )
        )
    text = f"<h2>{html.escape(name)}: scores</h2>"
    text += table(("metric", "model", "best baseline", "its score", "difference", "p"), rows)
    metric = HEADLINE[found["kind"]]
    subsets = [one for one in found["parts"] if one["model"] == MODEL][1:]
    if subsets:
        moved = {name: each.get(metric) for name, each in found["subsets"].items()}
        lines = [
            (one["subset"] or "(none)", f"{one['examples']:,}", cell(one["values"].get(metric)),
             cell(moved.get(one["subset"]), "+"), p_value(moved.get(one["subset"])))
            for one in subsets
        ]  # fmt: skip
        text += f"<h2>{html.escape(name)}: subsets</h2>"
        text += table(("subset", "rows", metric, "model - baseline", "p"), lines)
    return text


def p_value(moved: Mapping[str, Any] | None) -> str:
    """Return the corrected p of a difference, "" if there is none."""
    p = moved.get("p_holm") if moved else None
    return "" if p is None else f"{p:.3f}"


def beside(found: Sequence[Comparison]) -> str:
    """Return the scores of this run next to those of other runs, for each target."""
    corrected = told([moved for one in found for moved in one.differences])
    return "".join(_beside(one, f" {corrected}." if corrected else "") for one in found)


def _beside(found: Comparison, corrected: str) -> str:
    text = f"<h2>{html.escape(found.target)}: compared with other runs</h2>"
    text += f"<p class=soft>{counted(found.examples, 'row')} in "
    text += f"{counted(found.clusters, 'group')}; differences are "
    text += f"to the first run, on the same resamples.{corrected}</p>"
    for metric, better, entries in found.metrics:
        rows = [(one.run, cell(one.value.to_dict()),
                 cell(one.difference.to_dict(), "+") if one.difference else "",
                 p_value(one.difference.to_dict() if one.difference else None))
                for one in entries]  # fmt: skip
        text += table(("run", f"{metric}, {better} is better", "difference", "p"), rows)
    return text


def by_protein(
    title: str,
    held: Predictions,
    each: Scores,
    sequences: Mapping[str, Sequence[str]],
    identity: Mapping[str, float],
) -> list[str]:
    """Return sections on the scores of single proteins for one target.

    Args:
        title: name of the target if there are several, otherwise "".
        held: predictions that were scored.
        each: score of every protein.
        sequences: sequences of each protein's chains.
        identity: identity of each protein to the most similar training sequence.
    """
    lengths = {key: sum(map(len, sequences[key])) for key in each.values}
    start = f"{title}: by " if title else "By "
    return [
        calibration(held),
        bins(start + "identity", "Identity to the most similar sequence that the model was trained "
             "on: identical residues over the shorter chain. The search, by shared words, misses "
             "some relatives below about 35 %.", "nearest", each.name, by_identity(each, identity)),
        bins(start + "length", "Number of residues of the protein.", "residues", each.name,
             by_length(each, sequences)),
        cases(each, lengths, identity),
    ]  # fmt: skip


def curves(run: Run) -> str:
    """Return the curves of the losses and validation scores; "" if no member has any."""
    found = {member.name: read_curves(member.folder / CURVES) for member in run.members
             if (member.folder / CURVES).is_file()}  # fmt: skip
    if not any(found.values()):
        return ""
    told = (
        "Losses of training (dashed) and validation, and the validation score, which chose the "
        "epoch."
    )
    return picture("Training", told, *map(png_of, drawing.curves(found)))


def calibration(one: Predictions) -> str:
    """Return the calibration plot; "" for regression."""
    if one.target.kind == "regression":
        return ""
    said, came, _ = reliability(one.target, one.y_pred, one.y_true, BINS)
    if not len(said):
        return ""
    return picture("Calibration", f"Observed frequency against predicted probability, in {BINS} "
                   "bins of equal size; on the line, probabilities are calibrated.",
                   png_of(drawing.reliability(said, came)))  # fmt: skip


def bins(title: str, told: str, first: str, metric: str, found: Sequence[Bin]) -> str:
    """Return a table of mean scores for groups of proteins; "" without any."""
    if not found:
        return ""
    rows = [(one.name, one.proteins, cell(one.mean.to_dict())) for one in found]
    return (
        f"<h2>{html.escape(title)}</h2><p class=soft>{html.escape(told)}</p>"
        f"{table((first, 'proteins', f'mean {metric}'), rows)}"
    )


def cases(found: Scores, lengths: Mapping[str, int], identity: Mapping[str, float]) -> str:
    """Return tables of the worst and the best proteins."""
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
