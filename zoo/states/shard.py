"""Shards: safetensors files with a checksum of each tensor, written completely or not at all."""

from __future__ import annotations

import errno
import json
import os
import re
import time
import uuid
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from zoo.errors import SaveError, ZooError
from zoo.system.files import whole_file
from zoo.system.reading import plain_file

SHARD, PART = re.compile(r"[0-9a-f]{32}\.safetensors"), re.compile(r"[0-9a-f]{32}\.part")
"""Names of shards and of unfinished shards; no other file in a folder is read or removed."""
STALE = 3600.0
"""Seconds after which an unfinished shard is garbage, because its writer was killed."""
SUMS = "checksums"
MEND = (
    "`python -m zoo.store prune --damaged` (with --root DIR if the store is not the default one) "
    "removes such files; missing states are computed again when they are needed."
)
Sums = dict[str, dict[str, int]]
"""{key: {name of the tensor: checksum}}, as in the metadata of a shard."""


class StoreError(ZooError):
    """Raised for a store that cannot be written to, lacks requested data, or is damaged."""


class UnwritableError(StoreError, SaveError):
    """Raised for a store whose disk is full, or that may not be written to."""


def tensor_name(key: str, name: str) -> str:
    """Return the name of a tensor inside a shard."""
    if "/" in name:
        raise ValueError(f"the name of a tensor must not contain '/': {name!r}")
    return f"{key}/{name}"


def write_shard(folder: Path, entries: Mapping[str, Mapping[str, Tensor]]) -> None:
    """Write {key: {name: tensor}} as a new shard in a folder.

    Raises:
        StoreError: If the disk is full or the folder cannot be written to.
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

    Safetensors compares the header with the size of the file, so this detects a truncated shard.

    Raises:
        FileNotFoundError: If the shard does not exist any more.
        StoreError: If it is damaged or cannot be read.
    """
    try:
        file = safe_open(plain_file(path), "pt")
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
    """Return {name: tensor} of one key, as views of the mapped file.

    Args:
        path: Path of the shard.
        file: Reader of the shard.
        key: Key of the entry.
        sums: Checksum of each tensor of the entry.
        check: Whether to compare the checksums.

    Raises:
        StoreError: If a checksum differs.
    """
    tensors: dict[str, Tensor] = {}
    for name, expected in sums.items():
        full = tensor_name(key, name)
        tensors[name] = file.get_tensor(full)
        if check and checksum(full, tensors[name]) != expected:
            raise StoreError(f"{path} is damaged: {full} is not what was written.")
    return tensors


def problems(path: Path) -> list[str]:
    """Return one line for each problem of a shard, after reading every byte."""
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
    """Return a checksum of a tensor's bytes, name, dtype and shape."""
    said = f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode()
    return zlib.crc32(tensor.reshape(-1).view(torch.uint8).numpy().data, zlib.crc32(said))


def shard_paths(folder: Path) -> list[Path]:
    """Return the shards in a folder, sorted by name; none if the folder does not exist."""
    return _matching(folder, SHARD)


def stale_parts(folder: Path) -> list[Path]:
    """Return the unfinished shards that killed processes left; they are garbage, not damage."""
    limit = time.time() - STALE
    return [path for path in _matching(folder, PART) if path.stat().st_mtime < limit]


def _matching(folder: Path, pattern: re.Pattern[str]) -> list[Path]:
    try:
        names = os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [folder / name for name in sorted(names) if pattern.fullmatch(name)]


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that others see all of it or nothing, even after a kill or a power cut.

    Raises:
        UnwritableError: If the disk is full or the folder cannot be written to.
    """
    try:
        with whole_file(path, "wb", part=f"{uuid.uuid4().hex}.part") as file:
            file.write(data)
    except OSError as error:
        raise UnwritableError(_cannot_write(path.parent, error)) from error


def _cannot_write(folder: Path, error: OSError) -> str:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    fix = "Free some space (`python -m zoo.store prune`)" if full else "Make it writable"
    return (
        f"Cannot write to {folder}: {error.strerror}. All that was written before is whole and "
        f"will be used. {fix}, or set ZOO_STORE to another folder; then run the same command again."
    )
