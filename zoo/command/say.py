"""What is printed where: results on standard output, everything else on standard error."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from typing import Any

from rich.console import Console, RenderableType
from rich.measure import Measurement
from rich.table import Table

from zoo.system.listener import SILENT, Listener, leader


class _Console(Console):
    """Leaves a reader that has gone, as `| head`, to the verb, which then ends with 0."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        if "width" not in options:
            self._width = None  # else it would be what COLUMNS said at import, for ever

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


ENDLESS = 1000
"""Columns of a pipe or a file."""
console = _Console(markup=False, highlight=False, emoji=False)
err_console = _Console(stderr=True, markup=False, highlight=False, emoji=False)


def say(text: str, style: str | None = None) -> None:
    """Print a result on standard output as it is: `runs[new]` is no markup, and nothing wraps."""
    _print(console, text, style)


def note(text: str, style: str | None = None) -> None:
    """Print what is going on, on standard error; `--quiet` silences it."""
    _print(err_console, text, style)


def warn(text: str, style: str | None = "bold red") -> None:
    """Print on standard error what must be seen, also with `--quiet`."""
    before, err_console.quiet = err_console.quiet, False
    _print(err_console, text, style)
    err_console.quiet = before


def _print(where: Console, text: str, style: str | None) -> None:
    where.print(text, style=style, soft_wrap=True)


def show(drawing: RenderableType) -> None:
    """Print a table or another drawing on standard output; a table's rows are whole in a pipe."""
    if isinstance(drawing, Table) and width() == ENDLESS:
        plain = _Console(
            file=console.file, width=ENDLESS, markup=False, highlight=False, emoji=False
        )
        plain.print(drawing)
    else:
        console.print(drawing)


def width() -> int:
    """Return how many columns a table may take: the terminal's, and in a pipe as many as it needs.

    `COLUMNS` counts in a pipe, too.
    """
    return console.width if console.is_terminal or "COLUMNS" in os.environ else ENDLESS


def narrowest(table: Table) -> int:
    """Return how many columns a table needs so that no word of it is broken."""
    return Measurement.get(console, console.options.update(max_width=ENDLESS), table).minimum


def working(what: str) -> AbstractContextManager[object]:
    """Show on a terminal that something is under way while the block runs."""
    return err_console.status(what)


def terminal(asked: Callable[[], bool] | None = None) -> Listener:
    """Return the listener that prints here; only one of several processes that train does.

    Args:
        asked: whether the user wants the work to stop.
    """
    asked = asked or SILENT.asked
    if not leader():
        return Listener(asked=asked)
    return Listener(
        say=note,
        warn=lambda text: warn(text, "bold yellow"),
        progress=progress,
        bar=_passing if err_console.is_terminal and not err_console.quiet else SILENT.bar,
        asked=asked,
    )


@contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Yield a function that gets how much is done: a bar on a terminal, ten lines in a log."""
    shown = _bar(what, total) if err_console.is_terminal else nullcontext(_Log(what, total))
    with shown as advance:
        yield advance


def _passing(what: str, total: int) -> AbstractContextManager[Callable[[int], None]]:
    """Show a bar that is gone when its block ends."""
    return _bar(what, total, transient=True)


@contextmanager
def _bar(what: str, total: int, transient: bool = False) -> Iterator[Callable[[int], None]]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    pace = _Pace()
    bar = Progress(
        "{task.description}", BarColumn(), MofNCompleteColumn(), "{task.fields[rate]}",
        TimeRemainingColumn(), console=err_console, transient=transient,
    )  # fmt: skip
    with bar:
        task = bar.add_task(what, total=total, rate="")
        yield lambda done: bar.update(
            task, completed=done, total=max(total, done), rate=pace.text(pace.rate(done))
        )


class _Log:
    """Ten lines in all: how much is done, how fast it goes, how long it will take."""

    def __init__(self, what: str, total: int) -> None:
        self.what, self.total, self.shown, self.pace = what, total, 0, _Pace()

    def __call__(self, done: int) -> None:
        rate = self.pace.rate(done)
        if 10 * done // max(self.total, 1) <= self.shown:
            return
        self.shown = 10 * done // max(self.total, 1)
        line = f"{self.what}: {done} of {max(self.total, done)}"
        if rate and done < self.total:
            left = timedelta(seconds=round((self.total - done) / rate))
            line += f", {self.pace.text(rate)}, {left} left"
        note(line)


class _Pace:
    """How much is done a second since the first call; what was done before is not counted."""

    def __init__(self) -> None:
        self.first: tuple[float, int] | None = None

    def rate(self, done: int) -> float:
        now = time.monotonic()
        if self.first is None:
            self.first = now, done
        begun, there = self.first
        return (done - there) / (now - begun) if now > begun else 0.0

    @staticmethod
    def text(rate: float) -> str:
        return f"{rate:.3g}/s" if rate else ""
