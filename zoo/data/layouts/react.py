"""Layouts of enzyme reaction classes, of which there are 384 (Hermosilla et al. 2021)."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path

import numpy as np

from zoo.data.layouts import LAYOUTS
from zoo.data.layouts.base import Layout
from zoo.data.reading.ieconv import read_ieconv
from zoo.data.reading.structures import find_chain, read_chain, structure_files
from zoo.data.reading.textfiles import read_lines, read_split_lists
from zoo.data.samples import DroppedSample, Sample
from zoo.errors import DataError
from zoo.proteins.protein import Protein
from zoo.tasks import Target

LISTS = {"train": "training", "validation": "validation", "test": "testing"}
SOURCE = "https://github.com/phermosilla/IEConv_proteins (folder ProtFunct)"


class ReactLists(Layout):
    """The official text lists, which name a chain `<pdb>.<chain>` and give the class of each."""

    task = "react"
    source = SOURCE

    @property
    def base(self) -> Path:
        """The folder that the lists are in."""
        return self.root

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """EC number of each class."""
        path = self.base / "unique_functions.txt"
        return tuple(line for line in read_lines(path) if line)

    @property
    def outputs(self) -> int:
        """How many classes there are."""
        return len(self.classes)

    @property
    def targets(self) -> tuple[Target, ...]:
        """What is to be predicted."""
        return (Target("ec_class", "multiclass", "protein", self.outputs, self.classes),)

    @cached_property
    def labels(self) -> dict[str, int]:
        """Class of each chain."""
        path = self.base / "chain_functions.txt"
        labels = {}
        for number, line in enumerate(read_lines(path), 1):
            chain, comma, text = line.rpartition(",")
            if not line:
                continue
            if not comma or not text.isdecimal() or not 0 <= int(text) < self.outputs:
                limit = self.outputs - 1
                raise DataError(f"{path}: line {number}: {line!r} is not chain,class (0-{limit})")
            labels[chain] = int(text)
        return labels

    @cached_property
    def splits(self) -> dict[str, str]:
        """Split of each chain."""
        paths = ((part, self.base / f"{word}.txt") for part, word in LISTS.items())
        return read_split_lists(paths)

    def keys(self) -> list[str]:
        """Return the key of every sample that is listed."""
        return list(dict.fromkeys((*self.splits, *self.labels)))

    def read(self, key: str) -> Sample:
        """Read one sample."""
        if key not in self.labels:
            raise DroppedSample(f"{key} has no class in chain_functions.txt")
        if key not in self.splits:
            raise DroppedSample(f"{key} is in none of the lists of training, validation, testing")
        targets = {"ec_class": np.array(self.labels[key], np.float32)}
        return Sample(key, self.protein(key), targets, self.splits[key])

    def inputs(self) -> Iterable[Path]:
        """Return every file that is read."""
        names = ("chain_functions", "unique_functions", *LISTS.values())
        yield from (path for name in names if (path := self.base / f"{name}.txt").is_file())
        yield from sorted(set(self.files()))

    @abstractmethod
    def protein(self, key: str) -> Protein:
        """Return the protein of a listed chain."""

    @abstractmethod
    def files(self) -> Iterator[Path]:
        """Yield the coordinate files of the listed chains."""


def _has_lists(folder: Path) -> bool:
    names = ("chain_functions", "unique_functions", *LISTS.values())
    return all((folder / f"{name}.txt").is_file() for name in names)


@LAYOUTS.register("react/ieconv")
class IEConvReact(ReactLists):
    """The authors' HDF5 files, one a chain."""

    needs = (
        "chain_functions.txt, unique_functions.txt, training.txt, validation.txt, testing.txt "
        "and data/<pdb>.<chain>.hdf5"
    )

    @classmethod
    def detect(cls, root: Path) -> bool:
        """Return whether a folder is laid out like this."""
        return _has_lists(root) and any((root / "data").glob("*.hdf5"))

    def protein(self, key: str) -> Protein:
        """Return the protein of a listed chain."""
        path = self.root / "data" / f"{key}.hdf5"
        if not path.is_file():
            raise DroppedSample(f"{key} has no file {path}")
        return read_ieconv(path, key)

    def files(self) -> Iterator[Path]:
        """Yield the coordinate files of the listed chains."""
        there = (self.root / "data").glob("*.hdf5")
        yield from (path for path in there if path.name.removesuffix(".hdf5") in self.splits)


@LAYOUTS.register("react/folder")
class FolderReact(ReactLists):
    """The lists beside a folder of structure files, of chains or of whole entries."""

    needs = (
        "the same five text lists and structures/ or data/ with <pdb>.<chain>, <pdb>_<chain> or "
        "<pdb> as .pdb, .cif or .bcif, plain or gzip"
    )

    @classmethod
    def detect(cls, root: Path) -> bool:
        """Return whether a folder is laid out like this."""
        return _has_lists(root) and bool(structure_files(_folders(root)))

    @cached_property
    def found(self) -> dict[str, Path]:
        """Structure files by name."""
        return structure_files(_folders(self.root))

    def protein(self, key: str) -> Protein:
        """Return the protein of a listed chain."""
        pdb, _, chain = key.partition(".")
        return read_chain(self.found, pdb, chain)

    def files(self) -> Iterator[Path]:
        """Yield the coordinate files of the listed chains."""
        for key in self.splits:
            pdb, _, chain = key.partition(".")
            found = find_chain(self.found, pdb, chain)
            if found:
                yield found[0]


def _folders(root: Path) -> tuple[Path, Path]:
    return root / "structures", root / "data"
