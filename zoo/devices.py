"""Which device to run on."""

from __future__ import annotations

import torch

from zoo.errors import ConfigError


def available() -> list[str]:
    """Return the kinds of device that torch can use here, best first."""
    kinds = ["cuda"] if torch.cuda.is_available() else []
    if torch.backends.mps.is_available():
        kinds.append("mps")
    return [*kinds, "cpu"]


def choose_device(name: str) -> str:
    """Return the device that a name means; "auto" is the best there is.

    Raises:
        ConfigError: if the device is not there.
    """
    kinds = available()
    if name == "auto":
        return kinds[0]
    if name.partition(":")[0] not in kinds:
        raise ConfigError(f"Device {name!r} is not available. Here: {', '.join(kinds)}.")
    return name
