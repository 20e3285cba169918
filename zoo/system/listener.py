"""Listeners, which receive messages and progress: the library itself prints nothing."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

Progress = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]
"""Context manager of a task: takes its name and its number of steps.

It yields a function to call with the number of steps done:
`with listener.progress("reading", 10) as show: show(1)`.
"""


class Stopped(Exception):  # noqa: N818  asked for, not a mistake
    """Raised when work was asked to stop; its state is saved, and the text says how to continue."""


def _nothing(text: str) -> None:
    return None


def _silent(what: str, total: int) -> AbstractContextManager[Callable[[int], None]]:
    return nullcontext(lambda done: None)


def _never() -> bool:
    return False


@dataclass(frozen=True)
class Listener:
    """Receives the messages and progress of long work, and can ask it to stop.

    By default it ignores everything. A verb passes `zoo.command.say.terminal()`; your own program
    can pass functions of its own: `Listener(say=print)`.

    Attributes:
        say: Called with a line on what is being done.
        warn: Called with a line that the user must see, even if `say` is silent.
        progress: Shows progress on a terminal and in a log.
        bar: Shows progress on a terminal only, for steps too short for lines in a log.
        asked: Returns whether to stop after the current step.
    """

    say: Callable[[str], None] = _nothing
    warn: Callable[[str], None] = _nothing
    progress: Progress = _silent
    bar: Progress = _silent
    asked: Callable[[], bool] = _never


SILENT = Listener()


def leader() -> bool:
    """Return whether this is the first of the processes that train together (torchrun, SLURM)."""
    names = ("RANK", "SLURM_PROCID", "LOCAL_RANK")
    return int(next((os.environ[name] for name in names if name in os.environ), "0")) == 0
