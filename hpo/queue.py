"""The queue of trials: exactly as many end as were asked for, whatever happens to the workers.

A study has places, numbered from 0, and each is filled by one trial. All are enqueued when the
study is made; workers take waiting ones, and a storage gives each to one worker only. A worker
that dies leaves a running trial: another finds it, marks it lost and enqueues its place again with
the same numbers. Optuna's own heartbeats do this in relational databases only, and inside
`study.optimize`; this works in any storage, and compares no two machines' clocks.
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
"""Names of attributes: of trials, and the last one of a study."""
DIED = "its worker died"
"""Why most trials are lost."""
MOST_DEATHS = 3
"""Workers that a trial may take down before it counts as failed."""
BEAT_SECONDS, SETTLE_SECONDS = 20.0, 1.0
ENDED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


def this_worker() -> dict[str, Any]:
    """Return what tells this process from every other one."""
    process = psutil.Process()
    return {"host": _host(), "pid": process.pid, "started": _started(process)}


def _host() -> str:
    """Return what tells this machine, and its space of process numbers, from every other one.

    Names of machines repeat, as do those spaces (of containers); of each start there is one.
    """
    try:
        space = os.readlink("/proc/self/ns/pid")
        start = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        space = start = ""
    return f"{platform.node()} {space} {start}".strip()


def _started(process: psutil.Process) -> float:
    """Return when a process started, whatever was done to the clock since."""
    boot: float = psutil.boot_time() if psutil.LINUX else 0.0  # there times count from the boot
    started: float = process.create_time()
    return started - boot


def is_lost(trial: FrozenTrial) -> bool:
    """Return whether a trial ended without its worker having ended it."""
    return trial.state == TrialState.FAIL and LOST in trial.user_attrs


def has_ended(trial: FrozenTrial) -> bool:
    """Return whether a trial has filled its place: with a value, pruned, or failed by itself."""
    return trial.state in ENDED and not is_lost(trial)


class Queue:
    """The places of a study.

    Args:
        study: whose trials they are.
        storage: of the study.
        grace: seconds without a sign of life after which a worker elsewhere counts as dead.
    """

    def __init__(self, study: Study, storage: BaseStorage, grace: float) -> None:
        self.study, self.storage, self.grace = study, storage, grace
        self.id = storage.get_study_id_from_name(study.study_name)
        self.me = this_worker()
        self.seen: dict[int, tuple[Any, float]] = {}

    def trials(self, *states: TrialState) -> list[FrozenTrial]:
        """Return the trials that have a place, in their order."""
        found = self.study.get_trials(deepcopy=False, states=states or None)
        return [trial for trial in found if PLACE in trial.user_attrs]

    @property
    def places(self) -> int:
        """How many trials were asked for."""
        return int(self.study.user_attrs.get(TRIALS, 0))

    def ended(self) -> list[FrozenTrial]:
        """Return the trials that have filled their places."""
        return [trial for trial in self.trials(*ENDED) if has_ended(trial)]

    def fill(self, places: int, default: Mapping[str, Any]) -> None:
        """Ask for so many trials, the default first; those asked for before count."""
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
        """Enqueue places that have no trial: those of a process that died while it enqueued."""
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
        """Return a trial for this worker to run; None where none is waiting."""
        for waiting in self.trials(TrialState.WAITING):
            number = self._id(waiting.number)
            try:
                if not self.storage.set_trial_state_values(number, TrialState.RUNNING):
                    continue
                trial = optuna.Trial(self.study, number)
                trial.set_user_attr(WORKER, self.me)
            except UpdateFinishedTrialError:  # another was quicker, or took this one for dead
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
        """Return the trials that workers are at."""
        return self.trials(TrialState.RUNNING)

    def others(self) -> list[FrozenTrial]:
        """Return the trials that workers on this machine are known to be at."""
        hosts = [(t, t.user_attrs.get(WORKER, {}).get("host")) for t in self.running()]
        return [t for t, host in hosts if host == self.me["host"] and not self._is_dead(t)]

    def sweep(self) -> None:
        """Enqueue again what dead workers have left."""
        for trial in self.running():
            if self._is_dead(trial) and self._lose(trial, DIED):
                self._again(trial, died=True)

    def give_back(self, trial: Trial, why: str) -> None:
        """Enqueue again a trial that this worker will not end."""
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
        """Mark a trial as lost; return whether it was this process that did."""
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
    """Give a sign of life every now and then, as workers on other machines need one."""
    done = threading.Event()

    def beat() -> None:
        count = 0
        while not done.wait(BEAT_SECONDS):
            count += 1
            try:
                trial.set_user_attr(BEAT, count)
            except UpdateFinishedTrialError:  # another worker took this one for dead
                return
            except Exception:  # of the storage, which may be back at the next beat
                continue

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
