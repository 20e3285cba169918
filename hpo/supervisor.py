"""Start the workers of a search, report their trials, replace dead workers and stop them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from hpo.queue import REASON, SECONDS, Queue
from hpo.search import Search
from hpo.study import OUT, check_parallel, hidden, open_study
from hpo.warming import warm
from zoo.errors import ZooError
from zoo.system.devices import share
from zoo.system.listener import SILENT, Listener, Stopped

POLL_SECONDS = 1.0
REPLACEMENTS = 3
"""Number of times that a worker may be replaced, for each requested worker."""
HOPELESS = 5
"""A search ends with an error if this many trials ended, and all of them failed."""


class Supervisor:
    """Runs a search's trials with workers on this machine.

    Args:
        search: definition of the search.
        storage: storage of the study.
        trials: total number of trials.
        workers: number of workers to start on this machine.
        default: values of the first trial, which is the config itself.
        listener: receives the results of the trials, and may ask to stop.
    """

    def __init__(
        self, search: Search, storage: BaseStorage, trials: int, workers: int,
        default: Mapping[str, Any], listener: Listener = SILENT,
    ) -> None:  # fmt: skip
        self.listener = listener
        self.search, self.workers = search, workers
        self.queue = Queue(open_study(search, storage), storage, search.grace)
        self.queue.sweep()
        if self.queue.others():
            check_parallel(search.storage, workers + 1)
        self.queue.study.set_user_attr(OUT, search.out)
        self.queue.fill(trials, default)
        self.told = {trial.number for trial in self.queue.ended()}
        self.begun, self.before = time.monotonic(), len(self.told)
        self.processes: dict[int, subprocess.Popen[str]] = {}
        self.logs: dict[int, IO[str]] = {}
        self.left = REPLACEMENTS * workers

    def run(self) -> None:
        """Run the workers until all trials have ended.

        Raises:
            ZooError: if workers die again and again, or the first trials all fail.
            Stopped: when asked to stop; the same command continues.
        """
        if len(self.told) >= self.queue.places:
            return
        kept = f"study {self.search.name} in {hidden(self.search.storage)}: "
        self.listener.say(f"{kept}{len(self.told)} of {self.queue.places} trials done")
        warm(self.search, self.listener)
        with self.listener.bar("trials", self.queue.places) as show:
            try:
                while len(self.told) < self.queue.places:
                    if self.listener.asked():
                        raise Stopped("stopped; run the same command again to continue")
                    self._tell()
                    self._keep_up()
                    show(len(self.told))
                    time.sleep(POLL_SECONDS)
            finally:
                self._stop()

    def _keep_up(self) -> None:
        """Start the workers, and replace those that have died."""
        for number in range(self.workers):
            process = self.processes.get(number)
            if process is not None and process.poll() is None:
                continue
            if process is not None and process.returncode != 0:
                self._lost(number, process.returncode)
            if self.queue.places > len(self.told):
                self.processes[number] = self._start(number)

    def _lost(self, number: int, code: int) -> None:
        log = self._log(number)
        if not self.left:
            raise ZooError(f"Workers have died {REPLACEMENTS * self.workers} times; {log} has the "
                           "last messages. Run the same command again to continue.")  # fmt: skip
        self.left -= 1
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        self.listener.say(f"worker {number} {how}; another takes its place ({log})")

    def _log(self, number: int) -> Path:
        return self.search.folder / f"worker{number}.log"

    def _start(self, number: int) -> subprocess.Popen[str]:
        self.search.folder.mkdir(parents=True, exist_ok=True)
        if number in self.logs:
            self.logs[number].close()
        self.logs[number] = self._log(number).open("a", encoding="utf-8")
        own = share(number, self.workers, self.search.accelerator)
        process = subprocess.Popen(
            [sys.executable, "-m", "hpo.worker", str(number)], stdin=subprocess.PIPE,
            stdout=self.logs[number], stderr=subprocess.STDOUT, text=True,
            env=os.environ | own, start_new_session=True,
        )  # fmt: skip
        assert process.stdin is not None
        process.stdin.write(self.search.to_json())
        process.stdin.close()
        return process

    def _tell(self) -> None:
        """Report the trials that have ended since the last call."""
        ended = self.queue.ended()
        for trial in sorted(ended, key=lambda t: t.datetime_complete or t.datetime_start):  # type: ignore[arg-type, return-value]
            if trial.number not in self.told:
                self.told.add(trial.number)
                self.listener.say(self._line(trial, ended))
        first = [trial for trial in ended if trial.state == TrialState.FAIL]
        # Failures of earlier calls do not count alone: their cause may be mended since.
        new = len(ended) > self.before
        if new and len(ended) == len(first) >= min(HOPELESS, self.queue.places):
            raise ZooError(f"The first {len(first)} trials all failed: "
                           f"{first[-1].user_attrs.get(REASON, 'no reason given')}")  # fmt: skip

    def _line(self, trial: FrozenTrial, ended: list[FrozenTrial]) -> str:
        done = len(self.told)
        rate = (time.monotonic() - self.begun) / max(1, done - self.before)
        left = rate * (self.queue.places - done)
        if trial.state == TrialState.COMPLETE:
            what = ", ".join(f"{name} {value:.4g}" for name, value in
                             zip(self.search.objectives, trial.values, strict=True))  # fmt: skip
        else:
            last = list(trial.intermediate_values.values())[-1:]
            what = trial.user_attrs.get(REASON, "failed") + "".join(f" at {x:.4g}" for x in last)
        best = ""
        if len(self.search.objectives) == 1 and any(t.state == TrialState.COMPLETE for t in ended):
            top = max((t for t in ended if t.state == TrialState.COMPLETE), key=lambda t: t.value)  # type: ignore[arg-type, return-value]
            best = f", best {top.value:.4g} (trial {top.number})"
        took = trial.user_attrs.get(SECONDS, 0.0)
        return (f"{done} of {self.queue.places}: trial {trial.number}: {what}, {took:.0f} s{best}, "
                f"about {_span(left)} left")  # fmt: skip

    def _stop(self) -> None:
        """Ask the workers to stop after their current step, and wait for them."""
        living = [process for process in self.processes.values() if process.poll() is None]
        for process in living:
            process.terminate()
        for process in living:
            try:
                process.wait(timeout=120)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for log in self.logs.values():
            log.close()
        self.queue.sweep()  # the trials of workers that had to be killed


def _span(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
