"""The errors that users see: each names the cause and the fix, and has an exit code."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable


class ZooError(Exception):
    """A mistake in the input, explained in one message that verbs print without a traceback."""

    exit_code = 1


class ConfigError(ZooError):
    """A name, key or number in a config or on the command line that is not valid."""

    exit_code = 2


class TakenError(ConfigError):
    """A plug-in's name that the library or another plug-in has."""


class WeightsError(ZooError):
    """Pretrained weights that are not on this machine and cannot be downloaded."""

    exit_code = 3


class FetchError(ZooError):
    """A file that is not on this machine and cannot be fetched."""

    exit_code = 3


class HubError(ZooError):
    """A hub that cannot be reached, or does not let the user write."""

    exit_code = 3


class StructureError(ZooError):
    """A structure or sequence file that cannot be read; the message names file and cause."""

    exit_code = 4


class DataError(ZooError):
    """A data set that cannot be read; the message says what is missing and where to get it."""

    exit_code = 4


class CheckpointError(ZooError):
    """A saved model that does not fit its config."""

    exit_code = 5


class SaveError(ZooError):
    """A file that cannot be written: the disk is full, or the folder is read-only."""

    exit_code = 5


class RandomWeightsWarning(UserWarning):
    """Warns that a model is used whose language model has random weights."""


class ModelWarning(UserWarning):
    """Warns of what a shipped model is not for."""


class FailedInputsWarning(UserWarning):
    """Warns that some of several inputs could not be used, while the others were."""


def unknown(what: str, value: str, valid: Iterable[str]) -> ConfigError:
    """Return the error for an unknown name; it suggests the most similar valid name."""
    names = sorted(valid)
    return ConfigError(
        f"Unknown {what} {value!r}. {nearest(value, names)}Valid: {', '.join(names)}."
    )


def nearest(value: str, names: Iterable[str]) -> str:
    """Return "Did you mean NAME? " with the most similar name, or "" if none is similar."""
    near = difflib.get_close_matches(value, list(names), n=1, cutoff=0.5)
    return f"Did you mean {near[0]!r}? " if near else ""


def alike(message: str) -> str:
    """Return a message without what names one case, by which like ones are counted.

    Left out are words that hold a digit or "/", and brackets with such words, which give details.

    Examples:
        >>> alike("data/4abc.cif: there is no chain B")
        '... there is no chain B'
        >>> alike("1bna.cif: holds no protein chain (2 nucleic acid chains, not read: A, B)")
        '... holds no protein chain'
    """
    message = re.sub(r" \([^()]*\d[^()]*\)", "", message)
    words = ["..." if re.search(r"[\d/]", word) else word for word in message.split()]
    return " ".join(word for i, word in enumerate(words) if words[i - 1 : i] != [word])
