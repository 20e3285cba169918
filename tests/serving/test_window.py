"""The page in a browser: a file is dropped, chains are chosen, and the answer is shown."""

from __future__ import annotations

import base64
import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest

from tests import browser, devtools, shelf
from tests.conftest import REPOSITORY
from tests.verbs import call
from zoo.proteins.files.scores import write_scored
from zoo.serving.given import MOST_BYTES

pytest.importorskip("gradio", reason="the app extra is not installed: pip install '.[app]'")

PREDICT = "[...document.querySelectorAll('button')].find((one) => one.innerText === 'Predict')"
ANSWERED = "document.querySelectorAll('.files a').length"
LINE = (
    b"--edge\r\nContent-Disposition: form-data; name=files; filename=x.pdb\r\n\r\nATOM and the rest"
)
BODY = LINE + b"\r\n--edge--\r\n"
COLOURED = "document.querySelectorAll('#strip .r').length"


class Running:
    """The app in a process of its own, whose temporary files are in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-m", "zoo.app", "--port", "0", "--json", "--offline"],
            cwd=REPOSITORY, env=os.environ | {"TMPDIR": str(folder)}, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.process.stdout
        line = self.process.stdout.readline()
        assert line, self.process.communicate()[1]
        self.address: str = json.loads(line)["address"]

    def files(self) -> list[Path]:
        """Return the files in its folder that hold something; Gradio makes empty ones."""
        return [path for path in self.folder.rglob("*") if path.is_file() and path.stat().st_size]

    def asked(self, method: str, path: str, body: bytes = b"", **headers: str) -> int:
        """Return the status that a request gets."""
        place = urlsplit(self.address).netloc
        with closing(http.client.HTTPConnection(place, timeout=60)) as connection:
            connection.request(method, path, body, headers)
            with connection.getresponse() as response:
                return response.status

    def sending(self, body: bytes, first: int) -> http.client.HTTPConnection:
        """Return a connection on which the first bytes of an upload were sent."""
        connection = http.client.HTTPConnection(urlsplit(self.address).netloc, timeout=60)
        connection.putrequest("POST", "/gradio_api/upload")
        connection.putheader("Content-Type", "multipart/form-data; boundary=edge")
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body[:first])
        return connection


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The app; when it is stopped it ends well, and leaves nothing behind."""
    running = Running(tmp_path_factory.mktemp("temporary"))
    yield running
    running.process.send_signal(signal.SIGINT)
    _, told = running.process.communicate(timeout=60)
    assert (running.process.returncode, "Traceback" in told) == (0, False), told
    assert running.files() == [] and [*running.folder.glob("zoo-app-*")] == []


def test_only_its_own_page_is_answered_and_no_file_of_the_machine(app: Running) -> None:
    assert app.asked("GET", "/") == 200
    assert app.asked("GET", "/", Host="evil.org") == 403
    assert app.asked("POST", "/gradio_api/upload", b"x", Origin="http://evil.org") == 403
    said = {"Content-Length": str(MOST_BYTES + 2**17)}
    assert app.asked("POST", "/gradio_api/upload", b"x", **said) == 413
    for path in (REPOSITORY / "setup.py", Path("/etc/hostname")):
        assert app.asked("GET", f"/gradio_api/file={path}") in (403, 404)
    assert app.files() == []


@pytest.mark.slow
@browser.needed
def test_a_dropped_structure_is_answered_and_no_other_host_is_asked(
    app: Running, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pair, bad = tmp_path / "pair.pdb", tmp_path / "bad.cif"
    write_scored(pair, (made := shelf.two_chains()), np.zeros(len(made)))
    bad.write_text("<html>")
    done = call(capsys, "predict", pair, "--model", "ppbs", "--out", tmp_path / "o", "--chain", "B")
    assert done.code == 0, done.err
    with devtools.opened(tmp_path / "browser") as page:
        page.open(app.address)
        page.wait("document.querySelector('input[type=file]') !== null")
        page.send_file(bad)
        page.wait("document.querySelector('.error')?.innerText.includes('bad.cif is an HTML')")
        assert page.run(f"{PREDICT}.disabled")
        page.send_file(pair)
        page.wait("document.querySelector('.told')?.innerText.includes('A (9 residues), B (7')")
        page.wait("document.querySelectorAll('input[type=checkbox]').length === 2")
        page.run("document.querySelector('input[type=checkbox]').click()")  # B is left
        page.wait("document.querySelectorAll('input[type=checkbox]:checked').length === 1")
        page.wait(f"!{PREDICT}.disabled")
        page.run(f"{PREDICT}.click()")
        page.wait(ANSWERED)
        names = page.run("[...document.querySelectorAll('.files a')].map((one) => one.download)")
        links = page.run("[...document.querySelectorAll('.files a')].map((one) => one.href)")
        page.wait("parseFloat(document.querySelector('#frame iframe').style.height) > 300")
        page.wait(f"{COLOURED} === 7", page.frames[-1])
        found = dict(zip(names, links, strict=True))
        table = base64.b64decode(found["predictions.csv"].partition(",")[2])
        assert table == (tmp_path / "o/predictions.csv").read_bytes()
        assert {"pair_B.pml", "pair_B.cxc", "pair.zip", "index.html"} < found.keys()
        hosts = {urlsplit(one).netloc for one in page.requests if not one.startswith("data:")}
        assert hosts == {urlsplit(app.address).netloc} and len(page.requests) > 20
        assert page.problems == []
    assert app.files() == []


@pytest.mark.slow
@browser.needed
def test_two_windows_that_drop_files_at_once_both_see_theirs(app: Running, tmp_path: Path) -> None:
    pair, one = tmp_path / "pair.pdb", tmp_path / "one.pdb"
    for path, made in ((pair, shelf.two_chains()), (one, shelf.ordinary(30))):
        write_scored(path, made, np.zeros(len(made)))
    with (
        devtools.opened(tmp_path / "first") as first,
        devtools.opened(tmp_path / "second") as second,
    ):
        for page in (first, second):
            page.open(app.address)
            page.wait("document.querySelector('input[type=file]') !== null")
        for mine, theirs in ((pair, one), (one, pair), (pair, pair)):
            half = app.sending(BODY, len(BODY) - 20)  # a third window
            first.send_file(mine)
            second.send_file(theirs)
            for page, file in ((first, mine), (second, theirs)):
                page.wait(f"document.querySelector('.told')?.innerText.startsWith('{file.name}')")
                page.wait("document.querySelector('input[type=file]') !== null")
            half.send(BODY[-20:])
            with closing(half), half.getresponse() as response:
                (sent,) = json.loads(response.read())
            assert Path(sent).read_bytes() == b"ATOM and the rest"
            Path(sent).unlink()
    assert app.files() == []
