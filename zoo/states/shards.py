"""A folder of tensors by key, written in shards and mapped into memory to be read.

A shard has a random name and is moved into place once it is complete. So a kill leaves no partial
shard, and several processes on several machines can add to one folder without locks.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, KeysView, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

from zoo.states.shard import (
    MEND,
    StoreError,
    Sums,
    open_shard,
    problems,
    read_entry,
    shard_paths,
    write_shard,
)


class StoreWarning(UserWarning):
    """Warns that a damaged shard is ignored, so that its content counts as missing."""


class Shards:
    """Tensors by key in a folder, which are read without copying.

    A process sees the keys that were there when it opened the folder, those it wrote itself, and
    after `refresh` those that others wrote. If two shards have the same key, the first by name is
    read.

    Args:
        folder: Folder of the shards; the first `put` makes it.
        check: Whether to compare checksums at the first read of each key.
    """

    def __init__(self, folder: Path, *, check: bool = True) -> None:
        self.folder, self._check = folder, check
        self.damaged: dict[str, str] = {}
        """Shards that cannot be read, with the reason; their content counts as missing."""
        self._sums: dict[str, Sums] = {}
        self._shard_of: dict[str, str] = {}
        self._files: dict[str, Any] = {}
        self._checked: set[str] = set()
        self.refresh()

    def __reduce__(self) -> tuple[Callable[[Path], Shards], tuple[Path]]:
        """Pickle only the name of the folder: each process maps the shards itself."""
        return partial(Shards, check=self._check), (self.folder,)

    def __contains__(self, key: object) -> bool:
        return key in self._shard_of

    def __len__(self) -> int:
        return len(self._shard_of)

    def keys(self) -> KeysView[str]:
        """Return the known keys."""
        return self._shard_of.keys()

    @property
    def nbytes(self) -> int:
        """Size on disk in bytes, damaged shards included."""
        return sum(path.stat().st_size for path in shard_paths(self.folder))

    def put(self, entries: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Write {key: {name: tensor}} as one shard, either completely or not at all.

        Raises:
            StoreError: If the disk is full or the folder cannot be written to.
        """
        if entries:
            write_shard(self.folder, entries)
            self.refresh()

    def get(self, key: str) -> dict[str, Tensor]:
        """Return {name: tensor} of a key, as views of the mapped file on the CPU, to be read only.

        Writing to a view changes neither the file nor what another process reads.

        Raises:
            KeyError: If the key is not there, or not any more.
            StoreError: If the bytes on disk differ from those that were written.
        """
        shard = self._shard_of[key]
        check = self._check and key not in self._checked
        try:
            file = self._open(shard)
            tensors = read_entry(
                self.folder / shard, file, key, self._sums[shard][key], check=check
            )
        except FileNotFoundError:  # pruned meanwhile; another shard may have the key
            self._forget({shard})
            return self.get(key)
        except StoreError as error:
            raise StoreError(f"{error} {MEND}") from None
        self._checked.add(key)
        return tensors

    def refresh(self) -> None:
        """Look for shards that other processes wrote or removed.

        If there are none, this costs one listing of the folder.
        """
        found = {path.name for path in shard_paths(self.folder)}
        known = self._sums.keys() | self.damaged.keys()
        if gone := known - found:
            self._forget(gone)
        for name in found - known:
            self._learn(name)

    def verify(self) -> list[str]:
        """Return one line for each problem of any shard, after reading every byte.

        Unfinished shards are garbage and not listed, see `shard.stale_parts`.
        """
        return [line for path in shard_paths(self.folder) for line in problems(path)]

    def _learn(self, name: str) -> None:
        """Read a shard's table of contents, or note that it is damaged."""
        try:
            self._sums[name] = open_shard(self.folder / name)[1]
        except FileNotFoundError:  # pruned since it was listed
            return
        except StoreError as error:
            self.damaged[name] = str(error)
            text = f"{error} What it held counts as missing. {MEND}"
            warnings.warn(text, StoreWarning, stacklevel=4)
        self._point_to(name)

    def _forget(self, names: set[str]) -> None:
        for name in names:
            for table in (self._sums, self._files, self.damaged):
                table.pop(name, None)
        self._shard_of.clear()
        for name in self._sums:
            self._point_to(name)

    def _point_to(self, name: str) -> None:
        for key in self._sums.get(name, {}):
            self._shard_of[key] = min(name, self._shard_of.get(key, name))

    def _open(self, name: str) -> Any:
        """Return the reader of a shard, which is mapped at the first call."""
        if not self._files:  # the time of the folder records when it was last used
            with suppress(OSError):
                os.utime(self.folder)
        if name not in self._files:
            self._files[name] = open_shard(self.folder / name)[0]
        return self._files[name]
