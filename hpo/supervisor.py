"""Starts workers, tells what they do, replaces those that die, and stops them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import IO, Any

from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from hpo.attributes import SECONDS
from hpo.queue import REASON, Queue
from hpo.search import Search
from hpo.sharing import share
from hpo.study import OUT, check_parallel, hidden, open_study
from hpo.warming import warm
from zoo.cli import INTERRUPTED, err_console, progress
from zoo.errors import ZooError
from zoo.train import asked_to_stop

POLL_SECONDS = 1.0
REPLACEMENTS = 3
"""Workers that may be started anew, for each that was asked for."""
HOPELESS = 5
"""First trials that all fail end a search."""


class Supervisor:
    """Runs a search's trials with workers on this machine.

    Args:
        search: what to search.
        storage: of the study.
        trials: in all.
        workers: to start.
        default: numbers of the first trial.
    """

    def __init__(
        self, search: Search, storage: BaseStorage, trials: int, workers: int,
        default: Mapping[str, Any],
    ) -> None:  # fmt: skip
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
        """Return when every place has a trial that ended.

        Raises:
            ZooError: if workers die again and again, or the first trials all fail.
            SystemExit: when stopped; the same command goes on.
        """
        if len(self.told) >= self.queue.places:
            return
        kept = f"study {self.search.name} in {hidden(self.search.storage)}: "
        self._say(f"{kept}{len(self.told)} of {self.queue.places} trials done")
        warm(self.search)
        with asked_to_stop() as asked, self._bar() as show:
            try:
                while len(self.told) < self.queue.places:
                    if asked():
                        self._stop()
                        self._say("stopped; the same command goes on")
                        raise SystemExit(INTERRUPTED)
                    self._tell()
                    self._keep_up()
                    show(len(self.told))
                    time.sleep(POLL_SECONDS)
            finally:
                self._stop()

    def _bar(self) -> Any:
        """Return a progress bar on a terminal; in a log the lines of the trials say it all."""
        if err_console.is_terminal:
            return progress("trials", self.queue.places)
        return nullcontext(lambda done: None)

    def _keep_up(self) -> None:
        """Start the workers; replace those that have died."""
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
            raise ZooError(f"Workers have died {REPLACEMENTS * self.workers} times; {log} has what "
                           "the last one said. The same command goes on.")  # fmt: skip
        self.left -= 1
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        self._say(f"worker {number} {how}; another takes its place ({log})")

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
        """Print the trials that have ended since the last look."""
        ended = self.queue.ended()
        for trial in sorted(ended, key=lambda t: t.datetime_complete or t.datetime_start):  # type: ignore[arg-type, return-value]
            if trial.number not in self.told:
                self.told.add(trial.number)
                self._say(self._line(trial, ended))
        first = [trial for trial in ended if trial.state == TrialState.FAIL]
        if len(ended) == len(first) >= min(HOPELESS, self.queue.places):
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

    def _say(self, text: str) -> None:
        err_console.print(text, highlight=False, markup=False, soft_wrap=True)

    def _stop(self) -> None:
        """Have the workers end after the step under way, and wait for them."""
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
        self.queue.sweep()  # what a worker that had to be killed has left


def _span(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
