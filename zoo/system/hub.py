"""The Hugging Face hub: whether it can be used now, and whether what came from it is whole."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from zoo.errors import FetchError, WeightsError
from zoo.system.network import ask

HUB_TIMEOUT = 3.0
"""Seconds; left alone, a look-up without network retries for most of a minute."""


def hub_problem() -> str | None:
    """Return why the Hugging Face hub cannot be used now, or None; takes `HUB_TIMEOUT` at most."""
    try:
        ask(os.environ.get("HF_ENDPOINT") or "https://huggingface.co", HUB_TIMEOUT)
    except FetchError as error:
        return str(error)
    return None


def check_hashes(folder: Path, hashes: Mapping[str, str]) -> None:
    """Hold large files against the SHA-256 that the hub names; take away a damaged one."""
    for name, expected in hashes.items():
        path = folder / name
        if not path.is_file():
            continue
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != expected:
            path.resolve().unlink()  # in the hub's cache the path is a link
            path.unlink(missing_ok=True)
            raise WeightsError(
                f"{path} was damaged on its way: SHA-256 {found[:12]}..., where the hub has "
                f"{expected[:12]}... It was removed: run the same command again."
            )


def first_line(error: Exception) -> str:
    """Return the first line of an error of the hub, whose others are addresses and advice."""
    return str(error).strip().splitlines()[0] if str(error).strip() else "no reason given"
