"""A picture of a page, as a headless Chromium shows it."""

from __future__ import annotations

import io
import shutil
import subprocess
import tempfile
from pathlib import Path

from PIL import Image

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
OPTIONS = (
    "--headless", "--no-sandbox", "--enable-unsafe-swiftshader", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--hide-scrollbars", "--virtual-time-budget=8000",
)  # fmt: skip
COLOURS = 192
"""Number of colours that are kept, so that the file is small."""


def screenshot(
    page: Path, out: Path, size: tuple[int, int], cut: tuple[int, int, int, int]
) -> None:
    """Write a part of a page as a PNG file.

    Args:
        page: HTML file.
        out: File to write.
        size: Width and height of the window, in pixels.
        cut: Left, upper, right and lower edge of the part.
    """
    assert CHROMIUM is not None
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "whole.png"
        subprocess.run(
            [CHROMIUM, *OPTIONS, f"--user-data-dir={folder}/profile", f"--screenshot={whole}",
             f"--window-size={size[0]},{size[1]}", page.resolve().as_uri()],
            check=True, capture_output=True, timeout=180,
        )  # fmt: skip
        seen = Image.open(io.BytesIO(whole.read_bytes())).convert("RGB").crop(cut)
    seen.quantize(COLOURS, dither=Image.Dither.NONE).save(out, optimize=True)
