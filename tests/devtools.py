"""Drive a headless browser by its devtools protocol: click, send files, see all its requests.

The protocol is Chromium's own (https://chromedevtools.github.io/devtools-protocol), spoken over two
pipes, so that nothing has to be installed for it.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from tests.browser import CHROMIUM, HEADLESS

PATIENCE = 90
"""Seconds to wait for what a page is to show."""


class Browser:
    """One page of a browser, with the frames in it.

    Attributes:
        requests: Address of each request that was made.
        problems: What the page's console says of errors.
    """

    def __init__(self, into: IO[bytes], out: IO[bytes]) -> None:
        self._into, self._out = into, out
        self._count, self._rest = 0, b""
        self.requests: list[str] = []
        self.problems: list[str] = []
        self.frames: list[str] = []
        (target,) = (
            one["targetId"]
            for one in self.ask("Target.getTargets")["targetInfos"]
            if one["type"] == "page"
        )
        self.session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self._watch(self.session)

    def _watch(self, session: str) -> None:
        for domain in ("Network", "Page", "Runtime", "Log"):
            self._send(f"{domain}.enable", session)
        self._send("Target.setAutoAttach", session, autoAttach=True, flatten=True,
                   waitForDebuggerOnStart=False)  # fmt: skip

    def open(self, address: str) -> None:
        """Open a page."""
        self.ask("Page.navigate", self.session, url=address)

    def run(self, script: str, session: str | None = None) -> Any:
        """Return the value of some JavaScript, a promise's if it is one."""
        found = self.ask("Runtime.evaluate", session or self.session, expression=script,
                         returnByValue=True, awaitPromise=True)  # fmt: skip
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def wait(self, script: str, session: str | None = None) -> Any:
        """Return the value of some JavaScript once it is true."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if found := self.run(script, session):
                return found
            time.sleep(0.2)
        text = self.run("document.body.innerText")
        raise AssertionError(f"{script} is not true of {text!r}, problems {self.problems}")

    def send_file(self, path: Path) -> None:
        """Choose a file where the page asks for one, once it does."""
        self.wait("document.querySelector('input[type=file]') !== null")
        found = self.ask("Runtime.evaluate", self.session,
                         expression="document.querySelector('input[type=file]')")  # fmt: skip
        self.ask("DOM.setFileInputFiles", self.session, files=[str(path)],
                 objectId=found["result"]["objectId"])  # fmt: skip

    def picture(self, path: Path, width: int, height: int, dark: bool = False) -> None:
        """Write a picture of the page as it is at some width."""
        media = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.ask("Emulation.setEmulatedMedia", self.session, features=media)
        self.ask("Emulation.setDeviceMetricsOverride", self.session, width=width, height=height,
                 deviceScaleFactor=1, mobile=False)  # fmt: skip
        time.sleep(2)
        data = self.ask("Page.captureScreenshot", self.session)["data"]
        path.write_bytes(base64.b64decode(data))

    def ask(self, method: str, session: str | None = None, **given: Any) -> Any:
        """Return the answer to a command of the protocol."""
        number = self._send(method, session, **given)
        while (told := self._next()).get("id") != number:
            self._note(told)
        assert "error" not in told, told
        return told["result"]

    def _send(self, method: str, session: str | None = None, **given: Any) -> int:
        self._count += 1
        message = {"id": self._count, "method": method, "params": given}
        self._into.write(json.dumps(message | ({"sessionId": session} if session else {})).encode())
        self._into.write(b"\0")
        self._into.flush()
        return self._count

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            data = os.read(self._out.fileno(), 2**20)
            assert data, "the browser has gone"
            self._rest += data
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)

    def _note(self, told: dict[str, Any]) -> None:
        given = told.get("params", {})
        match told.get("method"):
            case "Network.requestWillBeSent":
                self.requests.append(given["request"]["url"])
            case "Runtime.exceptionThrown":
                self.problems.append(json.dumps(given["exceptionDetails"])[:500])
            case "Log.entryAdded" if given["entry"]["level"] == "error":
                self.problems.append(f"{given['entry']['text']} {given['entry'].get('url', '')}")
            case "Target.attachedToTarget":
                self.frames.append(given["sessionId"])
                self._watch(given["sessionId"])


@contextmanager
def opened(profile: Path, *options: str) -> Iterator[Browser]:
    """Yield a browser that is closed at the end.

    Args:
        profile: Folder for its own files.
        options: More options of its command line.
    """
    theirs_in, mine_in = os.pipe()
    mine_out, theirs_out = os.pipe()
    call = [str(CHROMIUM), *HEADLESS, *options, "--remote-debugging-pipe",
            f"--user-data-dir={profile}", "about:blank"]  # fmt: skip

    def placed() -> None:  # the protocol's pipes are the descriptors 3 and 4
        high = os.dup(theirs_in), os.dup(theirs_out)
        os.dup2(high[0], 3)
        os.dup2(high[1], 4)

    process = subprocess.Popen(call, close_fds=False, preexec_fn=placed, stderr=subprocess.DEVNULL)
    os.close(theirs_in)
    os.close(theirs_out)
    with os.fdopen(mine_in, "wb") as into, os.fdopen(mine_out, "rb") as out:
        try:
            yield Browser(into, out)
        finally:
            process.terminate()
            process.wait(timeout=30)
