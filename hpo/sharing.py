"""What each of several processes on one machine may use: a GPU, or its share of the cores."""

from __future__ import annotations

import os

import torch


def share(number: int, workers: int, accelerator: str) -> dict[str, str]:
    """Return the environment variables of one of several processes.

    Args:
        number: of the process, from 0.
        workers: how many there are.
        accelerator: Lightning's word.
    """
    devices = torch.cuda.device_count() if accelerator in ("auto", "gpu") else 0
    if devices:
        return {"CUDA_VISIBLE_DEVICES": str(number % devices)}
    # Threads that wait by spinning take the cores of the other processes.
    given = {"OMP_NUM_THREADS": str(max(1, cores() // workers)), "OMP_WAIT_POLICY": "PASSIVE"}
    return {name: os.environ.get(name, value) for name, value in given.items()}


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
