"""The server answers its own page alone, and lets it load nothing from elsewhere."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from zoo.serving.guard import Guard

HOST = (b"host", b"127.0.0.1:7860")


async def answering(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x", b"y")]})
    await send({"type": "http.response.body", "body": b"answered"})


def asked(*headers: tuple[bytes, bytes], method: str = "GET") -> tuple[int, dict, bytes]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "headers": headers}
    asyncio.run(Guard(answering, 7860, 2**20)(scope, None, send))  # type: ignore[arg-type]
    start, body = sent
    return start["status"], dict(start["headers"]), body["body"]


@pytest.mark.parametrize("host", [b"127.0.0.1:7860", b"localhost:7860"])
def test_the_own_page_is_answered_and_may_load_nothing_from_elsewhere(host: bytes) -> None:
    status, headers, body = asked((b"host", host), (b"origin", b"http://" + host))
    assert (status, body, headers[b"x"]) == (200, b"answered", b"y")
    policy = headers[b"content-security-policy"].decode()
    assert policy.startswith("default-src 'self';") and "http" not in policy and "*" not in policy


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"host", b"evil.org:7860")],
        [(b"host", b"127.0.0.1:80")],
        [HOST, (b"origin", b"http://evil.org")],
        [HOST, (b"origin", b"null")],
        [HOST, (b"origin", b"http://localhost:7860")],
    ],
)
def test_another_site_is_refused(headers: list[tuple[bytes, bytes]]) -> None:
    status, _, body = asked(*headers)
    assert status == 403 and body.startswith(b"This server ")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([(b"content-length", b"1048576")], 200),
        ([(b"content-length", b"1048577")], 413),
        ([(b"content-length", b"-1")], 411),
        ([], 411),
    ],
)
def test_a_body_has_a_size_and_it_is_limited(
    headers: list[tuple[bytes, bytes]], status: int
) -> None:
    assert asked(HOST, *headers, method="POST")[0] == status


def test_a_connection_of_another_kind_is_not_answered() -> None:
    with pytest.raises(ValueError, match="websocket"):
        asyncio.run(Guard(answering, 7860, 1)({"type": "websocket", "headers": []}, None, None))  # type: ignore[arg-type]
