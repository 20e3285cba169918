"""A training begins with the weights of a trained model, where that is right."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import zoo
from tests.training import runs
from zoo.errors import CheckpointError, ConfigError, DataError
from zoo.models.create import build_model
from zoo.models.model import FusedModel
from zoo.training.fitting import train
from zoo.training.job import Job
from zoo.training.record import begin as write_run
from zoo.training.warm_start import begin

Make = Callable[..., Job]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    alone = {key: x for key, x in runs.SMALL.items() if not key.startswith("fusion.")}
    monkeypatch.setattr(runs, "SMALL", {**alone, "train.epochs": 1})

    def made(kind: str, name: str, **values: Any) -> Job:
        data = tmp_path / f"data {kind}"
        if not data.exists():
            runs.quick_data(data, runs.TARGETS[kind], task="table")
        return runs.job(data, "none", tmp_path / name, tmp_path / "store", **values)

    return made


def begun(job: Job) -> FusedModel:
    model = build_model(job.blueprint)
    begin(model, job)
    return model


def differing(one: FusedModel, other: FusedModel) -> set[str]:
    """Return the names of the weights that are not the same, without the head's units."""
    state = other.state_dict()
    return {
        name for name, x in one.state_dict().items()
        if ".units." not in name
        and (x.shape != state[name].shape or not torch.equal(x, state[name]))
    }  # fmt: skip


def test_it_begins_with_the_weights_of_the_trained_model(make: Make) -> None:
    first = make("binary residue", "first")
    train(first)
    second = make("binary residue", "second", **{"train.start": first.folder, "seed": 3})
    assert differing(begun(second), zoo.load_model(first.folder)) == set()
    assert differing(build_model(second.blueprint), zoo.load_model(first.folder))
    train(second)
    assert f"began with the weights of {first.folder}" in (second.folder / "README.md").read_text()


def test_a_head_for_other_outputs_begins_anew(make: Make) -> None:
    first = make("binary", "first")
    train(first)
    second = make("multiclass", "second", **{"train.start": first.folder})
    found = differing(begun(second), zoo.load_model(first.folder))
    assert found == {"head.out.weight", "head.out.bias"}


def test_a_network_of_other_sizes_is_refused(make: Make) -> None:
    first = make("binary", "first")
    train(first)
    wider = make("binary", "second", **{**runs.SCHNET, "structure.args.hidden": 16,
                 "train.start": first.folder})  # fmt: skip
    with pytest.raises(ConfigError, match=r"train\.start.* has shape"):
        begun(wider)


def test_what_is_no_trained_model_is_refused(make: Make, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="is not a trained model"):
        begun(make("binary", "second", **{"train.start": tmp_path / "nothing"}))


def test_weights_that_saw_a_test_sample_are_refused(make: Make) -> None:
    first = make("binary", "first")
    train(first)
    second = make("binary", "second", **{"train.start": first.folder})
    keys = second.plan.keys
    swapped = keys._replace(train=keys.test, test=keys.train)
    second = dataclasses.replace(second, plan=dataclasses.replace(second.plan, keys=swapped))
    with pytest.raises(DataError, match="was trained on 12 samples that seed 0 is tested on"):
        begun(second)


def test_seeds_take_turns_and_folds_take_their_own(make: Make) -> None:
    first = make("binary", "run")
    members = []
    for fold in (0, 1):
        for seed in (0, 1):
            name = f"fold_{fold}_seed_{seed}"
            job = make("binary", f"run/{name}", seed=10 * fold + seed)
            train(job)
            members.append({"folder": name, "name": name, "fold": fold, "seed": seed})
    write_run(first.folder, first.config, first.data, first.manifest, first.targets, members)
    for fold, seed, name in ((0, 0, "fold_0_seed_0"), (1, 0, "fold_1_seed_0"),
                             (1, 3, "fold_1_seed_1")):  # fmt: skip
        job = make("binary", "new", **{"train.start": first.folder, "seed": seed})
        job = dataclasses.replace(job, plan=dataclasses.replace(job.plan, fold=fold))
        assert differing(begun(job), zoo.load_model(first.folder / name)) == set()
    without_folds = make("binary", "new", **{"train.start": first.folder, "seed": 2})
    assert not differing(begun(without_folds), zoo.load_model(first.folder / "fold_1_seed_0"))
