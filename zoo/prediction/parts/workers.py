"""Several processes on one machine that make the parts of one folder."""

from __future__ import annotations

import multiprocessing as mp
import os
import signal
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from zoo.errors import ZooError
from zoo.prediction.listing import Input
from zoo.prediction.parts.folder import PartsFolder
from zoo.prediction.parts.jobs import Job
from zoo.prediction.parts.loop import Loop, Tally, plan_of
from zoo.system.devices import share
from zoo.system.listener import Listener, Stopped
from zoo.system.shards import Shard

REPLACEMENTS = 3
"""Number of times that a worker which died is replaced, for each worker."""
POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Run:
    """One command that makes parts.

    Attributes:
        job: What is computed.
        files: Inputs.
        out: Folder of the parts.
        size: Number of records in a part.
        tokens: Maximum number of tokens in a batch.
        shard: Share of the parts that are made.
    """

    job: Job
    files: Sequence[Input]
    out: Path
    size: int
    tokens: int
    shard: Shard = Shard()

    def here(self, listener: Listener) -> Tally:
        """Make the parts in this process.

        Raises:
            ZooError: For a model, an input or a folder that is not valid.
            Stopped: When asked to stop.
            OSError: If the disk is full.
        """
        work = self.job.begin()
        folder = PartsFolder(self.out, plan_of(work, self.files, self.size, self.tokens))
        with listener.progress("parts", len(self.files)) as advance:
            loop = Loop(work, folder, self.tokens, advance, listener.asked)
            return loop.run(self.files, self.shard)


class Workers:
    """Processes that share a run, each with a device or cores of its own.

    One that dies is replaced, and its part is made again.

    Args:
        run: The run.
        count: Number of processes.
        listener: Receives the progress, what the processes warn of, and may ask to stop.
    """

    def __init__(self, run: Run, count: int, listener: Listener) -> None:
        self._run, self._count, self._listener = run, count, listener
        self._left = REPLACEMENTS * count
        self._ends: dict[Connection, tuple[int, Any]] = {}
        self._tallies: list[Tally] = []
        self._told: set[str] = set()

    def work(self) -> Tally:
        """Run the workers until each has been through the inputs.

        Raises:
            ZooError: If one is raised in a worker, or workers die again and again.
            Stopped: When asked to stop.
        """
        most = 0
        with self._listener.progress("parts", len(self._run.files)) as advance:
            try:
                for number in range(self._count):
                    self._start(number)
                while self._ends:
                    if self._listener.asked():
                        raise Stopped("stopped; the same command makes the missing parts")
                    for end in wait([*self._ends], POLL_SECONDS):
                        most = max(most, self._hear(end))
                        advance(most)
            finally:
                self._stop()
        return together(self._tallies)

    def _start(self, number: int) -> None:
        mine, theirs = _SPAWN.Pipe(duplex=False)
        kind = "auto" if self._run.job.device in ("auto", "cuda") else "cpu"
        with _environment(share(number, self._count, kind)):
            process = _SPAWN.Process(target=_work, args=(self._run, theirs), daemon=True)
            process.start()
        theirs.close()
        self._ends[mine] = number, process

    def _hear(self, end: Any) -> int:
        """Take one message of a worker; return how many records it has been through."""
        try:
            message = end.recv()
        except (EOFError, OSError):
            self._lost(end)
            return 0
        if isinstance(message, int):
            return message
        if isinstance(message, str):
            if message not in self._told:
                self._listener.warn(message)
            self._told.add(message)
            return 0
        self._ends.pop(end)[1].join()
        if isinstance(message, BaseException):
            raise message
        self._tallies.append(message)
        return int(message.records)

    def _lost(self, end: Connection) -> None:
        number, process = self._ends.pop(end)
        process.join()
        code = process.exitcode
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        if not self._left:
            raise ZooError(
                f"Workers have died {REPLACEMENTS * self._count} times; the last one {how}. Is the "
                "memory enough for so many? The same command makes the missing parts."
            )
        self._left -= 1
        self._listener.warn(f"worker {number} {how}; another takes its place")
        self._start(number)

    def _stop(self) -> None:
        for _, process in self._ends.values():
            process.terminate()
        for _, process in self._ends.values():
            process.join()


_SPAWN = mp.get_context("spawn")


def _work(run: Run, end: Connection) -> None:
    """Make parts in a process of their own, which ends when the one that began it is gone."""
    asked: list[int] = []
    signal.signal(signal.SIGTERM, lambda *_: asked.append(1))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the one that began it ends this one
    parent = mp.parent_process()
    listener = Listener(
        progress=lambda what, total: _telling(end),
        asked=lambda: bool(asked) or parent is None or not parent.is_alive(),
    )

    def told(message: Warning | str, *_: object, **__: object) -> None:
        end.send(str(message))

    warnings.showwarning = told
    with suppress(Stopped, BrokenPipeError):  # the one that began it is gone
        try:
            found: Tally | BaseException = run.here(listener)
        except BrokenPipeError:
            raise
        except (ZooError, OSError) as error:
            found = plain_error(error)
        end.send(found)


def plain_error(error: ZooError | OSError) -> BaseException:
    """Return an error of the same kind that another process can read."""
    if isinstance(error, OSError):
        return OSError(error.errno, error.strerror, error.filename)
    return type(error)(str(error))


@contextmanager
def _telling(end: Connection) -> Iterator[Callable[[int], None]]:
    yield end.send


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """Set variables of the environment within the block, for processes that begin in it."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def together(tallies: Sequence[Tally]) -> Tally:
    """Return what several workers did in all."""
    last = tallies[-1]
    missing = min(tally.missing for tally in tallies)
    found = replace(last, made=sum(tally.made for tally in tallies), missing=missing)
    found.outcome = type(last.outcome)()
    for tally in tallies:
        found.outcome.add(tally.outcome)
    return found
