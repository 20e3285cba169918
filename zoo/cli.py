"""What every verb shares: the consoles, and errors printed as one line with an exit code."""

from __future__ import annotations

import os
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, NoReturn, TextIO

import typer
from rich.console import Console
from typer.core import TyperCommand, TyperGroup

from zoo.allocator import keep_large_blocks
from zoo.errors import ZooError

console = Console()
err_console = Console(stderr=True)

INTERRUPTED = 130


def leader() -> bool:
    """Return whether this process speaks for all that train together (torchrun, SLURM)."""
    names = ("RANK", "SLURM_PROCID", "LOCAL_RANK")
    return int(next((os.environ[name] for name in names if name in os.environ), "0")) == 0


def warn(text: str, style: str = "bold red") -> None:
    """Print on standard error what must be seen also with `--quiet`."""
    before, err_console.quiet = err_console.quiet, False
    err_console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)
    err_console.quiet = before


def fail(error: ZooError) -> NoReturn:
    """Print the error in red on standard error and leave with its exit code."""
    err_console.quiet = False
    err_console.print(f"[bold red]error:[/] {_escape(str(error))}", highlight=False, soft_wrap=True)
    raise SystemExit(error.exit_code)


def guarded(app: Callable[..., Any]) -> NoReturn:
    """Call a typer application: no traceback for a user's mistake, 130 for Ctrl-C."""
    keep_large_blocks()
    python_says, warnings.showwarning = warnings.showwarning, _show_warning
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
    finally:
        err_console.quiet = False
        warnings.showwarning = python_says
    raise SystemExit(0)


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Print a warning of ours as one line, without the source that other people's come with."""
    if Path(filename).is_relative_to(Path(__file__).parent):
        warn(f"warning: {message}", style="yellow")
    else:
        sys.stderr.write(warnings.formatwarning(message, category, filename, lineno, line))


def run(command: Callable[..., Any]) -> NoReturn:
    """Run one verb as a program of its own: `python -m zoo.build`."""
    guarded(program(command))


def program(command: Callable[..., Any]) -> TyperCommand:
    """Return a verb with the options that all verbs have."""
    made = _command(command)
    made.params += _command(_shared).params
    return made


def together(verbs: Mapping[str, Callable[..., Any]]) -> TyperGroup:
    """Return one program of many verbs, which the shell can ask what may come next."""
    app = new_app(add_completion=True)
    for name, verb in verbs.items():
        app.command(name)(verb)
    made = typer.main.get_command(app)
    assert isinstance(made, TyperGroup)
    for command in made.commands.values():
        command.params += _command(_shared).params
    return made


def _command(function: Callable[..., Any]) -> TyperCommand:
    app = new_app()
    app.command()(function)
    made = typer.main.get_command(app)
    assert isinstance(made, TyperCommand)
    return made


def _silence(quiet: bool) -> None:
    err_console.quiet = quiet


def _shared(
    quiet: Annotated[
        bool,
        typer.Option(
            "--quiet",
            "-q",
            callback=_silence,
            expose_value=False,
            help="Print results, warnings and errors alone.",
        ),
    ] = False,
) -> None:
    """Hold the options of all verbs."""  # fmt: skip


def new_app(add_completion: bool = False) -> typer.Typer:
    """Return an application in the house's settings."""
    return typer.Typer(
        add_completion=add_completion,
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
    with _bar(what, total) if err_console.is_terminal else nullcontext(_Log(what, total)) as tell:
        yield tell


@contextmanager
def _bar(what: str, total: int) -> Iterator[Callable[[int], None]]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    pace = _Pace()
    bar = Progress(
        "{task.description}", BarColumn(), MofNCompleteColumn(), "{task.fields[rate]}",
        TimeRemainingColumn(), console=err_console,
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
        err_console.print(line, highlight=False)


class _Pace:
    """How much is done a second, since the first time it was told; what was there is not ours."""

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
