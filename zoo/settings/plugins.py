"""Plug-ins: modules of other packages that register backbones, fusions or tasks.

An installed package lists its modules as entry points; `ZOO_PLUGINS=mine,lab.networks` lists
modules that are not installed. They are imported the first time that names are looked up. Every
verb, the workers of a search and `zoo list` then know what they registered.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import warnings

from zoo.errors import ConfigError, TakenError

VARIABLE = "ZOO_PLUGINS"
GROUP = "protein_model_zoo"
"""The group of entry points: `[project.entry-points.protein_model_zoo]`, `mine = "mine.nets"`."""

_loaded: set[str] = set()


def load_plugins() -> None:
    """Import every plug-in once.

    An installed plug-in that fails to import is left out with a warning, because its package may
    have been installed for another purpose. A module that `ZOO_PLUGINS` names must import.

    Raises:
        ConfigError: If Python does not find a module that `ZOO_PLUGINS` names.
        TakenError: If a plug-in, installed or named, registers a name that is taken.
    """
    for name in _named():
        if _first_time(name):
            try:
                _check_found(name)
                importlib.import_module(name)
            except BaseException:
                _loaded.discard(name)  # so that the next call says so again
                raise
    if not _first_time(GROUP):
        return
    from importlib.metadata import entry_points  # imported late, so that --help stays fast

    for point in entry_points(group=GROUP):
        try:
            point.load()
        except TakenError:
            _loaded.discard(GROUP)  # so that the next call says so again
            raise
        except Exception as error:  # another package's code may raise anything
            owner = point.dist.name if point.dist else point.value
            warnings.warn(
                f"the plug-in {point.name!r} of the package {owner} could not be imported "
                f"({type(error).__name__}: {error}), so its names are unknown",
                stacklevel=2,
            )


def _first_time(name: str) -> bool:
    """Return True once for each plug-in; marked before it loads, so it cannot load itself again."""
    if name in _loaded:
        return False
    _loaded.add(name)
    return True


def _named() -> list[str]:
    return [name for text in os.environ.get(VARIABLE, "").split(",") if (name := text.strip())]


def _check_found(name: str) -> None:
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        spec = None
    if spec is None:
        _loaded.discard(name)
        raise ConfigError(
            f"{VARIABLE} names {name!r}, which Python does not find. It is the name of a module, "
            "not of a file: mine for mine.py. Set PYTHONPATH=FOLDER to the folder that it is in."
        )
