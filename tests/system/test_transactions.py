"""Changes of a file take effect together: what was committed is there, and nothing else."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from zoo.system.transactions import PAGE, TransactionFile


def test_it_is_a_file_like_any_other(tmp_path: Path) -> None:
    """Random writes, reads and cuts, held against a plain file."""
    draw = random.Random(0)
    mine = TransactionFile(tmp_path / "mine")
    with (tmp_path / "plain").open("wb+", buffering=0) as plain:
        for step in range(400):
            at, count = draw.randrange(5 * PAGE), draw.randrange(2 * PAGE)
            data = draw.randbytes(count)
            for file in (mine, plain):
                file.seek(at)
            if step % 3:
                assert mine.write(data) == plain.write(data)
            else:
                assert mine.read(count) == plain.read(count)
            if step % 50 == 49:
                assert mine.truncate(at) == plain.truncate(at)
            if step % 40 == 39:
                mine.commit()
                assert (tmp_path / "mine").read_bytes() == (tmp_path / "plain").read_bytes()
            assert mine.seek(0, os.SEEK_END) == plain.seek(0, os.SEEK_END)
    mine.close()


def test_what_was_not_committed_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"before")
    with TransactionFile(path) as file:
        file.write(b"after!!")
        assert path.read_bytes() == b"before"
    assert path.read_bytes() == b"before"


@pytest.mark.parametrize("cut", [0, 1, 10, 30, 1000, None])
def test_a_journal_is_carried_out_if_it_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut: int | None
) -> None:
    path, journal = tmp_path / "file", tmp_path / "file.journal"
    path.write_bytes(b"a" * 3 * PAGE)
    file = TransactionFile(path)
    file.seek(PAGE)
    file.write(b"b" * 10)
    file.truncate(2 * PAGE)
    with monkeypatch.context() as patch:
        patch.setattr(TransactionFile, "_carry_out", lambda self: None)  # killed before it
        file.commit()
    file.close()
    if cut is not None:
        os.truncate(journal, cut)
    TransactionFile(path).close()
    changed = b"a" * PAGE + b"b" * 10 + b"a" * (PAGE - 10)
    assert path.read_bytes() == (b"a" * 3 * PAGE if cut is not None else changed)
    assert not journal.exists()


def test_the_room_that_was_reserved_is_kept_until_it_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, sizes = TransactionFile(tmp_path / "file"), []
    file.write(b"first")
    file.commit()
    raw = file._file

    class Watched:
        """The file below, whose sizes are noted."""

        def truncate(self, size: int) -> int:
            sizes.append(size)
            return raw.truncate(size)

        def __getattr__(self, name: str) -> object:
            return getattr(raw, name)

    monkeypatch.setattr(file, "_file", Watched())
    file.write(b"x" * PAGE)
    file.commit()
    assert set(sizes) == {5 + PAGE}
    file.truncate(2)
    file.seek(8)
    file.write(b"y")
    file.commit()
    assert sizes[2] == 2 and (tmp_path / "file").read_bytes() == b"fi" + bytes(6) + b"y"
    file.close()


def test_changes_that_have_no_room_leave_the_file_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    with TransactionFile(path) as file:
        file.write(b"first")
        file.commit()
        file.write(b"x" * PAGE)
        monkeypatch.setattr(os, "posix_fallocate", lambda *_: (_ for _ in ()).throw(
            OSError(28, "No space left on device")), raising=False)  # fmt: skip
        with pytest.raises(OSError, match="No space"):
            file.commit()
    assert path.read_bytes() == b"first" and list(tmp_path.iterdir()) == [path]
