"""The whole way: search, stop, go on, train again, report, and train with what came of it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hpo.queue import PLACE, Queue
from hpo.study import load_study
from tests.hpo import tiny
from tests.verbs import Result, call
from zoo.settings.config import load_config

pytestmark = pytest.mark.slow
SPACE = {"fusion.after": {"exchanges": [1, 3]}, "fusion.args.gate_width": {"int": [2, 8]}}


def arguments(tmp_path: Path, plm_folders: dict[str, str], *more: object) -> list[str]:
    """Return the arguments of a search over small data."""
    if not (tmp_path / "data").exists():
        tiny.data(tmp_path / "data")
    space = tiny.space_file(tmp_path, SPACE)
    values = [x for key, value in tiny.SETTINGS.items() if key not in ("sequence.weights", "task")
              for x in ("--set", f"{key}={value}")]  # fmt: skip
    return [
        "ppbs_esm2_8m_gvp_local", "--seq", plm_folders["esm"], "--data", str(tmp_path / "data"),
        "--storage", str(tmp_path / "study.log"), "--space", str(space),
        "--store", str(tmp_path / "store"), "--accelerator", "cpu", *values, *map(str, more),
    ]  # fmt: skip


@pytest.fixture
def search(
    tmp_path: Path, plm_folders: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> Callable[..., Result]:
    """Run a search in this process; its workers are processes of their own."""
    return lambda *more: call(capsys, "search", *arguments(tmp_path, plm_folders, *more))


def queue(tmp_path: Path) -> Queue:
    study = load_study(str(tmp_path / "study.log"), None)
    return Queue(study, study._storage, 60.0)


def test_a_search_ends_with_a_config_that_trains_and_a_page_that_opens_alone(
    tmp_path: Path, search: Callable[..., Result], capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--trials", 2, "--retrain", 1, "--seeds", 2, "--pruner", "none"]
    done = search(*options)
    assert done.code == 0, done.err
    assert "2 of 2: trial" in done.err and "the config itself" in done.out
    out = tmp_path / "study"
    page = (out / "report" / "index.html").read_text()
    assert not re.search(r'(src|href)="(?!data:)', page) and "<script" not in page
    assert {"History", "Which layers help", "Trained again"} <= set(re.findall(r"<h2>(.*?)<", page))
    assert list((out / "report").glob("*.png"))
    rows = json.loads((out / "retrained.json").read_text())
    assert [len(row["scores"]) for row in rows] == [2, 2]
    assert not any((out / "retrained").rglob("metrics.json"))  # the test split is not read

    best = out / "best.yaml"
    assert best.read_text() == (out / "report" / "best.yaml").read_text()
    assert load_config(best).train.epochs == 2
    trained = call(capsys, "train", best, "--data", tmp_path / "data", "--out", tmp_path / "run",
                   "--store", tmp_path / "store")  # fmt: skip
    assert trained.code == 0, trained.err

    again = json.loads(search(*options, "--json").out)
    assert again["retrained"] == rows and again["trials"] == 2
    assert (again["config"], again["report"]) == (str(best), str(out / "report" / "index.html"))

    more = search(*options[:-3], 3, *options[-2:])
    assert more.code == 2
    assert "was begun with --seeds 2, not 3" in " ".join(more.err.split())
    fold = search(*options, "--fold", 2)
    assert fold.code == 2
    assert "--fold 2: the data have no folds" in " ".join(fold.err.split())

    other = search(*options, "--set", "graph.k=5")
    assert other.code == 2
    assert "graph.k: 6 then, 5 now" in " ".join(other.err.split())


def started(given: list[str], tmp_path: Path, trials: int) -> subprocess.Popen[str]:
    """Return a search's process once so many of its trials have ended."""
    process = subprocess.Popen(
        [sys.executable, "-m", "hpo.run", *given], stderr=subprocess.PIPE, text=True
    )
    until = time.monotonic() + 240
    while time.monotonic() < until:
        assert process.poll() is None
        if (tmp_path / "study.log").is_file() and trials_ended(tmp_path) >= trials:
            return process
        time.sleep(0.2)
    raise AssertionError("the search is too slow")


def trials_ended(tmp_path: Path) -> int:
    try:
        return len(queue(tmp_path).ended())
    except Exception:  # the study is just being made
        return 0


def test_ctrl_c_loses_nothing(
    tmp_path: Path, plm_folders: dict[str, str], search: Callable[..., Result]
) -> None:
    given = arguments(tmp_path, plm_folders, "--trials", 3, "--retrain", 0)
    process = started(given, tmp_path, 1)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 130 and "the same command again to continue" in said
    assert not queue(tmp_path).running()
    before = {t.user_attrs[PLACE]: t.params for t in queue(tmp_path).ended()}
    assert search("--trials", 3, "--retrain", 0).code == 0
    after = {t.user_attrs[PLACE]: t.params for t in queue(tmp_path).ended()}
    assert sorted(after) == list(range(3))
    assert before.items() <= after.items()


def test_a_killed_worker_costs_one_trial_and_is_replaced(
    tmp_path: Path, plm_folders: dict[str, str]
) -> None:
    given = arguments(tmp_path, plm_folders, "--trials", 6, "--workers", 2, "--retrain", 0)
    process = started(given, tmp_path, 2)
    running = queue(tmp_path).running()
    os.kill(running[0].user_attrs["worker"]["pid"], signal.SIGKILL)
    _, said = process.communicate(timeout=240)
    assert process.returncode == 0, said
    assert "was killed by signal 9; another takes its place" in said
    found = queue(tmp_path)
    assert sorted(t.user_attrs[PLACE] for t in found.ended()) == list(range(6))
    assert not found.running()


def test_workers_end_with_the_process_that_started_them(
    tmp_path: Path, plm_folders: dict[str, str]
) -> None:
    given = arguments(tmp_path, plm_folders, "--trials", 30, "--retrain", 0)
    process = started(given, tmp_path, 1)
    process.kill()
    process.communicate()
    until = time.monotonic() + 120
    while queue(tmp_path).running() and time.monotonic() < until:
        time.sleep(0.5)
    assert not queue(tmp_path).running()
    assert len(queue(tmp_path).ended()) < 30


def test_trials_that_all_fail_end_the_search_with_the_reason(search: Callable[..., Result]) -> None:
    options = ["--trials", 9, "--retrain", 0, "--trial-minutes", 1e-9]
    done = search(*options)
    assert done.code == 1
    assert re.search(r"The first \d trials all failed: took more than", " ".join(done.err.split()))
