"""The threshold that validation chose: found, written, read, and told from a damaged one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from zoo.errors import CheckpointError
from zoo.models.runs import CALIBRATION, Member
from zoo.models.thresholds import METRICS, THRESHOLDS, read_thresholds, write_thresholds
from zoo.tasks import Target
from zoo.training.calibrating import choose_thresholds
from zoo.training.module import Seen

SITE = Target("site", "binary", "residue")
ALONE = (Member(Path("nowhere"), "seed 0", None, 0),)


def seen(logits: list[float], labels: list[float]) -> Seen:
    return Seen({"p": np.array(logits)[:, None]}, {"p": {"site": np.array(labels)}})


def test_it_is_the_probability_of_highest_mcc() -> None:
    one = seen([-2.0, -1.0, 0.5, 1.0, 3.0], [0, 0, 1, 1, np.nan])
    found = choose_thresholds([SITE], [([one], {"site": 2.0})])["site"]
    assert found["threshold"] == pytest.approx(1 / (1 + np.exp(-0.25)))
    assert (found["mcc"], found["n"]) == (1.0, 4)


def test_members_are_averaged_and_folds_pooled() -> None:
    first = [seen([-4.0, 0.0], [0, 1]), seen([-4.0, 2.0], [0, 1])]
    second = [seen([-3.0, 4.0], [0, 1])]
    found = choose_thresholds([SITE], [(first, {}), (second, {})])["site"]
    assert found["threshold"] == pytest.approx((0.5 + 1 / (1 + np.exp(-2))) / 2)
    assert found["n"] == 4


@pytest.mark.parametrize("kind", ["regression", "multiclass", "multilabel"])
def test_only_yes_or_no_has_one(kind: str) -> None:
    one = seen([0.0, 1.0], [0, 1])
    assert choose_thresholds([Target("site", kind, "residue")], [([one], {})]) == {}


def test_without_both_classes_there_is_none() -> None:
    assert choose_thresholds([SITE], [([seen([0.0, 1.0], [1, 1])], {})]) == {}


def test_what_is_written_is_read(tmp_path: Path) -> None:
    assert read_thresholds(tmp_path, ALONE) == {}
    write_thresholds(tmp_path, {"site": {"threshold": 0.25, "mcc": 0.5, "n": 4}})
    assert read_thresholds(tmp_path, ALONE) == {"site": 0.25}


DAMAGED = (
    "", "[]", '{"site": 0.5}', '{"site": {"threshold": 2}}', '{"site": {"threshold": NaN}}',
    '{"site": {"threshold": "x"}}', '{"site": {"threshold": null}}',
)  # fmt: skip


@pytest.mark.parametrize("text", DAMAGED)
def test_a_damaged_file_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / THRESHOLDS).write_text(text)
    with pytest.raises(CheckpointError, match="damaged"):
        read_thresholds(tmp_path, ALONE)


def test_an_older_run_has_that_of_its_scores(tmp_path: Path) -> None:
    member = Member(tmp_path, "seed 0", None, 0)
    (tmp_path / CALIBRATION).write_text(json.dumps({"site": {"temperature": 1.5}}))
    scores = {
        "temperatures": {"seed 0": {"site": 1.5}},
        "targets": {"site": {"threshold": 0.2}, "pk": {"threshold": None}},
    }

    def read(**changed: object) -> dict[str, float]:
        (tmp_path / METRICS).write_text(json.dumps(scores | changed))
        return read_thresholds(tmp_path, [member])

    assert read() == {"site": 0.2}
    assert read(temperatures={"seed 0": {"site": 2.0}}) == {}  # calibrated anew
    assert read(new_data={"targets": {}}) == {}  # chosen on other data
    (tmp_path / METRICS).write_text("{")
    assert read_thresholds(tmp_path, [member]) == {}
