"""The files of a folder in their order, of which only the names are held: 10^6 are 45 MB."""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, overload

from zoo.proteins.files.content import printable
from zoo.proteins.files.formats import stem
from zoo.proteins.structure import is_readable


class Input(NamedTuple):
    """A file, and the name of its structure; the records of a FASTA file have their own names.

    Attributes:
        path: Path of the file.
        name: Name of its structure.
        chains: Names of the chains to read; None for all.
        problem: Why there is no such file, if that is known; it fails when it is read.
    """

    path: Path
    name: str
    chains: tuple[str, ...] | None = None
    problem: str | None = None

    def only(self, chains: str) -> Input:
        """Return the input with chains named as in "A,B", and their names after its own."""
        names = tuple(name.strip() for name in chains.split(","))
        return Input(self.path, f"{self.name}_{''.join(names)}", names)


class FolderFiles(Sequence[Input]):
    """The structure and FASTA files of a folder and the folders in it, sorted as paths are.

    An input is made when it is asked for, and named after the path from the folder.

    Args:
        folder: The folder.
        chains: Names of the chains to read of every file, as in "A,B"; None for all.
    """

    def __init__(self, folder: Path, chains: str | None = None) -> None:
        self._folder, self._chains = folder, chains
        names, self._ends = bytearray(), array("Q", [0])
        for name in names_in(folder):
            if is_readable(name):
                names += os.fsencode(name)
                self._ends.append(len(names))
        self._names = bytes(names)

    def __len__(self) -> int:
        return len(self._ends) - 1

    @overload
    def __getitem__(self, at: int) -> Input: ...
    @overload
    def __getitem__(self, at: slice) -> list[Input]: ...
    def __getitem__(self, at: int | slice) -> Input | list[Input]:
        """Return an input, or some of them."""
        if isinstance(at, slice):
            return [self._input(one) for one in range(len(self))[at]]
        return self._input(range(len(self))[at])

    def _input(self, at: int) -> Input:
        name = Path(os.fsdecode(self._names[self._ends[at] : self._ends[at + 1]]))
        found = Input(self._folder / name, named_after(name))
        return found if self._chains is None else found.only(self._chains)


def named_after(path: Path) -> str:
    """Return the name of a structure after its path, without the ends of the file's name."""
    return printable((path.parent / stem(path)).as_posix())


def names_in(folder: Path) -> Iterator[str]:
    """Yield the paths from a folder to its files and those of the folders in it, sorted as paths.

    One folder's names are held at a time. Links to folders are not followed; a folder that must not
    be read has no files.
    """
    files, folders = list[str](), set[str]()
    with suppress(PermissionError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                folders.add(entry.name)
            elif Path(entry).is_file() if entry.is_symlink() else entry.is_file():
                files.append(entry.name)
    files.extend(folders)
    files.sort()
    for name in files:
        if name in folders:
            yield from (f"{name}{os.sep}{below}" for below in names_in(folder / name))
        else:
            yield name
