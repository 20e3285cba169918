"""A full disk, a read-only folder and a path that is no file end a verb in one sentence."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from tests.verbs import call
from zoo.command.cli import _explained
from zoo.prediction.journal import Journal
from zoo.system.reading import content

EXAMPLE = "zoo/examples/1a8o.cif.gz"


def refusing(code: int, path: str | None = None):
    def refuse(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code), path)

    return refuse


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EDQUOT])
def test_predict_says_what_it_keeps_and_goes_on(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    out = tmp_path / "out"
    words = ("predict", EXAMPLE, "--model", "ppbs_local", "--out", out)
    with monkeypatch.context() as patch:
        patch.setattr(Journal, "flush", refusing(code))
        done = call(capsys, *words)
    assert done.code == 5
    assert f"{out} cannot be written to: {os.strerror(code)}. What was predicted is in" in done.err
    assert call(capsys, *words).code == 0


def test_any_verb_names_a_file_that_cannot_be_written(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(tmp_path / "model" / "config.yaml.part")
    monkeypatch.setattr("zoo.models.checkpoint.write_whole", refusing(errno.ENOSPC, path))
    words = ("build", "--seq", "none", "--struct", "gat", "--out", tmp_path / "model")
    done = call(capsys, *words)
    assert done.code == 5
    assert f"{path} cannot be read or written: No space left on device." in done.err


def test_a_path_that_is_no_file_is_explained(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="is a named pipe") as caught:
        content(tmp_path / "pipe")
    explained = _explained(caught.value)
    assert explained is not None and explained.exit_code == 4
    assert str(explained).startswith(f"{tmp_path / 'pipe'} is a named pipe")


def test_an_error_that_may_be_ours_is_shown_whole(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zoo.models.checkpoint.write_whole", refusing(errno.EBADF))
    with pytest.raises(OSError, match="Bad file descriptor"):
        call(capsys, "build", "--seq", "none", "--struct", "gat", "--out", tmp_path / "model")
