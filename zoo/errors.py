"""Errors that name the value, the valid values and the fix, each with its exit code."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ZooError(Exception):
    """A mistake in the input, told in one message. Verbs print it without a traceback."""

    exit_code = 1


class ConfigError(ZooError):
    """A name, key or number in a config or on the command line that cannot be used."""

    exit_code = 2


class WeightsError(ZooError):
    """Pretrained weights that are neither on this machine nor reachable."""

    exit_code = 3


class StructureError(ZooError):
    """A structure or sequence file that cannot be read; names the file and the cause."""

    exit_code = 4


class CheckpointError(ZooError):
    """A saved model that does not fit its config."""

    exit_code = 5


class RandomWeightsWarning(UserWarning):
    """A model is used whose language model was never trained."""


def unknown(what: str, value: str, valid: Iterable[str]) -> ConfigError:
    """Return the error for an unknown name, with the nearest valid one first."""
    names = sorted(valid)
    return ConfigError(
        f"Unknown {what} {value!r}. {nearest(value, names)}Valid: {', '.join(names)}."
    )


def nearest(value: str, names: Iterable[str]) -> str:
    """Return "Did you mean ...? " with the name that is most like a value, or ""."""
    near = difflib.get_close_matches(value, list(names), n=1, cutoff=0.5)
    return f"Did you mean {near[0]!r}? " if near else ""
