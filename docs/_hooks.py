"""What `mkdocs build` runs: adds the pages that the registries and docstrings make."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

sys.path.insert(0, str(Path(__file__).parent))
import _pages


def on_config(config: Any) -> Any:
    """List the made pages in the navigation."""
    sections: dict[str, list[str]] = {}
    for path, page in _pages.pages().items():
        sections.setdefault(page.section, []).append(path)
    config.nav.extend({section: paths} for section, paths in sections.items())
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add the made pages."""
    for path, page in _pages.pages().items():
        files.append(File.generated(config, path, content=page.text))
    return files
