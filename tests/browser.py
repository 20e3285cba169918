"""Open a page in a headless browser, where there is one."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
needed = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium")
"""For tests that open a page."""
WATCH = """<script>
window.onerror = (told) => { document.documentElement.dataset.error = told; };
</script>"""
HEADLESS = (
    "--headless", "--no-sandbox", "--enable-unsafe-swiftshader", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
DUMP = ("--virtual-time-budget=5000", "--dump-dom")


def after(text: str, script: str, folder: Path) -> str:
    """Return a page as it is after its own scripts and then this one have run without an error.

    Args:
        text: Page.
        script: JavaScript to run at its end.
        folder: Folder for the page and the browser's own files.
    """
    page, profile = folder / "opened.html", folder / "browser"
    watched = text.replace("<head>", f"<head>{WATCH}")
    page.write_text(watched.replace("</body>", f"<script>{script}</script></body>"))
    call = [CHROMIUM, *HEADLESS, *DUMP, f"--user-data-dir={profile}", page.as_uri()]
    found = subprocess.run(call, capture_output=True, text=True, timeout=120).stdout
    start = re.search(r"<html[^>]*>", found)
    assert start and "data-error" not in start[0], start and start[0]
    return found
