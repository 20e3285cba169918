"""Two processes that share the batches end where one does that adds up two at a time."""

from __future__ import annotations

import os
import socket
import sys
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests import shelf
from tests.training import runs
from zoo.models.blueprint import resolve
from zoo.training.curves import CURVES, read_curves
from zoo.training.fitting import train
from zoo.training.job import Hardware, Job
from zoo.training.planning import Wish
from zoo.training.running import fit


def started(processes: int, work: Callable[[], None]) -> list[int]:
    """Return the exit codes of as many processes that work, each told who it is, as clusters do."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    children = []
    for rank in range(processes):
        child = os.fork()
        if child == 0:
            os.environ |= {
                "LOCAL_RANK": str(rank), "NODE_RANK": "0", "WORLD_SIZE": str(processes),
                "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
            }  # fmt: skip
            code = 1
            try:
                work()
                code = 0
            except BaseException:
                traceback.print_exc(file=sys.__stderr__)
            os._exit(code)
        children.append(child)
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_two_processes_give_what_one_gives(tmp_path: Path, plm_folders: dict[str, str]) -> None:
    data = runs.quick_data(tmp_path / "data", count=24)

    def job(name: str, accumulate: int) -> Job:
        # Fixed rates, no clipping: what is compared is the gradient, not how it is cut.
        values = {"train.accumulate": accumulate, "train.schedule": "constant",
                  "train.warmup": 0.0, "train.clip": None, "train.tokens": 80}  # fmt: skip
        made = runs.job(data, plm_folders["esm"], tmp_path / name, tmp_path / f"store_{name}",
                        **values)  # fmt: skip
        return replace(made, hardware=Hardware("cpu"))

    alone, shared = job("alone", 2), replace(job("shared", 1), hardware=Hardware("cpu", "2"))
    train(alone)
    assert started(2, lambda: train(shared)) == [0, 0]
    rows = [read_curves(x.folder / CURVES) for x in (alone, shared)]
    assert [row["step"] for row in rows[0]] == [row["step"] for row in rows[1]]
    left, right = (load_file(x.folder / "model.safetensors") for x in (alone, shared))
    for name in left:
        shelf.assert_close(left[name], right[name], scale=20)
    scores = [[row["val_score"] for row in part] for part in rows]
    assert scores[0] == pytest.approx(scores[1], abs=1e-6)


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="reads threads off /proc")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_processes_part_before_they_end(tmp_path: Path, plm_folders: dict[str, str]) -> None:
    # A thread of gloo's that meets the interpreter's end aborts a process that was done.
    data = runs.quick_data(tmp_path / "data")
    config = runs.job(data, plm_folders["esm"], tmp_path, tmp_path, **{"train.epochs": 1}).config
    wish = Wish(
        config=config, data=data, out=tmp_path / "run", seeds=2, store=tmp_path / "store",
        hardware=Hardware("cpu", "2"),
    )  # fmt: skip

    def work() -> None:
        fit(wish)
        names = {path.read_text() for path in Path("/proc/self/task").glob("*/comm")}
        assert not [name for name in names if "gloo" in name]

    assert started(2, work) == [0, 0]
    assert len(list((tmp_path / "run").rglob("model.safetensors"))) == 2


@pytest.mark.parametrize("balanced", ["none", "balanced"])
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_one_sample_a_batch_is_one_large_batch(
    tmp_path: Path, plm_folders: dict[str, str], balanced: str
) -> None:
    """Also where samples have weights, lengths and unknown labels of their own, and over processes.

    Divided by its own sum of weights, a batch of one sample would pull the same whatever it weighs.
    """
    weighted = [
        replace(sample, weight=(0.01, 0.3, 1.0, 4.0)[number % 4])
        for number, sample in enumerate(runs.samples(runs.BINDING))
    ]
    data = runs.prepare(tmp_path / "data", [runs.BINDING], weighted)

    def job(name: str, tokens: int, accumulate: int) -> Job:
        made = runs.job(
            data, plm_folders["esm"], tmp_path / name, tmp_path / f"store_{name}",
            **{"train.accumulate": accumulate, "train.tokens": tokens, "train.epochs": 2,
               "train.schedule": "constant", "train.warmup": 0.0, "train.clip": None,
               "train.class_weights": balanced},
        )  # fmt: skip
        # Without dropout, whose numbers differ from batch to batch.
        config = made.config.with_options(
            {"sequence.name": "none", "fusion.write_back": "deep", "head.args.dropout": 0.0,
             "structure.args.dropout": 0.0}
        )  # fmt: skip
        return replace(made, blueprint=resolve(config), hardware=Hardware("cpu"))

    whole, single = job("whole", 10_000, 1), job("single", 1, 12)
    shared = replace(job("shared", 1, 6), hardware=Hardware("cpu", "2"))
    for one in (whole, single):
        train(one)
    assert started(2, lambda: train(shared)) == [0, 0]
    first, *others = (load_file(x.folder / "model.safetensors") for x in (whole, single, shared))
    for other in others:
        for name in first:
            torch.testing.assert_close(first[name], other[name], atol=2e-5, rtol=1e-3)
