"""Asks other machines, over https and within a time: whether they answer, what an address holds."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from zoo.errors import FetchError
from zoo.system.offline import LOCAL, offline

if TYPE_CHECKING:
    from urllib.request import OpenerDirector

CONNECTING = 2.0
"""Seconds to look up a host and connect to it."""
SILENT = 20.0
"""Seconds that a host may send nothing."""
WHOLE = 300.0
"""Seconds that one address may take."""
ABSENT = (404, 410)
"""Status codes of a host that is there and has no such thing."""
PROXY = (403, 407)
"""Status codes by which a proxy refuses to ask a host."""


def fetch(address: str, most: int) -> bytes | None:
    """Return what an address holds; None if the host has no such thing.

    Proxies are those of the environment, as for other programs.

    Args:
        address: An https address; http is for this machine alone, also where a host leads on.
        most: Largest number of bytes.

    Raises:
        FetchError: If no host may be asked, or it does not answer, or not with the whole of it.
    """
    call = _begin(address, "GET", most)
    if not call.connected.wait(CONNECTING):
        raise FetchError(f"{address} did not answer within {CONNECTING:g} s")
    if not call.done.wait(WHOLE):
        raise FetchError(f"{address} was not sent within {WHOLE:g} s")
    if call.error is not None:
        raise FetchError(_cause(address, call.error)) from call.error
    return call.found


def ask(address: str, seconds: float) -> None:
    """Ask a host for nothing but an answer, whatever it says of the address.

    Args:
        address: An address as of `fetch`.
        seconds: How long to wait.

    Raises:
        FetchError: If no host may be asked, or it does not answer in time, or with an error of its
            own, or a proxy refuses.
    """
    import urllib.error

    call = _begin(address, "HEAD")
    if not call.done.wait(seconds):
        raise FetchError(f"{address} did not answer within {seconds:g} s")
    error = call.error
    if isinstance(error, urllib.error.HTTPError) and error.code < 500 and error.code not in PROXY:
        return  # an error of the one who asks shows that the host is there
    if error is not None:
        raise FetchError(_cause(address, error)) from error


def _begin(address: str, method: str, most: int = 0) -> _Call:
    if reason := offline():
        raise FetchError(reason)
    check_address(address)
    call = _Call(address, method, most)
    # In a thread, because the timeouts of a connection do not cover the look-up of its name.
    threading.Thread(target=call.run, daemon=True).start()
    return call


def check_address(address: str, named_by: str = "") -> None:
    """Refuse an address that is not https, save one on this machine.

    Args:
        address: The address.
        named_by: The address that led there; one of another machine may not lead to this one.

    Raises:
        FetchError: If it is refused.
    """
    parts = urlsplit(address)
    here = parts.hostname in LOCAL and (not named_by or urlsplit(named_by).hostname in LOCAL)
    if not (here and parts.scheme == "http") and parts.scheme != "https":
        raise FetchError(f"only https addresses are asked, and {address} is none")


def _cause(address: str, error: Exception) -> str:
    import urllib.error

    if isinstance(error, FetchError):
        return str(error)
    if isinstance(error, urllib.error.HTTPError):
        return f"{address} answered {error.code} ({error.reason})"
    return f"{address} cannot be reached ({getattr(error, 'reason', error)})"


class _Call:
    """One request in a thread of its own, with what came of it."""

    def __init__(self, address: str, method: str, most: int) -> None:
        self.address, self.method, self.most = address, method, most
        self.connected, self.done = threading.Event(), threading.Event()
        self.found: bytes | None = None
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            self.found = self._read()
        except Exception as error:  # of name look-ups, connections, proxies, TLS and HTTP
            self.error = error
        finally:
            self.done.set()
            self.connected.set()

    def _read(self) -> bytes | None:
        import urllib.error
        import urllib.request

        request = urllib.request.Request(
            self.address, headers={"User-Agent": "protein-model-zoo"}, method=self.method
        )
        try:
            with _opener(self.connected).open(request, timeout=CONNECTING) as answer:
                return self._body(answer) if self.method == "GET" else None
        except urllib.error.HTTPError as error:
            error.close()
            if error.code in ABSENT:
                return None
            raise

    def _body(self, answer: Any) -> bytes:
        found, size, until = [], 0, time.monotonic() + WHOLE
        while part := answer.read1(2**16):
            found.append(part)
            size += len(part)
            if size > self.most:
                raise FetchError(f"{self.address} has more than the {self.most:,} bytes allowed")
            if time.monotonic() > until:
                raise FetchError(f"{self.address} was not sent within {WHOLE:g} s")
        length = answer.headers.get("Content-Length")
        if length is not None and int(length) != size:
            raise FetchError(f"{self.address} broke off after {size:,} of {int(length):,} bytes")
        return b"".join(found)


def _opener(connected: threading.Event) -> OpenerDirector:
    """Return an opener that tells when it is connected, and has patience from then on."""
    import http.client
    import urllib.request

    class Told:
        def connect(self) -> None:
            super().connect()  # type: ignore[misc]
            connected.set()
            self.sock.settimeout(SILENT)  # type: ignore[attr-defined]

    class Plain(Told, http.client.HTTPConnection): ...

    class Secure(Told, http.client.HTTPSConnection): ...

    class Http(urllib.request.HTTPHandler):
        def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
            return self.do_open(Plain, req)

    class Https(urllib.request.HTTPSHandler):
        def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
            return self.do_open(Secure, req)

    class Redirects(urllib.request.HTTPRedirectHandler):
        def redirect_request(
            self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str
        ) -> urllib.request.Request | None:
            try:
                check_address(newurl, req.full_url)
            except FetchError:
                fp.close()
                raise
            return super().redirect_request(req, fp, code, msg, headers, newurl)

    return urllib.request.build_opener(Http, Https, Redirects)
