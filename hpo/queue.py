"""The queue of trials: exactly the requested number ends, whatever happens to the workers.

A study has places, numbered from 0, and one trial fills each. All are enqueued when the study is
made. Workers claim waiting trials, and the storage gives each trial to only one worker. If a worker
dies, its trial stays in the state "running"; another worker finds it, marks it as lost and enqueues
its place again with the same numbers. Optuna's own heartbeats do this only in relational databases
and inside `study.optimize`; this queue works in any storage, and never compares the clocks of two
machines.
"""

from __future__ import annotations

import os
import platform
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
import psutil
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

PLACE, DEFAULT, WORKER, BEAT, LOST, REASON, DEATHS, TRIALS = (
    "place", "default", "worker", "beat", "lost", "reason", "deaths", "trials"
)  # fmt: skip
"""Names of user attributes: all are of trials, but the last one is of the study."""
AFTER, EPOCHS, SECONDS, OWN_SECONDS = "after", "epochs", "seconds", "own_seconds"
"""Attributes of an ended trial: its exchanges, its number of epochs, its seconds in all, and its
seconds outside the epochs."""
DIED = "its worker died"
"""Reason of a lost trial whose worker died."""
MOST_DEATHS = 3
"""Number of workers that may die on a trial before it counts as failed."""
BEAT_SECONDS, SETTLE_SECONDS = 20.0, 1.0
ENDED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


def this_worker() -> dict[str, Any]:
    """Return what identifies this process among all processes of all machines."""
    process = psutil.Process()
    return {"host": _host(), "pid": process.pid, "started": _started(process)}


def _host() -> str:
    """Return what identifies this machine, its current boot and its space of process numbers.

    Names of machines can repeat, and so can the process numbers of containers.
    """
    try:
        space = os.readlink("/proc/self/ns/pid")
        start = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        space = start = ""
    return f"{platform.node()} {space} {start}".strip()


def _started(process: psutil.Process) -> float:
    """Return when a process started, in a way that changes of the clock do not affect."""
    boot: float = psutil.boot_time() if psutil.LINUX else 0.0  # on Linux, times count from the boot
    started: float = process.create_time()
    return started - boot


def is_lost(trial: FrozenTrial) -> bool:
    """Return whether a trial was given up because its worker died or was stopped."""
    return trial.state == TrialState.FAIL and LOST in trial.user_attrs


def has_ended(trial: FrozenTrial) -> bool:
    """Return whether a trial has filled its place: it completed, was pruned, or failed itself."""
    return trial.state in ENDED and not is_lost(trial)


class Queue:
    """The places of a study and the trials that fill them.

    Args:
        study: study that the trials belong to.
        storage: storage of the study.
        grace: seconds without a sign of life after which a worker elsewhere counts as dead.
    """

    def __init__(self, study: Study, storage: BaseStorage, grace: float) -> None:
        self.study, self.storage, self.grace = study, storage, grace
        self.id = storage.get_study_id_from_name(study.study_name)
        self.me = this_worker()
        self.seen: dict[int, tuple[Any, float]] = {}

    def trials(self, *states: TrialState) -> list[FrozenTrial]:
        """Return the trials that have a place, in order of their numbers."""
        found = self.study.get_trials(deepcopy=False, states=states or None)
        return [trial for trial in found if PLACE in trial.user_attrs]

    @property
    def places(self) -> int:
        """The number of trials that were asked for."""
        return int(self.study.user_attrs.get(TRIALS, 0))

    def ended(self) -> list[FrozenTrial]:
        """Return the trials that have filled their places."""
        return [trial for trial in self.trials(*ENDED) if has_ended(trial)]

    def fill(self, places: int, default: Mapping[str, Any]) -> None:
        """Enqueue trials until there are this many places; place 0 is the default."""
        if places > self.places:
            self.study.set_user_attr(TRIALS, places)
        else:
            self._settle()
        self.restore(default)

    def _settle(self) -> None:
        """Wait while another process, which has just made the study, enqueues its trials."""
        count = -1
        while count < len(self.trials()) < self.places:
            count = len(self.trials())
            time.sleep(SETTLE_SECONDS)

    def restore(self, default: Mapping[str, Any] | None = None) -> None:
        """Enqueue places without a trial, which a process leaves that died while enqueueing."""
        latest: dict[int, FrozenTrial] = {}
        held = set()
        for trial in self.trials():
            latest[trial.user_attrs[PLACE]] = trial
            if not is_lost(trial):
                held.add(trial.user_attrs[PLACE])
        for place in range(self.places):
            if place in held:
                continue
            if place in latest:
                last = latest[place]
                self._again(last, died=last.user_attrs[LOST] == DIED)
            elif place or default is not None:
                attributes = {PLACE: place} if place else {PLACE: 0, DEFAULT: True}
                self.study.enqueue_trial(dict(default or {}) if not place else {}, attributes)

    def claim(self) -> Trial | None:
        """Return a trial for this worker to run; None if no trial is waiting."""
        for waiting in self.trials(TrialState.WAITING):
            number = self._id(waiting.number)
            try:
                if not self.storage.set_trial_state_values(number, TrialState.RUNNING):
                    continue
                trial = optuna.Trial(self.study, number)
                trial.set_user_attr(WORKER, self.me)
            except UpdateFinishedTrialError:  # another was quicker, or counts this one as dead
                continue
            if self._is_double(waiting):
                self._lose(waiting, "two processes had enqueued its place")
                continue
            return trial
        return None

    def _is_double(self, waiting: FrozenTrial) -> bool:
        place = waiting.user_attrs[PLACE]
        return any(
            other.user_attrs[PLACE] == place and other.number < waiting.number
            and not is_lost(other) for other in self.trials()
        )  # fmt: skip

    def running(self) -> list[FrozenTrial]:
        """Return the trials that workers are running."""
        return self.trials(TrialState.RUNNING)

    def others(self) -> list[FrozenTrial]:
        """Return the trials that living workers on this machine are running."""
        hosts = [(t, t.user_attrs.get(WORKER, {}).get("host")) for t in self.running()]
        return [t for t, host in hosts if host == self.me["host"] and not self._is_dead(t)]

    def sweep(self) -> None:
        """Enqueue the trials of dead workers again."""
        for trial in self.running():
            if self._is_dead(trial) and self._lose(trial, DIED):
                self._again(trial, died=True)

    def give_back(self, trial: Trial, why: str) -> None:
        """Enqueue a trial again that this worker will not finish."""
        frozen = self.storage.get_trial(self._id(trial.number))
        if self._lose(frozen, why):
            self._again(frozen)

    def _id(self, number: int) -> int:
        return self.storage.get_trial_id_from_study_id_trial_number(self.id, number)

    def _is_dead(self, trial: FrozenTrial) -> bool:
        worker = trial.user_attrs.get(WORKER)
        if worker is not None and worker["host"] == self.me["host"]:
            return not _lives(worker)
        sign, now = (worker, trial.user_attrs.get(BEAT)), time.monotonic()
        before, since = self.seen.get(trial.number, (None, now))
        if sign != before:
            self.seen[trial.number] = (sign, now)
            return False
        return now - since > self.grace

    def _lose(self, trial: FrozenTrial, why: str) -> bool:
        """Mark a trial as lost; return False if another process was quicker."""
        number = self._id(trial.number)
        deaths = trial.user_attrs.get(DEATHS, 0)
        given_up = why == DIED and deaths + 1 >= MOST_DEATHS
        try:
            if given_up:
                text = f"{DIED}, {MOST_DEATHS} times"
                self.storage.set_trial_user_attr(number, REASON, text)
            else:
                self.storage.set_trial_user_attr(number, LOST, why)
            self.storage.set_trial_state_values(number, TrialState.FAIL)
        except UpdateFinishedTrialError:
            return False
        return not given_up

    def _again(self, trial: FrozenTrial, *, died: bool = False) -> None:
        """Enqueue a lost trial's place, with the numbers it had drawn."""
        trial = self.storage.get_trial(self._id(trial.number))  # it may have drawn more meanwhile
        kept = {key: trial.user_attrs[key] for key in (PLACE, DEFAULT) if key in trial.user_attrs}
        deaths = trial.user_attrs.get(DEATHS, 0) + died
        fixed = {**trial.system_attrs.get("fixed_params", {}), **trial.params}
        self.study.enqueue_trial(fixed, {**kept, DEATHS: deaths})


def _lives(worker: Mapping[str, Any]) -> bool:
    try:
        process = psutil.Process(worker["pid"])
        same = abs(_started(process) - worker["started"]) < 1.0
        return same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


@contextmanager
def beating(queue: Queue, trial: Trial) -> Iterator[None]:
    """Give regular signs of life, by which workers on other machines see that this one lives."""
    done = threading.Event()

    def beat() -> None:
        count = 0
        while not done.wait(BEAT_SECONDS):
            count += 1
            try:
                trial.set_user_attr(BEAT, count)
            except UpdateFinishedTrialError:  # another worker counts this one as dead
                return
            except Exception:  # the storage may work again at the next beat
                continue

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
