"""A study is what it was made for, is kept where it is safe, and samples the same everywhere."""

from __future__ import annotations

import dataclasses
import inspect
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import optuna
import pytest

from hpo.queue import Queue
from hpo.study import (
    check_parallel,
    hidden,
    load_study,
    open_storage,
    open_study,
    pruner,
    sampler,
)  # fmt: skip
from hpo.supervisor import Supervisor
from tests.hpo import tiny
from zoo.errors import ConfigError

DEPRECATED = {"consider_prior", "prior_weight", "consider_magic_clip", "consider_endpoints",
              "gamma", "weights", "warn_independent_sampling", "constraints_func"}  # fmt: skip


def arguments(cls: type) -> set[str]:
    return set(inspect.signature(cls).parameters)


def test_every_argument_of_the_sampler_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}
    monkeypatch.setattr(optuna.samplers, "TPESampler", lambda **words: given.update(words))
    sampler(0)
    monkeypatch.undo()
    assert set(given) == arguments(optuna.samplers.TPESampler) - DEPRECATED
    assert given["multivariate"] is given["group"] is given["constant_liar"] is True


@pytest.mark.parametrize("kind, name", [("hyperband", "HyperbandPruner"),
                                        ("percentile", "PercentilePruner")])  # fmt: skip
def test_every_argument_of_a_pruner_is_given(
    monkeypatch: pytest.MonkeyPatch, kind: str, name: str
) -> None:
    cls, given = getattr(optuna.pruners, name), {}

    def note(*values: Any, **words: Any) -> None:
        given.update(inspect.signature(cls).bind(*values, **words).arguments)

    monkeypatch.setattr(optuna.pruners, name, note)
    pruner(kind, 9)
    assert set(given) == arguments(cls)


def test_workers_sample_apart_and_each_the_same_again() -> None:
    def drawn(*seed: int) -> list[float]:
        study = optuna.create_study(sampler=sampler(*seed))
        return [study.ask().suggest_float("x", 0, 1) for _ in range(3)]

    assert drawn(0, 0, 0) == drawn(0, 0, 0)
    assert len({tuple(drawn(0, worker, ended)) for worker in range(3) for ended in range(3)}) == 9


OTHERS = {
    "config": lambda s: {**s.config, "graph": {**s.config["graph"], "k": 9}},
    "space": lambda s: {"graph.k": {"int": [2, 9]}},
    "inputs": lambda s: "other data",
    "in_trials": lambda s: ("train.epochs=1",),
    "pruner": lambda s: "percentile",
    "fold": lambda s: 2,
    "latency_limit": lambda s: 5.0,
}


@pytest.mark.parametrize("what", OTHERS)
def test_a_study_for_another_search_is_refused_with_the_difference(
    tmp_path: Path, plm_folders: dict[str, str], what: str
) -> None:
    search = tiny.search(tmp_path, plm_folders["esm"])
    open_study(search, open_storage(search.storage))
    open_study(search, open_storage(search.storage))  # the same search goes on
    other = dataclasses.replace(search, **{what: OTHERS[what](search)})
    with pytest.raises(ConfigError, match=rf"made for another search \({what}.* then, .* now"):
        open_study(other, open_storage(search.storage))


def test_sqlite_in_parallel_is_refused() -> None:
    check_parallel("sqlite:///a.db", 1)
    check_parallel("study.log", 8)
    with pytest.raises(ConfigError, match="database is locked.*journal"):
        check_parallel("sqlite:///a.db", 2)


def test_a_second_process_on_sqlite_is_refused(tmp_path: Path, plm_folders: dict[str, str]) -> None:
    where = f"sqlite:///{tmp_path / 'study.db'}"
    search = tiny.search(tmp_path, plm_folders["esm"], storage=where)
    storage = open_storage(where)
    Supervisor(search, storage, 2, 1, {})
    queue = Queue(open_study(search, storage), storage, 60.0)
    assert queue.claim() is not None
    with pytest.raises(ConfigError, match="with 2 workers: SQLite"):
        Supervisor(search, storage, 2, 1, {})


def test_a_storage_that_cannot_be_opened_is_told_without_its_password(tmp_path: Path) -> None:
    for where in ("postgresql://me:secret@127.0.0.1:1/none", "nodb://me:secret@host/x"):
        with pytest.raises(ConfigError, match="cannot be opened") as caught:
            open_storage(where)
        assert "secret" not in str(caught.value)
    with pytest.raises(ConfigError, match="is a folder"):
        open_storage(str(tmp_path))
    assert hidden("postgresql://me:secret@host:5432/db") == "postgresql://me@host:5432/db"
    assert hidden("study.log") == "study.log"


def test_a_study_that_is_not_there_is_told(tmp_path: Path, plm_folders: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        load_study(str(tmp_path / "none.log"), None)
    search = tiny.search(tmp_path, plm_folders["esm"])
    for name in ("one", "two"):
        open_study(dataclasses.replace(search, name=name), open_storage(search.storage))
    with pytest.raises(ConfigError, match=r"2 studies \(one, two\): give --name"):
        load_study(search.storage, None)
    with pytest.raises(ConfigError, match="no study 'three'"):
        load_study(search.storage, "three")
    assert load_study(search.storage, "two").study_name == "two"


PROXY = """
import sys
from optuna.storages import run_grpc_proxy_server
from hpo.study import open_storage
run_grpc_proxy_server(open_storage(sys.argv[1]), host="localhost", port=int(sys.argv[2]))
"""


def test_workers_far_away_go_through_optunas_proxy(
    tmp_path: Path, plm_folders: dict[str, str]
) -> None:
    pytest.importorskip("grpc", reason="grpcio is not installed")
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    search = tiny.search(tmp_path, plm_folders["esm"])
    server = subprocess.Popen([sys.executable, "-c", PROXY, search.storage, str(port)],
                              stderr=subprocess.DEVNULL)  # fmt: skip
    try:
        until = time.monotonic() + 60
        while True:
            try:
                storage = open_storage(f"grpc://localhost:{port}")
                break
            except ConfigError:
                assert time.monotonic() < until
        queue = Queue(open_study(search, storage), storage, 60.0)
        queue.fill(3, {"x": 0.5})
        while trial := queue.claim():
            queue.study.tell(trial, trial.suggest_float("x", 0.0, 1.0))
    finally:
        server.kill()
        server.wait()
    study = load_study(search.storage, None)  # the journal behind the proxy
    assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * 3
    assert study.trials[0].params == {"x": 0.5}


def test_a_lock_that_a_killed_worker_left_is_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On shared file systems Optuna's lock is a link, which outlives its process."""
    from optuna.storages.journal import _file

    class Clock:
        now = 0.0

        def monotonic(self) -> float:
            return self.now

        def sleep(self, seconds: float) -> None:
            self.now += seconds

    path = tmp_path / "study.log"
    study = optuna.create_study(storage=open_storage(str(path)), study_name="one")
    study.add_trial(optuna.trial.create_trial(value=1.0))
    Path(f"{path}.lock").symlink_to(path)
    clock = Clock()
    monkeypatch.setattr(_file, "time", clock)
    again = optuna.load_study(storage=open_storage(str(path)), study_name="one")
    again.add_trial(optuna.trial.create_trial(value=2.0))
    assert [trial.value for trial in again.trials] == [1.0, 2.0]
    assert 30 < clock.now < 40
