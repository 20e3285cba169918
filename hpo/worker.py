"""A worker, started by `zoo search`: it runs trials of the queue until all have ended."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable

from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import Trial

from hpo.queue import Queue, beating
from hpo.search import Search
from hpo.study import open_storage, open_study
from hpo.trials import Runner
from zoo.command.cli import INTERRUPTED
from zoo.system.listener import Stopped

POLL_SECONDS = 2.0
"""Time between two checks of the trials that other workers are running."""


def work(search: Search, number: int, asked: Callable[[], bool]) -> None:
    """Run trials until all trials of the study have ended.

    Args:
        search: search that the trials belong to.
        number: number of this worker, from 0.
        asked: returns whether to stop after the current step.

    Raises:
        Stopped: when asked to stop; the current trial is enqueued again.
    """
    storage = open_storage(search.storage)
    queue = Queue(open_study(search, storage, number), storage, search.grace)
    runner = Runner(search, asked)
    while not asked():
        queue.sweep()
        trial = queue.claim()
        if trial is not None:
            _run(queue, runner, trial)
        elif queue.running():
            time.sleep(POLL_SECONDS)  # those workers may die
        elif len(queue.ended()) >= queue.places:
            return
        else:
            queue.restore()
    raise Stopped


def _run(queue: Queue, runner: Runner, trial: Trial) -> None:
    try:
        with beating(queue, trial):
            state, values = runner.run(trial)
        queue.study.tell(trial, values, state, skip_if_finished=True)
    except UpdateFinishedTrialError:
        return  # another worker counts this one as dead, and has enqueued the trial again
    except BaseException:
        queue.give_back(trial, "its worker was stopped")
        raise


def main() -> None:
    """Read a search from standard input, and work on it while the parent process lives."""
    from zoo.command.interrupts import asked_to_stop

    number, parent = int(sys.argv[1]), os.getppid()
    search = Search.from_json(sys.stdin.read())
    with asked_to_stop() as asked:
        try:
            work(search, number, lambda: asked() or os.getppid() != parent)
        except Stopped:
            raise SystemExit(INTERRUPTED) from None


if __name__ == "__main__":
    main()
