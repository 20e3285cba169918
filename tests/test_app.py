"""`zoo app` without its web part: what it says where Gradio is missing, and where it listens."""

from __future__ import annotations

import importlib.util
import socket

import pytest

from tests.verbs import call
from zoo.errors import ConfigError
from zoo.serving import server


def test_without_gradio_it_says_how_to_install_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "find_spec", lambda name: None)
    done = call(capsys, "app")
    assert done.code == 2 and "pip install -c constraints.txt '.[app]'" in done.err


def test_a_wrong_model_is_an_error_before_anything_listens(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "find_spec", importlib.util.find_spec)
    monkeypatch.setattr(server, "check_installed", lambda: None)
    done = call(capsys, "app", "--model", "ppbss")
    assert done.code == 5 and "Did you mean 'ppbs'?" in done.err


def test_it_listens_on_this_machine_alone() -> None:
    with server.listening(0) as found:
        host, port = found.getsockname()
        assert host == "127.0.0.1" and port > 0
        with pytest.raises(ConfigError, match=rf"Port {port} of 127\.0\.0\.1 cannot be had"):
            server.listening(port)
        with socket.create_connection((host, port), timeout=5):
            pass


def test_no_option_lets_anyone_else_in(capsys: pytest.CaptureFixture[str]) -> None:
    shown = call(capsys, "app", "--help").out
    assert "--port" in shown
    assert not [word for word in ("--host", "--share", "--public", "--listen") if word in shown]
