"""The validation score, also where the labels do not define one."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from tests.training import runs
from tests.verbs import call
from zoo.data.preparing import index_record
from zoo.data.samples import Sample
from zoo.examples.made_up import write_made_up
from zoo.tasks import Target
from zoo.training.curves import CURVES, read_curves
from zoo.training.scoring import score_name, score_of, undefined

CONSTANT = {"binary": 0.0, "binary residue": 0.0, "regression": 3.0, "regression residue": 3.0}


def score(target: Target, truth: np.ndarray, logits: np.ndarray) -> float:
    return score_of([target], {"p": logits}, {"p": {target.name: truth}})


@pytest.mark.parametrize("kind", CONSTANT)
def test_without_a_score_the_loss_chooses(kind: str) -> None:
    target, value = runs.TARGETS[kind], CONSTANT[kind]
    truth = np.full(5, value)
    near = np.full((5, 1), -3.0 if value == 0 else value + 0.1)
    far = np.full((5, 1), 0.5 if value == 0 else value + 2.0)
    assert np.isfinite([score(target, truth, near), score(target, truth, far)]).all()
    assert score(target, truth, near) > score(target, truth, far)


def test_labels_without_a_positive_too() -> None:
    target = runs.TARGETS["multilabel"]
    truth = np.zeros((4, 2))
    truth[0, 0] = np.nan
    better, worse = (score(target, truth, np.full((4, 2), x)) for x in (-4.0, 1.0))
    assert better > worse


def record(target: Target, values: object) -> dict:
    protein = runs.samples(target, count=1)[0].protein
    return index_record(Sample("p", protein, {target.name: np.float32(values)}), [target])


@pytest.mark.parametrize("kind", runs.TARGETS)
def test_what_is_undefined_is_known_before_training(kind: str) -> None:
    target = runs.TARGETS[kind]
    samples = runs.samples(target)
    index = {sample.id: index_record(sample, [target]) for sample in samples}
    assert undefined([target], index, list(index)) == {}
    shape = np.shape(samples[0].targets[target.name])
    unknown = record(target, np.full(shape, np.nan))
    assert target.name in undefined([target], {"p": unknown}, ["p"])
    if kind in CONSTANT:
        constant = record(target, np.full(shape, CONSTANT[kind]))
        (reason,) = undefined([target], {"p": constant}, ["p"]).values()
        assert reason == f"has only the value {CONSTANT[kind]:g}"


def test_it_is_said_before_the_first_step_and_not_the_first_epoch_is_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_made_up(tmp_path / "mine", 10)
    table = tmp_path / "mine" / "labels.csv"
    lines = table.read_text().splitlines()
    blank = [
        ",".join([*cells[:3], "0" * len(cells[3])]) if cells[2] == "validation" else ",".join(cells)
        for cells in (line.split(",") for line in lines)
    ]
    table.write_text("\n".join(blank) + "\n")
    done = call(
        capsys, "train", "table_plm_mini_gearnet_local", "--data", tmp_path / "mine", "--out",
        tmp_path / "run", "--store", tmp_path / "store", "--seq", "none",
        "--set", "fusion.write_back=deep", "--set", "train.epochs=4", "--set",
        "structure.args.num_layers=1",
    )  # fmt: skip
    assert done.code == 0, done.err
    said = done.err.index("site has only the value 0 in the validation samples")
    assert said < done.err.index("epoch 1 of 4")
    rows = read_curves(tmp_path / "run" / CURVES)
    best = max(rows, key=lambda row: row["val_score"])
    assert all(-10 < row["val_score"] < 0 for row in rows) and best["epoch"] > 0


def test_a_target_that_has_no_score_leaves_the_choice_to_the_others() -> None:
    site, other = runs.TARGETS["binary"], dataclasses.replace(runs.TARGETS["binary"], name="other")
    truth = {"site": np.array([0.0, 0.0, 1.0, 1.0]), "other": np.zeros(4)}
    names = [site.name, other.name]
    known = {"p": dict(zip(names, truth.values(), strict=True))}
    right = np.array([[-2.0], [-1.0], [1.0], [2.0]])
    logits = np.hstack([right, -right])
    assert score_of([site, other], {"p": logits}, known) == 1.0
    assert score_name([site, other], [other.name]) == "average precision"
    assert score_name([site, other], names) == "minus the loss"


def test_validation_samples_without_any_label_are_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_made_up(tmp_path / "mine", 10)
    table = tmp_path / "mine" / "labels.csv"
    cells = [line.split(",") for line in table.read_text().splitlines()]
    blank = [[*row[:3], "x" * len(row[3])] if row[2] == "validation" else row for row in cells]
    table.write_text("\n".join(map(",".join, blank)) + "\n")
    done = call(
        capsys, "train", "table_plm_mini_gearnet_local", "--data", tmp_path / "mine", "--out",
        tmp_path / "run", "--store", tmp_path / "store", "--seq", "none",
    )  # fmt: skip
    assert done.code == 4
    assert "No validation sample has a known label" in " ".join(done.err.split())
