"""One shard: a safetensors file with a checksum of each tensor, written whole or not at all."""

from __future__ import annotations

import errno
import json
import os
import re
import time
import uuid
import zlib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from zoo.errors import ZooError

SHARD, PART = re.compile(r"[0-9a-f]{32}\.safetensors"), re.compile(r"[0-9a-f]{32}\.part")
"""Names of our own files; nothing else in a folder is ever read or removed."""
STALE = 3600.0
"""Seconds after which a part that nobody finished is garbage: its writer was killed."""
SUMS = "checksums"
MEND = (
    "`python -m zoo.store prune --damaged` (with --root DIR if the store is not the default one) "
    "removes such files; what is needed is made anew."
)
Sums = dict[str, dict[str, int]]
"""{key: {name of the tensor: checksum}}, as a shard's metadata holds it."""


class StoreError(ZooError):
    """A store that cannot be written to, lacks what is asked of it, or holds damaged data."""


def tensor_name(key: str, name: str) -> str:
    """Return the name of a tensor inside a shard."""
    if "/" in name:
        raise ValueError(f"the name of a tensor holds no '/': {name!r}")
    return f"{key}/{name}"


def write_shard(folder: Path, entries: Mapping[str, Mapping[str, Tensor]]) -> None:
    """Write {key: {name: tensor}} as a new file in a folder.

    Raises:
        StoreError: if the disk is full or the folder cannot be written to.
    """
    # Copies, because safetensors refuses tensors that share memory.
    tensors = {
        tensor_name(key, name): x.detach().to(
            "cpu", copy=True, memory_format=torch.contiguous_format
        )
        for key, entry in entries.items()
        for name, x in entry.items()
    }
    sums: Sums = {
        key: {name: checksum(full := tensor_name(key, name), tensors[full]) for name in entry}
        for key, entry in entries.items()
    }
    path = folder / f"{uuid.uuid4().hex}.safetensors"
    write_whole(path, save(tensors, {SUMS: json.dumps(sums)}))


def open_shard(path: Path) -> tuple[Any, Sums]:
    """Map a shard; return its reader, which holds no file handle, and its checksums.

    Safetensors compares the header with the file's size, so a truncated shard is found here.

    Raises:
        FileNotFoundError: if it is gone.
        StoreError: if it is damaged or cannot be read.
    """
    try:
        file = safe_open(path, "pt")
        sums: Sums = json.loads(file.metadata()[SUMS])
        expected = {tensor_name(key, name) for key, entry in sums.items() for name in entry}
        if set(file.keys()) != expected:
            raise ValueError("its header names other tensors than were written")
    except (OSError, SafetensorError, ValueError, LookupError, TypeError, AttributeError) as error:
        if not path.exists():
            raise FileNotFoundError(path) from None
        raise StoreError(f"{path} is damaged or cannot be read: {error}.") from error
    return file, sums


def read_entry(
    path: Path, file: Any, key: str, sums: Mapping[str, int], *, check: bool
) -> dict[str, Tensor]:
    """Return {name: tensor} of one key, views of the map.

    Raises:
        StoreError: if `check` and the bytes are not those that were written.
    """
    tensors: dict[str, Tensor] = {}
    for name, expected in sums.items():
        full = tensor_name(key, name)
        tensors[name] = file.get_tensor(full)
        if check and checksum(full, tensors[name]) != expected:
            raise StoreError(f"{path} is damaged: {full} is not what was written.")
    return tensors


def problems(path: Path) -> list[str]:
    """Return what is wrong with a shard, a line each; reads every byte."""
    found = []
    try:
        file, sums = open_shard(path)
        for key, entry in sums.items():
            try:
                read_entry(path, file, key, entry, check=True)
            except StoreError as error:
                found.append(str(error))
    except FileNotFoundError:  # pruned meanwhile
        return []
    except StoreError as error:
        return [str(error)]
    return found


def checksum(name: str, tensor: Tensor) -> int:
    """Return a checksum over a tensor's bytes, name, dtype and shape: all that a shard says."""
    said = f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode()
    return zlib.crc32(tensor.reshape(-1).view(torch.uint8).numpy().data, zlib.crc32(said))


def shard_paths(folder: Path) -> list[Path]:
    """Return the shards in a folder by name; none where there is no folder."""
    return _matching(folder, SHARD)


def stale_parts(folder: Path) -> list[Path]:
    """Return what writers that were killed left behind: garbage, but no damage."""
    limit = time.time() - STALE
    return [path for path in _matching(folder, PART) if path.stat().st_mtime < limit]


def _matching(folder: Path, pattern: re.Pattern[str]) -> list[Path]:
    try:
        names = os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [folder / name for name in sorted(names) if pattern.fullmatch(name)]


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that others see all of it or nothing, also after a kill or a power cut.

    Raises:
        StoreError: if the disk is full or the folder cannot be written to.
    """
    part = path.with_name(f"{uuid.uuid4().hex}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise StoreError(_cannot_write(path.parent, error)) from error
    finally:
        with suppress(OSError):
            part.unlink()


def _cannot_write(folder: Path, error: OSError) -> str:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    fix = "Free some space (`python -m zoo.store prune`)" if full else "Make it writable"
    return (
        f"Cannot write to {folder}: {error.strerror}. All that was written before is whole and "
        f"will be used. {fix}, or set ZOO_STORE to another folder; then run the same command again."
    )
