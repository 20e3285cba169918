"""Run a verb as the command line does, inside the test's process."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import pytest

from zoo.__main__ import main


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str


def call(capsys: pytest.CaptureFixture[str], *arguments: object) -> Result:
    """Return the exit code and the output of `zoo ARGUMENTS`."""
    before = sys.argv
    sys.argv = ["zoo", *map(str, arguments)]
    try:
        main()
        code = 0
    except SystemExit as leave:
        code = leave.code if isinstance(leave.code, int) else int(leave.code is not None)
    finally:
        sys.argv = before
    captured = capsys.readouterr()
    return Result(code, captured.out, captured.err)
