"""The list of trained models: strings that print as a table of what they are worth."""

from __future__ import annotations

import json
import pickle
from math import isnan, nan

import pytest

import zoo
from zoo import pretrained
from zoo.models.trained import Interval, TrainedModel, interval


def test_the_names_are_strings_in_a_list() -> None:
    found = zoo.list_models(pretrained=True)
    assert found == pretrained.task_models() and isinstance(found, list)
    assert json.loads(json.dumps(found)) == pretrained.task_models()
    assert zoo.list_models("bce_*", pretrained=True) == ["bce_serial"] and "bce" in found


def test_the_list_prints_a_line_for_each_with_task_and_score() -> None:
    found = zoo.list_models(pretrained=True)
    head, *lines = repr(found).splitlines()
    assert head.split()[:4] == ["name", "task", "metric", "score"]
    for line, model in zip(lines, found, strict=True):
        assert line.split()[:4] == [model, model.task, model.metric, f"{model.score.value:.3f}"]
        assert model.difference.told("+") in line and model.baseline in line


@pytest.mark.parametrize("name", pretrained.task_models())
def test_what_is_told_is_what_was_measured(name: str) -> None:
    metrics = json.loads((pretrained.HOME / name / "metrics.json").read_text())
    model = TrainedModel.of(name)
    facts = metrics["targets"][model.target]
    values = {part["model"]: part["values"] for part in facts["parts"] if part["subset"] == "all"}
    assert model.score.value == values["model"][model.metric]["value"]
    assert model.score.low < model.score.value < model.score.high
    ours, theirs = model.score.value, values[model.baseline][model.metric]["value"]
    assert model.difference.value == pytest.approx(ours - theirs)
    assert model.better == ("lower" if model.metric == "rmse" else "higher")


def test_a_name_goes_to_another_process_with_its_facts() -> None:
    (model,) = zoo.list_models("bce", pretrained=True)
    again = pickle.loads(pickle.dumps(model))
    assert again == model and again.score == model.score and again.task == "bce"


def test_an_interval_that_is_not_known_is_none_in_json() -> None:
    one = Interval(0.5, nan, nan)
    assert one.plain() == {"value": 0.5, "low": None, "high": None}
    assert isnan(interval(one.plain()).low) and str(one) == "0.500 (?, ?)"
    assert Interval(0.5, 0.4, 0.6).told("+") == "+0.500 (+0.400, +0.600)"
