"""A reader that has read enough, as `| head`, ends a verb quietly."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "arguments", ["--help", "--version", "list", "list --json", "build --help"]
)
@pytest.mark.parametrize("reader", ["head -1", "true"])
def test_nothing_is_said_and_the_exit_code_is_0(arguments: str, reader: str) -> None:
    command = f"set -o pipefail; {sys.executable} -m zoo {arguments} | {reader}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
