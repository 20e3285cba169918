"""Checks that there is room for new states, within the limit of the store and on the disk."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.errors import ConfigError
from zoo.system.counting import counted

if TYPE_CHECKING:
    from zoo.states.states import StateStore


def check_room(store: StateStore, missing: Sequence[str], limit: int | None) -> None:
    """Check that the states of some sequences fit, before anything is computed.

    Raises:
        ConfigError: If they do not; names the space needed, the space there is, and a fix.
    """
    what = f"The hidden states of {counted(len(missing), 'sequence')}"
    helps = "keep them in bfloat16, or fuse fewer layers"
    check_space(store.root, store.expected_bytes(missing), limit, what, helps)


def check_space(root: Path, need: int, limit: int | None, what: str, helps: str) -> None:
    """Check that a number of bytes fits below a folder.

    Args:
        root: Folder of the whole store.
        need: Number of bytes to be written.
        limit: Largest size of the root in bytes; None is only limited by the disk.
        what: Subject of the error message ("The hidden states of 10 sequences").
        helps: End of the error message: what helps apart from a larger store.

    Raises:
        ConfigError: If they do not fit; names the space needed, the space there is, and a fix.
    """
    held = held_by(root)
    if limit is not None and held + need > limit:
        there = f"{held / 1e9:.2f} GB of the limit of {limit / 1e9:.2f} GB are taken"
    elif need > (free := free_at(root)):
        there = f"{free / 1e9:.2f} GB are free on its disk"
    else:
        return
    raise ConfigError(
        f"{what} need {need / 1e9:.2f} GB in {root}, and {there}. Make room with `python -m "
        f"zoo.store prune`, set a higher limit or another folder (ZOO_STORE), {helps}."
    )


def size_text(size: int) -> str:
    """Return a number of bytes as "773.87 kB", "1.69 MB" or "2.50 GB"."""
    unit, name = next((x for x in ((1e9, "GB"), (1e6, "MB")) if size >= x[0]), (1e3, "kB"))
    return f"{size / unit:,.2f} {name}"


def held_by(root: Path) -> int:
    """Return the size in bytes of all shards below a folder."""
    sizes = []
    for path in root.rglob("*.safetensors"):
        try:
            sizes.append(path.stat().st_size)
        except FileNotFoundError:  # pruned since it was listed
            continue
    return sum(sizes)


def free_at(folder: Path) -> int:
    """Return the free bytes of the disk that a folder is on, or will be once it is made."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free
