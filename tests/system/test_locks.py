"""A folder is one process's, until that ends or dies; without locks there is a warning."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from zoo.system.locks import alone, claimed

HOLD = """
import sys, time
from pathlib import Path
from zoo.system.locks import claimed
with claimed(Path(sys.argv[1])) as mine:
    print(mine, flush=True)
    time.sleep(60)
"""
TAKE_TURNS = """
import os, sys, time
from pathlib import Path
from zoo.errors import ConfigError
from zoo.system.locks import alone
turns, end = 0, time.time() + 2
while time.time() < end:
    try:
        with alone(Path(sys.argv[1])):
            os.close(os.open(Path(sys.argv[1]) / "mine", os.O_CREAT | os.O_EXCL))
            os.unlink(Path(sys.argv[1]) / "mine")
            turns += 1
    except ConfigError:
        pass
print(turns)
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


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps the file of a lock.")
def test_of_those_who_wait_for_a_folder_one_has_it_at_a_time(tmp_path: Path) -> None:
    """Where the file was deleted after the release, two could hold it: the old one and a new."""
    command = [sys.executable, "-c", TAKE_TURNS, tmp_path]
    others = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    turns = [int(other.communicate(timeout=60)[0]) for other in others]
    assert sum(turns) > 0 and all(other.returncode == 0 for other in others)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_free_after_a_failure(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no reason"), alone(tmp_path):
        assert (tmp_path / ".lock").exists()
        raise ValueError("no reason")
    assert list(tmp_path.iterdir()) == []
