"""A run that was stopped, however rudely, ends with the weights of one that was not."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.training import runs
from zoo.system.listener import Listener, Stopped
from zoo.training.curves import CURVES, read_curves
from zoo.training.fitting import train
from zoo.training.job import CHECKPOINTS, Job
from zoo.training.starting import LAST

MANY = {"train.epochs": 20, "train.patience": None}
WAYS: dict[str, dict[str, Any]] = {
    "cosine": {},
    "plateau, accumulated": {"train.schedule": "plateau", "train.accumulate": 2},
    "early stop": {"train.patience": 1, "train.epochs": 12, "train.lr.structure": 0.3},
    "deep": {"fusion.write_back": "deep"},
    "worker": {"train.workers": 1},
    "noise and masks": {"train.noise": 0.3, "train.mask_types": 0.2, "train.workers": 1},
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return runs.quick_data(tmp_path_factory.mktemp("data") / "ppbs")


@pytest.fixture
def make(data: Path, plm_folders: dict[str, str], tmp_path: Path) -> Callable[..., Job]:
    def made(name: str, **values: Any) -> Job:
        values = {"train.checkpoint_minutes": 0.0001, **values}
        return runs.job(data, plm_folders["esm"], tmp_path / name, tmp_path / "store", **values)

    return made


def steps_of(job: Job) -> int:
    return int(read_curves(job.folder / CURVES)[-1]["step"])


def stop_after(steps: int) -> Callable[[], bool]:
    seen = 0

    def asked() -> bool:
        nonlocal seen
        seen += 1
        return seen > steps

    return asked


def same_weights(a: Job, b: Job) -> None:
    left, right = (load_file(job.folder / "model.safetensors") for job in (a, b))
    assert left.keys() == right.keys()
    for name in left:
        assert torch.equal(left[name], right[name]), name


def same_last_step(a: Job, b: Job) -> None:
    """Compare what the best epoch's weights do not show: the end, and Adam's moments."""
    left, right = (torch.load(job.folder / CHECKPOINTS / LAST, weights_only=True) for job in (a, b))
    assert left["global_step"] == right["global_step"]
    for name, tensor in left["state_dict"].items():
        assert torch.equal(tensor, right["state_dict"][name]), name
    moments = [x["optimizer_states"][0]["state"] for x in (left, right)]
    for index, state in moments[0].items():
        for name, value in state.items():
            assert torch.equal(value, moments[1][index][name]), (index, name)


@pytest.mark.parametrize("way", WAYS)
def test_stopped_after_any_step_it_ends_as_if_it_had_not(
    make: Callable[..., Job], way: str
) -> None:
    whole = make("whole", **WAYS[way])
    train(whole)
    broken, stops = make("broken", **WAYS[way]), 0
    for steps in [1, 2, 1, 3, 4, 1, 100]:
        try:
            train(broken, listener=Listener(asked=stop_after(steps)))
            break
        except Stopped:
            stops += 1
    assert stops > 2
    same_last_step(whole, broken)
    same_weights(whole, broken)
    kept = [("epoch", "step", "val_loss", "val_score", "lr")]
    for name in kept[0]:
        curves = ([row[name] for row in read_curves(x.folder / CURVES)] for x in (whole, broken))
        assert list(next(curves)) == list(next(curves)), name


def killed_after(seconds: float, work: Callable[[], None]) -> bool:
    """Run `work` in a process that is killed after some time; return whether it had ended."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        except BaseException:
            traceback.print_exc(file=sys.__stderr__)
        os._exit(code)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            assert os.waitstatus_to_exitcode(status) == 0
            return True
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_killed_at_ten_random_moments_it_ends_with_the_same_weights(
    make: Callable[..., Job],
) -> None:
    whole = make("whole", **MANY)
    begun = time.monotonic()
    train(whole)
    lasted = time.monotonic() - begun
    broken, kills, rng = make("broken", **MANY), 0, random.Random(5)
    while kills < 10:
        # From the model's making to some epochs on; each time it comes a little further.
        if killed_after(rng.uniform(0.01, 0.08) * lasted, lambda: train(broken)):
            break
        kills += 1
    if not broken.finished:
        train(broken)
    assert kills == 10
    assert steps_of(whole) == steps_of(broken)
    same_last_step(whole, broken)
    same_weights(whole, broken)
