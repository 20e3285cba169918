"""The cards of trained models: words from `cards/NAME.yaml`, numbers from what was measured."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from zoo.metrics.verdict import headlines
from zoo.models.runs import ENSEMBLE
from zoo.pretrained import RUN
from zoo.settings.checking import parse

WORDS = Path(__file__).parent / "cards"
POOLED = "all"


@dataclass(frozen=True)
class Words:
    """What a card says that nothing else can know.

    Attributes:
        title: What the model predicts.
        command: Command that trained it, with PPBS and the like for the folder of the data.
        chosen: How it was chosen, and how often its test samples were looked at.
        scope: What it may be asked.
        data: What it was trained on, and the licences.
        not_for: What it must not be used for.
        warning: What `zoo predict` says before anything else, in one sentence, if it must.
    """

    title: str
    command: str
    chosen: str
    scope: str
    data: str
    not_for: str
    warning: str = ""


def words_of(name: str, folder: Path = WORDS) -> Words:
    """Return the words of a model's card."""
    return parse(Words, yaml.safe_load((folder / f"{name}.yaml").read_text()))


def card(folder: Path, words: Words) -> str:
    """Return the card of the packed model in a folder."""
    facts = json.loads((folder / RUN).read_text())
    metrics = json.loads((folder / "metrics.json").read_text())
    coloured = " --structures" if facts["targets"][0]["level"] == "residue" else ""
    lines = [
        f"# {folder.name}: {words.title}", "", f"{_parts(facts['config'])}; {_members(facts)}", "",
        "```bash",
        f"python -m zoo.predict structures/ --model {folder.name} --out found{coloured}", "```", "",
        "## Scope", "", words.scope, "", "## Scores", "",
        f"On the test split ({metrics['samples']} samples, hash {metrics['split_hash']}), which "
        f"was not trained on. {words.chosen} 95 % intervals over groups of kin; the difference "
        "is paired, to the baseline that is the best one over all test samples.", "",
        "| target | subset | metric | score | best baseline | its score | difference |",
        "|---|---|---|---|---|---|---|", *_scores(metrics), "",
        "All baselines, over all test samples:", "", *_beside(metrics), "",
        *_calibration(folder, metrics),
        "## Made by", "", "```bash", words.command,
        f"python -m zoo.evaluate {folder.name} --data PREPARED --out scores   # the same numbers",
        "```", "",
        f"Versions: {', '.join(f'{k} {v}' for k, v in metrics['versions'].items() if v)}.", "",
        "## Data", "", words.data, "", "## Not for", "", words.not_for, "",
    ]  # fmt: skip
    return "\n".join(lines)


def _parts(config: Mapping[str, Any]) -> str:
    """Return what the model is made of."""
    names = [config[branch]["name"] for branch in ("sequence", "structure")]
    sets = config["graph"].get("features", ["backbone"])
    on = "" if sets == ["backbone"] else f" on the feature sets {', '.join(sets)}"
    if names[0] == "none":
        return f"{names[1]}{on}, without a language model"
    fusion = config["fusion"]
    return f"{names[0]} and {names[1]}{on}, {fusion['name']} fusion ({fusion['write_back']})"


def _members(facts: Mapping[str, Any]) -> str:
    seeds = sorted({member["seed"] for member in facts["members"]})
    if len(facts["members"]) == 1:
        return f"one model, seed {seeds[0]}."
    return (
        f"{len(facts['members'])} models, seeds {', '.join(map(str, seeds))}; their mean is the "
        "prediction."
    )


def _scores(metrics: Mapping[str, Any]) -> Iterator[str]:
    """Return a row for each target, subset and headline metric."""
    for target, facts in metrics["targets"].items():
        values = {(part["model"], part["subset"]): part["values"] for part in facts["parts"]}
        for model, subset in values:
            if model == "model":
                for metric in headlines(facts["kind"], values[model, subset]):
                    yield _row([target, subset, _spaced(metric)], facts, values, subset, metric)


def _row(
    names: list[str], facts: Mapping[str, Any], values: Mapping[Any, Any], subset: str, metric: str
) -> str:
    where = facts["differences"] if subset == POOLED else facts["subsets"].get(subset, {})
    own, moved = values["model", subset][metric], where.get(metric)
    beside = ["", "", ""]
    if moved:
        baseline = moved["baseline"]
        theirs = values.get((baseline, subset), {}).get(metric)
        beside = [_spaced(baseline), interval(theirs) if theirs else "", interval(moved, "+")]
    return f"| {' | '.join([*names, interval(own), *beside])} |"


def _beside(metrics: Mapping[str, Any]) -> Iterator[str]:
    """Return a table of the model and every baseline, by the headline metrics."""
    for target, facts in metrics["targets"].items():
        pooled = [part for part in facts["parts"] if part["subset"] == POOLED]
        columns = headlines(facts["kind"], pooled[0]["values"])
        yield f"| {target} | {' | '.join(map(_spaced, columns))} |"
        yield "|---" * (1 + len(columns)) + "|"
        for part in pooled:
            cells = [interval(part["values"][name]) if name in part["values"] else ""
                     for name in columns]  # fmt: skip
            yield f"| {_spaced(part['model'])} | {' | '.join(cells)} |"


def _calibration(folder: Path, metrics: Mapping[str, Any]) -> Iterator[str]:
    """Return the section on probabilities; nothing for a model that gives none."""
    known = {name: facts["calibration_error"] for name, facts in metrics["targets"].items()
             if facts["calibration_error"]}  # fmt: skip
    if not known:
        return
    yield from ("## Calibration", "")
    of = "the mean of the models" if (folder / ENSEMBLE).exists() else "each model by itself"
    for target, error in known.items():
        told = sorted({f"{one[target]:.2f}" for one in metrics["temperatures"].values()})
        best = _threshold(metrics["targets"][target]["threshold"])
        yield (
            f"{target}: a temperature ({', '.join(told)}) was fitted on validation samples to "
            f"{of}. Expected calibration error on the test split: {error['before']:.3f} before, "
            f"{error['after']:.3f} after.{best}"
        )
    yield ""


def _threshold(value: float | None) -> str:
    return "" if value is None else f" Threshold with the highest MCC on validation: {value:.3f}."


def _spaced(name: str) -> str:
    return name.replace("_", " ")


def interval(values: Mapping[str, Any], sign: str = "") -> str:
    """Return a value with its interval."""
    parts = [values["value"], values["low"], values["high"]]
    one, low, high = (
        "?" if part is None or math.isnan(part) else f"{part:{sign}.3f}" for part in parts
    )
    return f"{one} ({low}, {high})"
