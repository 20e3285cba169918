"""What `mkdocs build` runs: adds the generated pages of `_pages.py`, and looks at what was made."""

from __future__ import annotations

import logging
import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

sys.path.insert(0, str(Path(__file__).parent))
import _pages


def on_config(config: Any) -> Any:
    """List the generated pages in the navigation, each at the end of its section."""
    sections = {title: paths for entry in config.nav for title, paths in entry.items()}
    for path, page in _pages.pages().items():
        sections[page.section].append(path)
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add the generated pages."""
    for path, page in _pages.pages().items():
        files.append(File.generated(config, path, content=page.text))
    return files


def on_page_content(html: str, page: Any, config: Any, files: Files) -> str:
    """Warn of bold text that was not made bold; with `strict` this ends the build."""
    text = re.sub(r"<(pre|code)\b.*?</\1>", "", html, flags=re.S)
    for found in re.findall(r".*\*\*.*", text):
        logging.getLogger("mkdocs.hooks").warning("%s: a stray ** in %s", page.file.src_uri, found)
    return html
