"""Reads the entries of a Foldcomp database one by one, without unpacking it to the disk.

A database X is the file X with the packed structures, `X.index` with a line "key, offset, length"
for each, and `X.lookup` with a line "key, name, file" (https://github.com/steineggerlab/foldcomp).
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import IO

from zoo.errors import ConfigError, StructureError
from zoo.proteins.files import foldcomp_unpack
from zoo.proteins.files.archive import Member
from zoo.proteins.files.content import printable
from zoo.proteins.files.foldcomp_unpack import SIZE
from zoo.system.reading import opened

MARK = b"FCMP"
INDEX, LOOKUP = ".index", ".lookup"
LONGEST = 2**16
"""Largest size of a line of the index or the lookup."""


def is_database(path: Path) -> bool:
    """Return whether a file is a Foldcomp database: the index beside it says so."""
    return _beside(path, INDEX).is_file()


def entries(path: Path) -> Iterator[Member]:
    """Yield the entries of a database in the order of its index, after a look at all of it.

    What is read of an entry is the text of a PDB file. Entries are unpacked by a process of their
    own, because Foldcomp may end the process that it is in when one is damaged.

    Raises:
        ConfigError: If Foldcomp is not installed.
        StructureError: If a file of the database is missing, damaged or cut short.
    """
    if importlib.util.find_spec("foldcomp") is None:
        raise ConfigError(
            f"{printable(path)} is a Foldcomp database, and reading it needs Foldcomp: "
            "`pip install foldcomp`."
        )
    if not is_database(path):
        raise StructureError(
            f"holds Foldcomp entries, and {path.name}{INDEX}, which says where each begins, is not "
            "beside it"
        )
    size = path.stat().st_size
    for key, start, length in _index(path):
        if start + length > size:
            raise StructureError(
                f"is a Foldcomp database that was cut short: the entry {key} would end at byte "
                f"{start + length:,}, and there are {size:,}; fetch it again"
            )
    names = _Names(path)
    with opened(path) as file, closing(_Unpacker()) as unpacker:
        for key, start, length in _index(path):
            mark = f"{key} {start} {length}".encode()
            yield Member(names.of(key), mark, partial(_read, file, start, length, unpacker))


def _read(file: IO[bytes], start: int, length: int, unpacker: _Unpacker) -> bytes:
    file.seek(start)
    return unpacker.unpacked(file.read(length))


def _index(path: Path) -> Iterator[tuple[int, int, int]]:
    for number, line in _lines(_beside(path, INDEX)):
        try:
            key, start, length = map(int, line.split(b"\t"))
            if min(start, length) < 0:
                raise ValueError
        except ValueError:
            raise StructureError(
                f"its index is damaged: line {number} of {path.name}{INDEX} is not a key, an "
                "offset and a length"
            ) from None
        yield key, start, length


class _Names:
    """Names of entries by key.

    Foldcomp writes the lookup in the order of the index, and so it is read, a line at a time. One
    in another order is held whole.
    """

    def __init__(self, path: Path) -> None:
        self._file = _beside(path, LOOKUP)
        if not self._file.is_file():
            raise StructureError(f"has no {self._file.name} beside it, which names its entries")
        self._pairs = self._read()
        self._all: dict[int, str] | None = None

    def of(self, key: int) -> str:
        """Return the name of an entry."""
        if self._all is None:
            for own, name in self._pairs:
                if own == key:
                    return name
                if own > key:
                    break
            self._all = dict(self._read())
        try:
            return self._all[key]
        except KeyError:
            raise StructureError(f"{self._file.name} has no name for the entry {key}") from None

    def _read(self) -> Iterator[tuple[int, str]]:
        for number, line in _lines(self._file):
            key, _, rest = line.partition(b"\t")
            name = rest.partition(b"\t")[0].decode(errors="replace")
            if not (key.isdigit() and name):
                raise StructureError(
                    f"line {number} of {self._file.name} is not a key and a name; it is damaged"
                )
            yield int(key), name


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    with opened(path) as file:
        for number, line in enumerate(iter(lambda: file.readline(LONGEST), b""), start=1):
            yield number, line.rstrip(b"\r\n")


def _beside(path: Path, end: str) -> Path:
    return path.with_name(path.name + end)


class _Unpacker:
    """A process that unpacks entries; it starts with the first, and anew after a damaged one."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def unpacked(self, data: bytes) -> bytes:
        """Return the text of an entry.

        Raises:
            StructureError: If it is damaged.
        """
        text = self._asked(data)
        if text is None:
            self.close()
        if not text:
            raise StructureError("is damaged: Foldcomp cannot unpack it")
        return text

    def _asked(self, data: bytes) -> bytes | None:
        """Return the answer; None if the process ended over it."""
        if self._process is None:
            self._process = _started()
        give, take = self._process.stdin, self._process.stdout
        assert give is not None and take is not None
        try:
            give.write(len(data).to_bytes(SIZE, "little") + data)
            give.flush()
        except BrokenPipeError:
            return None
        size = take.read(SIZE)
        length = int.from_bytes(size, "little")
        text = take.read(length)
        return text if len(size) == SIZE and len(text) == length else None

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
        self._process = None


def _started() -> subprocess.Popen[bytes]:
    """Start the process, out of reach of Ctrl-C, so that a step under way can end."""
    return subprocess.Popen(
        [sys.executable, "-P", foldcomp_unpack.__file__],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        start_new_session=True,
    )  # fmt: skip
