"""A user's own backbones and fusions: `ZOO_PLUGINS=mine,lab.networks` names modules to import.

What they register is then known to every verb, to workers of a search, and to `zoo list`.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
from pathlib import Path

from zoo.errors import ConfigError

VARIABLE = "ZOO_PLUGINS"


def load_plugins() -> None:
    """Import the modules that are named.

    Raises:
        ConfigError: for one that is not there.
    """
    for name in _named():
        _found(name)
        importlib.import_module(name)


def plugin_files() -> list[Path]:
    """Return the source files of the modules, without running them.

    Raises:
        ConfigError: for one that is not there.
    """
    return [_found(name) for name in _named()]


def _named() -> list[str]:
    return [name for text in os.environ.get(VARIABLE, "").split(",") if (name := text.strip())]


def _found(name: str) -> Path:
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        spec = None
    if spec is None or spec.origin is None:
        raise ConfigError(
            f"{VARIABLE} names {name!r}, which Python does not find. It is the name of a module, "
            "not of a file: mine for mine.py. PYTHONPATH=FOLDER says where it lies."
        )
    return Path(spec.origin)
