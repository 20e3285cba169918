"""A folder is one process's, until that ends or dies; without locks there is a warning."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from zoo.system.locks import claimed

HOLD = """
import sys, time
from pathlib import Path
from zoo.system.locks import claimed
with claimed(Path(sys.argv[1])) as mine:
    print(mine, flush=True)
    time.sleep(60)
"""


def test_a_claim_is_alone_and_that_of_a_killed_process_is_void(tmp_path: Path) -> None:
    path = tmp_path / "new" / ".lock"
    command = [sys.executable, "-c", HOLD, path]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "True\n"
        with claimed(path) as mine:
            assert not mine
        other.kill()
    for _ in range(2):
        with claimed(path) as mine:
            assert mine


def test_a_file_system_without_locks_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As some mounts of NFS answer."""
    fcntl = pytest.importorskip("fcntl")

    def none(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", none)
    with (
        pytest.warns(UserWarning, match=r"cannot be locked \(No locks available\)"),
        claimed(tmp_path / ".lock") as mine,
    ):
        assert mine
