"""The trained models that come with the package, each with what it is worth on held-out data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import isnan, nan
from typing import Any, NamedTuple

from zoo import pretrained
from zoo.system.reading import text
from zoo.tasks import HEADLINE

METRICS = "metrics.json"


class Interval(NamedTuple):
    """A number with its 95 % interval; NaN where there is none."""

    value: float
    low: float
    high: float

    def told(self, sign: str = "") -> str:
        """Return the number with its interval in brackets, or with a sign."""
        value, low, high = ("?" if isnan(one) else f"{one:{sign}.3f}" for one in self)
        return f"{value} ({low}, {high})"

    def __str__(self) -> str:
        return self.told()

    def plain(self) -> dict[str, float | None]:
        """Return the numbers by name, None where there is none, as JSON knows no NaN."""
        return {name: None if isnan(one) else one for name, one in self._asdict().items()}


class TrainedModel(str):
    """The name of a trained model, with its score on the test data of its task.

    It is a string like any other, for `load_model`. Of several targets the first one is told.

    Attributes:
        task: Name of the task.
        target: Name of what it predicts, which is the column of its predictions.
        metric: Name of the metric by which such a target is judged first.
        score: Its score by that metric.
        better: Whether a "higher" or a "lower" score is better.
        baseline: Name of the best baseline over the same data.
        difference: Its score minus that of the baseline, paired.
        megabytes: Size of its files.
        warning: What its user must know, if anything, in one sentence.
    """

    task: str
    target: str
    metric: str
    score: Interval
    better: str
    baseline: str
    difference: Interval
    megabytes: float
    warning: str

    @classmethod
    def of(cls, name: str) -> TrainedModel:
        """Return a model of the package by its name."""
        folder = pretrained.HOME / name
        metrics = json.loads(text(folder / METRICS))
        target, facts = next(iter(metrics["targets"].items()))
        metric = HEADLINE[facts["kind"]]
        moved = facts["differences"][metric]
        one = cls(name)
        one.task, one.target, one.metric = metrics["task"], target, metric
        one.score = interval(_own(facts)[metric])
        one.better, one.baseline, one.difference = (
            moved["better"], moved["baseline"], interval(moved)
        )  # fmt: skip
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        one.megabytes = round(size / 1e6, 2)
        one.warning = pretrained.warning(folder)
        return one

    def row(self) -> dict[str, Any]:
        """Return its facts as plain values, the name first."""
        return {
            "name": str(self), "task": self.task, "target": self.target, "metric": self.metric,
            "better": self.better, "score": self.score.plain(), "best baseline": self.baseline,
            "difference": self.difference.plain(), "MB": self.megabytes,
            "warning": self.warning,
        }  # fmt: skip


class TrainedModels(list[TrainedModel]):
    """Names of trained models, which print as a table with task and score."""

    def __repr__(self) -> str:
        head = ("name", "task", "metric", "score", "best baseline", "difference", "MB")
        rows = [head, *map(_cells, self)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = (
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            for row in rows
        )
        return "\n".join(line.rstrip() for line in lines)


def _cells(model: TrainedModel) -> tuple[str, ...]:
    return (
        str(model), model.task, model.metric, model.score.told(), model.baseline,
        model.difference.told("+"), f"{model.megabytes:.1f}",
    )  # fmt: skip


def _own(facts: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the scores of the model itself over all test data."""
    return next(
        part["values"] for part in facts["parts"]
        if part["model"] == "model" and part["subset"] == "all"
    )  # fmt: skip


def interval(values: Mapping[str, Any]) -> Interval:
    """Return the interval of a report, or of `Interval.plain`, where None stands for NaN."""
    found = (values[name] for name in Interval._fields)
    return Interval(*(nan if one is None else one for one in found))
