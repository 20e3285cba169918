"""The layout of EC numbers, of which a chain may have several (DeepFRI's and torchdrug's files)."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

import numpy as np

from zoo.data.layouts import LAYOUTS
from zoo.data.layouts.base import Layout
from zoo.data.reading.structures import find_chain, read_chain, structure_files
from zoo.data.reading.textfiles import read_lines, read_split_lists
from zoo.data.samples import DroppedSample, Sample
from zoo.errors import DataError
from zoo.tasks import Target

#: Names that the package gives the splits.
PARTS = {"train": "train", "validation": "valid", "test": "test"}
#: Folders that may hold structures; torchdrug's package has one for each split.
FOLDERS = ("structures", "data", *PARTS.values(), ".")


@LAYOUTS.register("ec/deepfri")
class DeepFRI(Layout):
    """Annotations as a table, and a structure file for each chain.

    Labels are used as they are written, so `3.2.2.-` is a label of its own. The `subset` of a test
    chain lists the sequence identity cut-offs at which it is scored: "30,40,50,70,95".
    """

    task = "ec"
    needs = (
        "nrPDB-EC*_annot.tsv, nrPDB-EC*_test.csv (identity cut-offs) and structures of the chains "
        "in structures/, with nrPDB-EC*_{train,valid,test}.txt; or in train/, valid/ and test/"
    )
    source = (
        "https://doi.org/10.5281/zenodo.6622158 or https://github.com/flatironinstitute/DeepFRI"
    )

    @classmethod
    def detect(cls, root: Path) -> bool:
        """Return whether a folder is laid out like this."""
        return any(root.glob("nrPDB-EC*annot.tsv"))

    @property
    def targets(self) -> tuple[Target, ...]:
        """What is to be predicted."""
        labels = self.annotations[0]
        return (Target("ec", "multilabel", "protein", len(labels), labels),)

    @cached_property
    def annotations(self) -> tuple[tuple[str, ...], dict[str, list[int]]]:
        """The labels, and for each chain the indices of those it has."""
        path = self._file("annot.tsv")
        lines = read_lines(path)
        if (
            len(lines) < 3
            or not lines[0].startswith("### EC")
            or not lines[2].startswith("### PDB")
        ):
            raise DataError(
                f"{path}: lines 1 to 3 are not '### EC-numbers', labels, '### PDB-chain'"
            )
        labels = tuple(lines[1].split("\t"))
        index = {label: at for at, label in enumerate(labels)}
        found = {}
        for number, line in enumerate(lines[3:], 4):
            if line:
                chain, found_here = _row(path, number, line, index)
                found[chain] = found_here
        return labels, found

    @cached_property
    def splits(self) -> dict[str, str]:
        """Split of each chain, from the lists, or from the folder that its structure is in."""
        lists = [(part, f"{word}.txt") for part, word in PARTS.items()]
        if any(self._find(end) for _, end in lists):
            return read_split_lists((part, self._file(end)) for part, end in lists)
        return {
            name.partition("_")[0]: part
            for part, word in PARTS.items()
            for name in structure_files([self.root / word])
        }

    @cached_property
    def cutoffs(self) -> dict[str, str]:
        """Sequence identity cut-offs at which each test chain is scored: "30,40,50,70,95"."""
        path = self._find("test.csv")
        if path is None:
            return {}
        header, *rows = [line.split(",") for line in read_lines(path)]
        names = [name.strip(" <%") for name in header[1:]]
        counts = {}
        for number, row in enumerate(rows, 2):
            if row == [""]:
                continue
            if len(row) != len(header) or not set(row[1:]) <= {"0", "1"}:
                raise DataError(
                    f"{path}: line {number} is not a chain and {len(names)} times 0 or 1"
                )
            flags = zip(names, row[1:], strict=True)
            counts[row[0]] = ",".join(name for name, flag in flags if flag == "1")
        return counts

    @cached_property
    def found(self) -> dict[str, Path]:
        """Structure files by name."""
        return structure_files(self.root / folder for folder in FOLDERS)

    def keys(self) -> list[str]:
        """Return the key of every sample that is listed."""
        return list(dict.fromkeys((*self.splits, *self.annotations[1])))

    def read(self, key: str) -> Sample:
        """Read one sample."""
        labels, annotated = self.annotations
        if key not in annotated:
            raise DroppedSample(f"{key} has no annotation")
        if key not in self.splits:
            raise DroppedSample(f"{key} is in no split, or has no structure file in any")
        pdb, _, chain = key.partition("-")
        target = np.zeros(len(labels), np.float32)
        target[annotated[key]] = 1
        protein = read_chain(self.found, pdb, chain)
        return Sample(key, protein, {"ec": target}, self.splits[key], self.cutoffs.get(key, ""))

    def inputs(self) -> Iterable[Path]:
        """Return every file that is read."""
        yield from sorted(self.root.glob("nrPDB-EC*"))
        pairs = (key.partition("-")[::2] for key in self.splits)
        files = (find_chain(self.found, pdb, chain) for pdb, chain in pairs)
        yield from sorted({file[0] for file in files if file})

    def _find(self, end: str) -> Path | None:
        return next(iter(sorted(self.root.glob(f"nrPDB-EC*_{end}"))), None)

    def _file(self, end: str) -> Path:
        path = self._find(end)
        if path is None:
            raise DataError(f"{self.root} lacks nrPDB-EC*_{end}; from {self.source}")
        return path


def _row(path: Path, number: int, line: str, index: dict[str, int]) -> tuple[str, list[int]]:
    chain, tab, text = line.partition("\t")
    names = [name.strip() for name in text.split(",")]
    unknown = [name for name in names if name not in index]
    if not tab or unknown:
        wrong = ", ".join(unknown) if tab else line
        raise DataError(f"{path}: line {number}: {wrong!r} is not one of the labels")
    return chain, [index[name] for name in names]
