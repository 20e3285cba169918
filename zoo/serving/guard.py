"""Keeps other sites out of a server on this machine, and its page from asking any other host.

A page of another site can send requests to a port of this machine, and can let a name of its own
lead there ("DNS rebinding"). So a request must name this machine as its host, and must not come
from a page of another origin. It is middleware of ASGI (https://asgi.readthedocs.io), of any
framework.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]
Headers = Iterable[tuple[bytes, bytes]]

NAMES = ("127.0.0.1", "localhost")
POLICY = "; ".join((
    "default-src 'self'", "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
    "style-src 'self' 'unsafe-inline'", "img-src 'self' data: blob:", "font-src 'self' data:",
    "worker-src 'self' blob:", "object-src 'none'", "base-uri 'self'", "form-action 'self'",
    "frame-ancestors 'none'",
))  # fmt: skip
"""What a browser lets the page load: nothing from any other host."""
ADDED = (
    (b"content-security-policy", POLICY.encode()), (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)  # fmt: skip


class Guard:
    """Answers a request only if it comes from this machine's own page, and is not too large.

    Args:
        app: What answers it.
        port: Port of the server.
        most: Largest number of bytes of a request's body.
    """

    def __init__(self, app: App, port: int, most: int) -> None:
        self._app, self._most = app, most
        self._hosts = {f"{name}:{port}" for name in NAMES}

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] != "http":
            raise ValueError(f"a connection of type {scope['type']!r} is not answered")
        elif refused := self._refused(scope):
            await _refuse(send, *refused)
        else:

            async def adding(message: Message) -> None:
                if message["type"] == "http.response.start":
                    message["headers"] = [*message.get("headers", ()), *ADDED]
                await send(message)

            await self._app(scope, receive, adding)

    def _refused(self, scope: Message) -> tuple[int, str] | None:
        """Return a status and a reason why a request is not answered, or None."""
        headers = {key.lower(): value.decode("latin-1") for key, value in scope["headers"]}
        host, origin = headers.get(b"host", ""), headers.get(b"origin")
        if host not in self._hosts:
            return 403, f"This server answers to {' and '.join(sorted(self._hosts))} only."
        if origin is not None and origin != f"http://{host}":
            return 403, "This server does not answer to pages of other sites."
        size = headers.get(b"content-length", "0" if scope["method"] in ("GET", "HEAD") else "")
        if not size.isdecimal():
            return 411, "A request must say how large it is."
        if int(size) > self._most:
            return 413, f"The file is larger than {self._most // 2**20} MB."
        return None


async def _refuse(send: Send, status: int, reason: str) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), *ADDED]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": reason.encode()})
