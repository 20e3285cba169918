"""How a verb becomes a program: its options, and errors as one line with an exit code."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NoReturn, TextIO

import typer
from typer.core import TyperCommand, TyperGroup

from zoo.command.allocator import keep_few_kernels, keep_large_blocks
from zoo.command.collector import patient_collector
from zoo.command.say import err_console, warn
from zoo.errors import DataError, SaveError, ZooError
from zoo.system.files import FULL
from zoo.system.listener import Stopped
from zoo.system.reading import UnfitFileError

INTERRUPTED = 130
PACKAGE = Path(__file__).parents[1]


def fail(error: ZooError) -> NoReturn:
    """Print the error in red on standard error and leave with its exit code."""
    from rich.text import Text

    err_console.quiet = False
    err_console.print(Text.assemble(("error:", "bold red"), f" {error}"), soft_wrap=True)
    raise SystemExit(error.exit_code)


def guarded(app: Callable[..., Any]) -> NoReturn:
    """Call a typer application: no traceback for a user's mistake, 130 for Ctrl-C."""
    keep_large_blocks()
    keep_few_kernels()
    python_shows, warnings.showwarning = warnings.showwarning, partial(_show_warning, set())
    try:
        with patient_collector():
            app(standalone_mode=True)
    except ZooError as error:
        fail(error)
    except (Stopped, KeyboardInterrupt) as stop:
        err_console.quiet = False
        warn(str(stop) or "interrupted", style=None)
        raise SystemExit(INTERRUPTED) from None
    except BrokenPipeError:  # `| head` has read enough
        _drop_output()
        raise SystemExit(0) from None
    except OSError as error:
        if (explained := _explained(error)) is None:
            raise
        fail(explained)
    except SystemExit as leave:
        # click meets a broken pipe itself: it replaces the output by this, and exits with 1.
        if type(sys.stdout).__name__ == "PacifyFlushWrapper":
            _drop_output()
            raise SystemExit(0) from None
        raise leave
    finally:
        err_console.quiet = False
        warnings.showwarning = python_shows
    _flush()
    raise SystemExit(0)


def _explained(error: OSError) -> ZooError | None:
    """Return the message on a file or disk that the user can mend; None for any other error."""
    if isinstance(error, UnfitFileError):
        return DataError(f"{error.filename} {error.strerror}.")
    if error.errno in FULL:
        return SaveError(
            f"{error.filename or 'A file'} cannot be read or written: {error.strerror}. Files that "
            "were complete before are as they were."
        )
    return None


def _flush() -> None:
    """Write out what is left, also to a reader that has gone."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _drop_output()


def _drop_output() -> None:
    """Send what is still to be written nowhere, or Python complains of the pipe at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)


def plain(show: Callable[[], object]) -> None:
    """Print without a verb: `zoo --help`, `zoo --version`."""
    try:
        show()
    except BrokenPipeError:
        _drop_output()
    _flush()


def _show_warning(
    shown: set[str],
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Print a warning of ours as one line, without the source that other people's come with.

    Ours are printed once for each verb, also where a library changes the filters, by which Python
    forgets what it has shown.
    """
    if Path(filename).is_relative_to(PACKAGE):
        if str(message) not in shown:
            warn(f"warning: {message}", style="yellow")
        shown.add(str(message))
    else:
        sys.stderr.write(warnings.formatwarning(message, category, filename, lineno, line))


def run(command: Callable[..., Any], name: str | None = None) -> NoReturn:
    """Run one verb as a program of its own: `python -m zoo.build`.

    Args:
        command: Function of the verb.
        name: Name of the program in help and errors; None for that of the Python module.
    """
    guarded(partial(program(command), prog_name=name))


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
            help="Print results, warnings and errors only.",
        ),
    ] = False,
) -> None:
    """Hold the options of all verbs."""  # fmt: skip


def new_app(add_completion: bool = False) -> typer.Typer:
    """Return an application with the settings that all verbs share."""
    return typer.Typer(
        add_completion=add_completion,
        no_args_is_help=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
