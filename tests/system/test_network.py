"""Asking a host whether it is there: which answers count, and how long one is waited for."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from zoo.errors import FetchError
from zoo.system.network import ask


class Handler(BaseHTTPRequestHandler):
    """Answers with the status code that the path is, or after a while."""

    def do_HEAD(self) -> None:  # noqa: N802
        if self.path == "/late":
            time.sleep(1)
        self.send_response(200 if self.path == "/late" else int(self.path[1:]))
        self.send_header("Content-Length", "100")
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.delenv("HF_HUB_OFFLINE")
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("code", [200, 401, 404, 405, 410])
def test_an_error_of_the_one_who_asks_shows_that_the_host_is_there(host: str, code: int) -> None:
    ask(f"{host}/{code}", 5.0)


@pytest.mark.parametrize("code", [403, 407, 500, 503])
def test_the_refusal_of_a_proxy_and_an_error_of_the_host_do_not(host: str, code: int) -> None:
    with pytest.raises(FetchError, match=f"answered {code}"):
        ask(f"{host}/{code}", 5.0)


def test_a_host_that_connects_and_says_nothing_is_given_up_on(host: str) -> None:
    start = time.monotonic()
    with pytest.raises(FetchError, match="did not answer within 0.2 s"):
        ask(f"{host}/late", 0.2)
    assert time.monotonic() - start < 0.8
