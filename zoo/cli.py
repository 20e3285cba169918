"""What every verb shares: the consoles, and errors printed as one line with an exit code."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import typer
from rich.console import Console

from zoo.allocator import keep_large_blocks
from zoo.errors import ZooError

console = Console()
err_console = Console(stderr=True)

INTERRUPTED = 130


def leader() -> bool:
    """Return whether this process speaks for all that train together (torchrun, SLURM)."""
    names = ("RANK", "SLURM_PROCID", "LOCAL_RANK")
    return int(next((os.environ[name] for name in names if name in os.environ), "0")) == 0


def fail(error: ZooError) -> NoReturn:
    """Print the error in red on standard error and leave with its exit code."""
    err_console.print(f"[bold red]error:[/] {_escape(str(error))}", highlight=False, soft_wrap=True)
    raise SystemExit(error.exit_code)


def guarded(app: Callable[..., Any]) -> NoReturn:
    """Call a typer application: no traceback for a user's mistake, 130 for Ctrl-C."""
    keep_large_blocks()
    try:
        app(standalone_mode=True)
    except ZooError as error:
        fail(error)
    except KeyboardInterrupt:
        err_console.print("interrupted")
        raise SystemExit(INTERRUPTED) from None
    except BrokenPipeError:  # `| head`
        sys.stderr.close()
        raise SystemExit(0) from None
    raise SystemExit(0)


def run(command: Callable[..., Any]) -> NoReturn:
    """Run one verb as a program of its own: `python -m zoo.build`."""
    app = new_app()
    app.command()(command)
    guarded(app)


def new_app() -> typer.Typer:
    """Return an application in the house's settings."""
    return typer.Typer(
        add_completion=False,
        no_args_is_help=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )


def _escape(text: str) -> str:
    from rich.markup import escape

    return escape(text)


class Interrupts:
    """Let the step under way finish at the first Ctrl-C; a second one stops at once."""

    def __init__(self) -> None:
        self.seen = False

    def __enter__(self) -> Interrupts:
        self._before = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._before)

    def _note(self, *_: object) -> None:
        if self.seen:
            raise KeyboardInterrupt
        self.seen = True
        # Not through rich: the signal may come while it is printing.
        os.write(2, b"\nstopping after this step (Ctrl-C again: at once) ...\n")


@contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Yield a function that is told how much is done; a bar on a terminal, lines in a log."""
    if err_console.is_terminal:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

        bar = Progress(
            "{task.description}", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
            console=err_console,
        )  # fmt: skip
        with bar:
            task = bar.add_task(what, total=total)
            yield lambda done: bar.update(task, completed=done, total=max(total, done))
        return
    shown = 0

    def log(done: int) -> None:
        nonlocal shown
        if 10 * done // max(total, 1) > shown:
            shown = 10 * done // max(total, 1)
            err_console.print(f"{what}: {done} of {max(total, done)}", highlight=False)

    yield log
