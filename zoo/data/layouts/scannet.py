"""The base of the ScanNet layouts of PPBS and BCE: label files, a table, structures by PDB id."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from zoo.data.layouts.base import Layout
from zoo.data.reading.entry_chains import Part, parts_of, pdb_id, read_parts
from zoo.data.reading.label_files import Entry, Listed, read_labels, read_table
from zoo.data.reading.matching import Labels, match
from zoo.data.reading.sets import parse_set
from zoo.data.reading.structure_index import StructureIndex
from zoo.data.samples import ChainMatch, Sample
from zoo.errors import DataError
from zoo.proteins.protein import Protein
from zoo.tasks import Target


class ScanNetLayout(Layout):
    """Label files with one line for each residue: chain, residue number, letter and label."""

    target: ClassVar[Target]
    assembly_first: ClassVar[bool]
    """Whether the labels refer to the first biological assembly, not to the asymmetric unit."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._structures = StructureIndex(root)

    @property
    def targets(self) -> tuple[Target, ...]:
        """The only target: one label for each residue."""
        return (self.target,)

    def keys(self) -> list[str]:
        """Return the ids in the order of the label files; a repeated id becomes "ID#2", "ID#3"."""
        return list(self._listed)

    def inputs(self) -> Iterable[Path]:
        """Return the label files, the table and every structure file of the folder."""
        table = self.root / "table.csv"
        yield from label_files(self.root)
        yield from [table] if table.is_file() else []
        yield from self._structures.files.values()

    def read(self, key: str) -> Sample:
        """Return one entry, with its labels matched to the residues of its structure.

        Raises:
            DroppedSample: If it has no structure, or the structure is of another protein.
        """
        entry, copy = self._entries[key]
        listed = self._listed[key]
        parts = parts_of(entry)
        names = dict.fromkeys(part.chain for part in parts)
        found = self._structures.find(entry.id, pdb_id(entry.id), names, self.assembly_first)
        protein, notes = read_parts(found, entry.id, parts, copy)
        values, matches = _matched(entry, parts, protein, notes)
        return Sample(
            id=key,
            protein=dataclasses.replace(protein, name=key),
            targets={self.target.name: values},
            split=listed.split,
            subset=listed.subset,
            group=listed.group,
            weight=listed.weight,
            matches=matches,
        )

    @cached_property
    def _entries(self) -> dict[str, tuple[Entry, int]]:
        """Each entry by its unique key, with the number of its copy, from 1."""
        seen: Counter[str] = Counter()
        found: dict[str, tuple[Entry, int]] = {}
        for path in label_files(self.root):
            for entry in read_labels(path):
                seen[entry.id] += 1
                copy = seen[entry.id]
                key = entry.id if copy == 1 else f"{entry.id}#{copy}"
                if key in found:  # an id that is written like the key of a copy
                    raise DataError(f"{path}:{entry.line}: {key!r} would name two entries")
                found[key] = entry, copy
        if not found:
            raise DataError(f"{self.root}: no label files. Needed: {self.needs}")
        return found

    @cached_property
    def _listed(self) -> dict[str, Listed]:
        """Each entry's row in the table; the n-th row of an id in a set is its n-th copy's."""
        path = self.root / "table.csv"
        table = read_table(path) if path.is_file() else {}
        seen: Counter[tuple[str, Path]] = Counter()
        found = {}
        for key, (entry, _) in self._entries.items():
            split, subset = parse_set(entry.file.stem.removeprefix("labels_")) or ("", "")
            rows = table.get(entry.id, [])
            here = [row for row in rows if (row.split, row.subset) == (split, subset)] or rows
            at = seen[entry.id, entry.file]
            seen[entry.id, entry.file] += 1
            found[key] = here[min(at, len(here) - 1)] if here else Listed(split, subset, 1.0)
        return found


def label_files(root: Path) -> list[Path]:
    """Return the label files of a folder, sorted by name."""
    return sorted(root.glob("labels_*.txt"))


def _matched(
    entry: Entry, parts: list[Part], protein: Protein, notes: tuple[str, ...]
) -> tuple[NDArray[np.float32], tuple[ChainMatch, ...]]:
    """Return the labels along the protein, and the outcome of matching them for each chain."""
    values, matches = [], []
    for part, chain in zip(parts, protein.chains, strict=True):
        labels = Labels(
            letters="".join(entry.letters[row] for row in part.rows),
            values=np.array([entry.labels[row] for row in part.rows], np.float32),
            numbers=tuple(entry.numbers[row] for row in part.rows),
        )
        found = match(labels, chain, notes)
        values.append(found.values)
        matches.append(found.report)
    return np.concatenate(values), tuple(matches)
