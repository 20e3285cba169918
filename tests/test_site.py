"""The site: it builds without a warning, and its search works where a page is opened from disk."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import browser
from tests.conftest import REPOSITORY
from tests.devtools import opened

FRAME_WORKER = REPOSITORY / "docs/theme/iframe-worker.js"
OFFLINE = ("--host-resolver-rules=MAP * ~NOTFOUND", "--proxy-server=127.0.0.1:9")
ASK = """(() => {
  const field = document.querySelector("[data-md-component=search-query]");
  document.querySelector("#__search").click();
  field.value = "threshold";
  field.dispatchEvent(new KeyboardEvent("keyup", { bubbles: true, key: "d" }));
})()"""
FOUND = """[...document.querySelectorAll(".md-search-result__link")].map((link) => link.href)"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("mkdocs", reason="the docs extra is not installed: make docs")
    pytest.importorskip("mkdocstrings_handlers.python", reason="the docs extra: make docs")
    folder = tmp_path_factory.mktemp("docs") / "site"
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-d", folder],
        cwd=REPOSITORY, capture_output=True, text=True,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
    )  # fmt: skip
    assert done.returncode == 0 and not done.stderr.strip(), done.stderr[-3000:]
    return folder


@pytest.mark.slow
def test_the_site_builds_without_a_warning(site: Path) -> None:
    assert "arXiv:2203.06125" in (site / "reference/backbones/gearnet.html").read_text()


@pytest.mark.slow
@browser.needed
def test_the_search_works_from_disk_and_without_a_network(site: Path, tmp_path: Path) -> None:
    with opened(tmp_path, *OFFLINE) as page:
        page.open((site / "howto/build.html").as_uri())
        page.wait("document.querySelector('[data-md-component=search-query]') !== null")
        page.wait("document.readyState === 'complete'")
        page.run(ASK)
        found = page.wait(f"{FOUND}.length && {FOUND}")
        assert any("howto/predict.html" in link for link in found)
        assert not page.problems
        assert {one.partition(":")[0] for one in page.requests} == {"file", "data"}


@browser.needed
def test_a_page_from_disk_talks_to_a_worker(tmp_path: Path) -> None:
    (tmp_path / "worker.js").write_text(
        'addEventListener("message", (told) => postMessage(told.data + ", and back"));'
    )
    text = f"<html><head></head><body><script>{FRAME_WORKER.read_text()}</script></body></html>"
    ask = """const worker = new Worker("worker.js");
    worker.addEventListener("message", (told) => { document.body.append(told.data); });
    worker.postMessage("there");"""
    assert "there, and back</body>" in browser.after(text, ask, tmp_path)
