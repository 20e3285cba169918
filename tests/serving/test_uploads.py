"""What is sent by several windows at once: each gets its own file, and none stays on the disk."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from zoo.errors import StructureError
from zoo.serving import uploads
from zoo.serving.uploads import ABANDONED, Uploads


def sent(folder: Path, name: str, data: bytes) -> str:
    """Write a file as Gradio does: in a folder named by the content."""
    path = folder / data.hex() / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    return str(path)


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_windows_that_send_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    found, half = Uploads(tmp_path), tmp_path / "half"
    half.write_bytes(b"still com")
    paths = [sent(tmp_path, f"{i}.pdb", b"%d" % i) for i in range(40)]
    with ThreadPoolExecutor(8) as windows:
        assert [*windows.map(found.read, paths)] == [b"%d" % i for i in range(40)]
    assert files(tmp_path) == [half]


def test_the_same_file_from_two_windows_is_read_for_both(tmp_path: Path) -> None:
    found = Uploads(tmp_path)
    path = sent(tmp_path, "same.pdb", b"1")
    other = sent(tmp_path, "other name.pdb", b"1")
    assert [found.read(path), found.read(path), found.read(other)] == [b"1"] * 3
    assert files(tmp_path) == []


def test_what_was_read_is_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "REMEMBERED", 0.01)
    found, path = Uploads(tmp_path), sent(tmp_path, "same.pdb", b"1")
    found.read(path)
    end = time.monotonic() + 30
    while found._read and time.monotonic() < end:
        time.sleep(0.01)
    with pytest.raises(StructureError, match="not held any more"):
        found.read(path)


def test_what_a_browser_left_half_sent_is_removed_later(tmp_path: Path) -> None:
    half, path = tmp_path / "half", sent(tmp_path, "old.pdb", b"1")
    half.write_bytes(b"gone aw")
    for one in (half, Path(path)):
        os.utime(one, (time.time() - 2 * ABANDONED,) * 2)
    assert Uploads(tmp_path).read(sent(tmp_path, "new.pdb", b"2")) == b"2"
    assert files(tmp_path) == []
