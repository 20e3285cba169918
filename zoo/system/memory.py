"""Measures the free memory, and refuses work that would not fit into it."""

from __future__ import annotations

from zoo.errors import ConfigError

MARGIN = 0.9
"""Largest share of the free memory that work may be estimated to take."""


def free_memory(device: str = "cpu") -> int:
    """Return the free bytes of a CUDA device, or for any other device of the main memory."""
    if device.startswith("cuda"):
        import torch

        return int(torch.cuda.mem_get_info(device)[0])
    import psutil

    return int(psutil.virtual_memory().available)


def check_fits(what: str, need: float, advice: str, device: str = "cpu") -> None:
    """Refuse work that needs more memory than is free, before the system ends the program.

    Args:
        what: Subject of the error message: "A step on 900 residues".
        need: Number of bytes that the work needs.
        advice: Sentence that ends the error message: what to do about it.
        device: Device whose memory is used.

    Raises:
        ConfigError: If the work would not fit; names the memory needed, the free memory and a fix.
    """
    free = free_memory(device)
    if need > MARGIN * free:
        raise ConfigError(
            f"{what} needs about {need / 1e9:.2f} GB of memory, and {free / 1e9:.2f} GB are free. "
            f"{advice}"
        )


def out_of_memory(error: BaseException) -> bool:
    """Return whether an error means that the memory of any device ran out."""
    text = str(error).lower()
    said = ("out of memory", "not enough memory", "can't allocate", "storage size calculation")
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(words in text for words in said)
    )
