"""Chooses the device to run on, and shares devices and cores among processes."""

from __future__ import annotations

import os

import torch

from zoo.errors import ConfigError


def available() -> list[str]:
    """Return the kinds of device that torch can use here, best first."""
    kinds = ["cuda"] if torch.cuda.is_available() else []
    if torch.backends.mps.is_available():
        kinds.append("mps")
    return [*kinds, "cpu"]


def choose_device(name: str) -> str:
    """Return the device of a name; "auto" is the best one available.

    Raises:
        ConfigError: If the device is not available.
    """
    kinds = available()
    if name == "auto":
        return kinds[0]
    if name.partition(":")[0] not in kinds:
        raise ConfigError(f"Device {name!r} is not available. Here: {', '.join(kinds)}.")
    return name


def share(number: int, workers: int, accelerator: str) -> dict[str, str]:
    """Return the environment variables that give one of several processes its GPU or cores.

    Args:
        number: Number of the process, from 0.
        workers: Number of processes.
        accelerator: Lightning's name of the kind of device: "auto", "gpu" or "cpu".
    """
    devices = torch.cuda.device_count() if accelerator in ("auto", "gpu") else 0
    if devices:
        own = os.environ.get("CUDA_VISIBLE_DEVICES")
        ids = own.split(",") if own else list(map(str, range(devices)))
        return {"CUDA_VISIBLE_DEVICES": ids[number % devices].strip()}
    # By default waiting threads spin, which takes cores from the other processes.
    given = {"OMP_NUM_THREADS": str(max(1, cores() // workers)), "OMP_WAIT_POLICY": "PASSIVE"}
    return {name: os.environ.get(name, value) for name, value in given.items()}


def cores() -> int:
    """Return the number of CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
