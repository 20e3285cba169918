"""A file is whole or not there."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from zoo.errors import ConfigError, SaveError
from zoo.system import files
from zoo.system.files import make_folder, read_json, settle, whole_file, write_json, write_whole


def test_what_was_there_stays_until_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.txt"
    write_whole(path, "before")
    with whole_file(path) as file:
        file.write("after")
        file.flush()
        assert path.read_text() == "before"
    assert path.read_text() == "after"
    assert list(path.parent.iterdir()) == [path]


def test_an_error_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    write_whole(path, "before")
    with pytest.raises(RuntimeError), whole_file(path) as file:
        file.write("half of it")
        raise RuntimeError
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_it_is_on_the_disk_before_it_takes_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = []
    real_fsync, real_replace = os.fsync, Path.replace
    monkeypatch.setattr(files.os, "fsync", lambda fd: (order.append("fsync"), real_fsync(fd))[1])
    monkeypatch.setattr(
        Path, "replace", lambda self, to: (order.append("move"), real_replace(self, to))[1]
    )
    write_whole(tmp_path / "file.txt", "text")
    assert order == ["fsync", "move", "fsync"]  # the file, its move, and the folder that names it


def test_bytes_and_a_name_of_ones_own_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "data.bin"
    with whole_file(path, "wb", part="mine.part") as file:
        assert (tmp_path / "mine.part").exists()
        file.write(b"\x00\r\n")
    assert path.read_bytes() == b"\x00\r\n"


def test_a_folder_is_made_or_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(2):
        make_folder(tmp_path / "new" / "folder")
    (tmp_path / "file").write_text("mine")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ConfigError, match="cannot be a folder"):
            make_folder(path)

    def denied(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", denied)
    with pytest.raises(SaveError, match="Permission denied"):
        make_folder(tmp_path / "other")


def test_text_is_written_as_it_is(tmp_path: Path) -> None:
    write_whole(tmp_path / "a", "é\n\r\n")
    assert (tmp_path / "a").read_bytes() == "é\n\r\n".encode()


def test_a_file_of_another_writer_is_settled(tmp_path: Path) -> None:
    (tmp_path / "part").write_text("x")
    settle(tmp_path / "part", tmp_path / "whole")
    assert (tmp_path / "whole").read_text() == "x" and not (tmp_path / "part").exists()


def test_json_goes_round_and_a_damaged_file_is_none(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"x": [1, None]})
    assert read_json(tmp_path / "a.json") == {"x": [1, None]}
    (tmp_path / "a.json").write_text("{")
    assert read_json(tmp_path / "a.json") is None is read_json(tmp_path / "nothing.json")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_a_pipe_is_written_to_and_stays_one(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    write_whole(path, "text")
    assert os.read(reader, 100) == b"text" and not path.is_file()
    os.close(reader)
