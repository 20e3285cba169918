"""Workers on trials of milliseconds: quick to start, easy to kill."""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
import traceback
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import optuna
from optuna.storages import RDBStorage
from optuna.storages.journal import JournalFileSymlinkLock
from optuna.trial import Trial, TrialState

from hpo.queue import REASON, Queue
from hpo.search import Search
from hpo.study import open_storage
from zoo.settings.config import Config

DEFAULT = {"x": 0.25, "y": 0.75}


def search(where: str, grace: float = 60.0) -> Search:
    """Return a search with a study of its own in a storage."""
    return Search(
        name=uuid.uuid4().hex, storage=where, config=Config().to_dict(), space={}, space_name="",
        in_trials=(), data="", inputs="", root=None, limit=None, fold=None, objectives=("score",),
        latency_limit=None, pruner="hyperband", minutes=None, gigabytes=None, seed=0,
        accelerator="cpu", out="", grace=grace,
    )  # fmt: skip


def join(search: Search) -> Queue:
    """Return the queue of a search, as a process that comes to it opens it."""
    storage = open_storage(search.storage)
    study = optuna.create_study(
        storage=storage, study_name=search.name, direction="maximize", load_if_exists=True,
        sampler=optuna.samplers.RandomSampler(),
    )  # fmt: skip
    return Queue(study, storage, search.grace)


def leave(queue: Queue) -> None:
    """Close the connections of a queue; using it opens them again."""
    if isinstance(queue.storage, RDBStorage):
        queue.storage.remove_session()
        queue.storage.engine.dispose()


def draw(trial: Trial) -> float:
    """Draw a trial's numbers; return the larger."""
    return max(trial.suggest_float(name, 0.0, 1.0) for name in DEFAULT)


class Runner:
    """Stands in for the one that trains: some trials end with a value, some pruned, some fail."""

    pause = 0.0

    def __init__(self, search: Search, asked: Callable[[], bool]) -> None:
        del search, asked

    def run(self, trial: Trial) -> tuple[TrialState, list[float] | None]:
        """Draw, report twice, and take a while."""
        value = draw(trial)
        for step in range(2):
            time.sleep(random.uniform(0.0, self.pause))
            trial.report(value, step)
        chance = int(1e6 * value) % 5
        if not chance:
            trial.set_user_attr(REASON, "failed by itself")
            return TrialState.FAIL, None
        return (TrialState.PRUNED, None) if chance == 1 else (TrialState.COMPLETE, [value])


# ------------------------------------------------------------------- what other processes do


def hang(search: Search) -> None:
    """Take a trial, draw its numbers, say so, and never end it."""
    trial = join(search).claim()
    assert trial is not None
    draw(trial)
    print(trial.number, flush=True)
    time.sleep(600)


def crowd(search: Search, places: int, workers: int, kills: int) -> None:
    """Work with many processes; kill some of them. Prints how each has ended."""
    queue = join(search)
    queue.fill(places, DEFAULT)
    leave(queue)
    children = [start(search, number) for number in range(workers)]
    for child in children[:kills]:
        enough = len(queue.ended()) + random.randint(3, places // (2 * kills))
        while len(queue.ended()) < min(enough, places):
            time.sleep(0.005)
        time.sleep(random.uniform(0.0, 0.05))
        with between_writes(search):
            os.kill(child, signal.SIGKILL)
            os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    print(json.dumps([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]))


def start(search: Search, number: int) -> int:
    """Start a worker; return its process's number."""
    from hpo import worker

    worker.Runner, worker.POLL_SECONDS = Runner, 0.05  # type: ignore[assignment, misc]
    Runner.pause = 0.05
    parent = os.getpid()
    child = os.fork()
    if child:
        return child
    try:
        random.seed()
        worker.work(search, number, lambda: os.getppid() != parent)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


@contextmanager
def between_writes(search: Search) -> Iterator[None]:
    """Hold a journal's lock: of one who dies with it, the others wait for half a minute."""
    if "://" in search.storage:
        yield
        return
    lock = JournalFileSymlinkLock(search.storage)
    lock.acquire()
    try:
        yield
    finally:
        lock.release()


if __name__ == "__main__":
    told = Search.from_json(sys.argv[2])
    {"hang": hang, "crowd": crowd}[sys.argv[1]](told, *map(int, sys.argv[3:]))
