"""What others do to a training: a full disk, a worker or another process that is killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import torch

from tests.training import runs
from tests.training.test_ddp import started
from tests.training.test_resume import same_weights
from zoo.errors import ConfigError
from zoo.system.checkpoint_files import Patient
from zoo.training.fitting import GoneError, SaveError, train
from zoo.training.job import CHECKPOINTS, Hardware, Job
from zoo.training.starting import LAST

Row = dict[str, float]


@pytest.fixture
def make(tmp_path: Path, plm_folders: dict[str, str]) -> Callable[..., Job]:
    data = runs.quick_data(tmp_path / "data", count=24)
    return lambda name, **values: runs.job(
        data, plm_folders["esm"], tmp_path / name, tmp_path / "store", **values
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("after", [0, 1])
def test_a_full_disk_keeps_the_last_whole_checkpoint(make: Callable[..., Job], after: int) -> None:
    """The checkpoint is written to a device on which nothing has room."""
    whole, job = make("whole"), make("run")
    part = job.checkpoints / f"{LAST}.part"

    def fill(row: Row) -> None:
        if row["epoch"] == after:
            part.parent.mkdir(parents=True, exist_ok=True)
            part.symlink_to("/dev/full")

    train(whole)
    saved = r"last\.ckpt" if after else "No checkpoint was saved yet"
    with pytest.raises(SaveError, match=rf"No space left.*{saved}.*--resume"):
        train(job, epoch=fill)
    assert list((job.folder / CHECKPOINTS).glob("*.part")) == []
    train(job)
    same_weights(job, whole)


def test_a_file_tells_its_first_error_when_it_is_closed() -> None:
    class Broken:
        written = 0

        def write(self, data: bytes) -> int:
            self.written += 1
            if self.written == 3:
                raise KeyboardInterrupt
            return len(data)

        def flush(self) -> None: ...

    file = Broken()
    patient = Patient(file)  # type: ignore[arg-type]
    torch.save({"x": [torch.ones(10_000) for _ in range(5)]}, patient)  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt):
        patient.close()
    assert file.written == 3


def test_a_worker_that_is_killed_is_told_and_nothing_is_lost(make: Callable[..., Job]) -> None:
    whole, job = (make(name, **{"train.workers": 1}) for name in ("whole", "run"))
    before = psutil.Process().children()

    def kill(row: Row) -> None:
        if row["epoch"] == 1:
            for child in psutil.Process().children():
                if child not in before:
                    child.kill()

    train(whole)
    with pytest.raises(GoneError, match=r"loads data died.*train\.workers.*Saved:.*--resume"):
        train(job, epoch=kill)
    train(job)
    same_weights(job, whole)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_process_that_leaves_ends_the_others_and_nothing_is_lost(
    make: Callable[..., Job], tmp_path: Path
) -> None:
    whole, job = (replace(make(name), hardware=Hardware("cpu", "2")) for name in ("whole", "run"))
    said = tmp_path / "said"

    def leave(row: Row) -> None:
        """Kill the other process, from the first one, which alone is told of epochs."""
        if row["epoch"] == 1:
            os.kill(int((tmp_path / "1.pid").read_text()), signal.SIGKILL)

    def work() -> None:
        (tmp_path / f"{os.environ['LOCAL_RANK']}.pid").write_text(str(os.getpid()))
        try:
            train(job, epoch=leave)
        except GoneError as error:
            said.write_text(str(error))
            raise

    assert started(2, lambda: train(whole)) == [0, 0]
    assert started(2, work) == [1, -signal.SIGKILL]
    assert "Another process of this training died" in said.read_text()
    assert str(job.checkpoints / LAST) in said.read_text()
    with pytest.raises(ConfigError, match="2 processes began this training and 1 cannot continue"):
        train(replace(job, hardware=Hardware("cpu")))
    assert started(2, lambda: train(job)) == [0, 0]
    same_weights(job, whole)
