"""The layout of a user's own labels: `labels.csv` beside structure files or with sequences."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from zoo.data.layouts import LAYOUTS
from zoo.data.layouts.base import Layout
from zoo.data.reading.columns import residue_numbers
from zoo.data.reading.matching import Labels, match, usable_residues
from zoo.data.reading.table_files import Row, Table, find_table, read_tables
from zoo.data.samples import ChainMatch, DroppedSample, Sample
from zoo.errors import DataError, ZooError
from zoo.proteins.protein import Protein, from_sequence
from zoo.proteins.records import read_proteins
from zoo.proteins.structure import read_structure
from zoo.tasks import Target

FASTA = "sequences.fasta"
Values = Mapping[str, NDArray[np.float32]]


@LAYOUTS.register("table/csv")
class TableLayout(Layout):
    """`labels.csv`: id, structure or sequence, chains, split, group, weight; the rest is targets.

    `residues.csv` holds labels of residues, and `targets.yaml` overrides the inferred meaning of a
    column.
    """

    task = "table"
    needs = (
        "labels.csv with a column id and one of structure (a path relative to it) and sequence; "
        "optionally chain, split, group, weight; any other column is a target. Beside it "
        "optionally residues.csv, targets.yaml and sequences.fasta"
    )
    source = "your own labels"

    takes_file = True
    wanted: tuple[str, ...] = ()
    """Columns that are targets; by default all that describe no sample."""

    def __init__(self, root: Path) -> None:
        self.labels = root if root.is_file() else find_table(root, "labels")
        super().__init__(self.labels.parent)

    @classmethod
    def detect(cls, root: Path) -> bool:
        """Return whether this is a table, or a folder with a `labels.csv` or `labels.tsv`."""
        return root.is_file() or find_table(root, "labels").is_file()

    @property
    def remarks(self) -> tuple[str, ...]:
        """What each column was taken for."""
        return self._table.remarks

    @property
    def targets(self) -> tuple[Target, ...]:
        """The columns that do not describe the sample, those of labels.csv first."""
        return self._table.targets

    def keys(self) -> list[str]:
        """Return the ids in the order of the table."""
        return list(self._table.rows)

    def inputs(self) -> Iterable[Path]:
        """Return the tables and the structure files that they name, if they exist."""
        paths = [self.labels, find_table(self.root, "residues")]
        paths += [self.root / name for name in ("targets.yaml", FASTA)]
        paths += [self.root / row.structure for row in self._table.rows.values() if row.structure]
        return [path for path in dict.fromkeys(paths) if path.is_file()]

    def read(self, key: str) -> Sample:
        """Return the protein of one row with its targets.

        Raises:
            DroppedSample: If the structure is missing or unreadable, or the labels do not fit it.
        """
        row = self._table.rows[key]
        source = Source(row.structure, row.sequence or self._fasta.get(key, ""), row.chains)
        protein = read_protein(self.root, key, source)
        values, matches = self._of_residues(key, row, protein)
        return Sample(
            id=key,
            protein=protein,
            targets={target.name: {**row.values, **values}[target.name] for target in self.targets},
            split=row.split,
            subset=row.subset,
            group=row.group,
            weight=row.weight,
            censored=row.censored,
            matches=tuple(matches),
        )

    @cached_property
    def _table(self) -> Table:
        return read_tables(self.labels, self._fasta, self.wanted)

    @cached_property
    def _fasta(self) -> dict[str, str]:
        return read_fasta(self.root)

    def _of_residues(
        self, key: str, row: Row, protein: Protein
    ) -> tuple[Values, Iterable[ChainMatch]]:
        """Return the targets of residues, all chains end to end, NaN where unknown; and reports."""
        targets = {target.name: target for target in self.targets if target.level == "residue"}
        values = {
            name: np.full((len(protein), *_width(target)), np.nan, np.float32)
            for name, target in targets.items()
        }
        given = [(name, at, labels) for name, cell in row.strings.items()
                 for at, labels in _by_position(targets[name], cell, row, protein)]  # fmt: skip
        for chain, rows in self._table.residues.get(key, {}).items():
            at = _chain_index(protein, chain)
            for name, numbers in rows.values.items():
                given.append((name, at, Labels(rows.letters, numbers, rows.numbers)))
        starts = np.cumsum([0, *map(len, protein.chains)])
        reports: dict[int, ChainMatch] = {}
        for name, at, labels in given:
            found = match(labels, protein.chains[at])
            values[name][starts[at] : starts[at + 1]] = found.values
            reports.setdefault(at, found.report)
        return values, [reports[at] for at in sorted(reports)]


class Source(NamedTuple):
    """The cells of a row that say where to read its protein; "" for an empty or missing cell."""

    structure: str
    sequence: str
    chains: str


def read_fasta(root: Path) -> dict[str, str]:
    """Return the sequences of `sequences.fasta` by id; {} if there is no such file.

    Raises:
        DataError: If the file cannot be read.
    """
    path = root / FASTA
    try:
        found = list(read_proteins(path)) if path.is_file() else []
    except ZooError as error:
        raise DataError(str(error)) from None
    count = Counter(protein.name for protein in found)
    if twice := [name for name, times in count.items() if times > 1]:
        raise DataError(f"{path}: the id {twice[0]!r} occurs {count[twice[0]]} times")
    return {protein.name: protein.chains[0].sequence for protein in found}


def read_protein(root: Path, name: str, source: Source) -> Protein:
    """Return the protein of a row: from its structure file if it names one, else its sequence.

    Raises:
        DroppedSample: If the row has neither structure nor sequence, or it cannot be read.
    """
    chains = [chain for chain in re.split(r"[\s,;+]+", source.chains) if chain]
    try:
        if source.structure:
            protein = read_structure(root / source.structure, chains or None)
            return dataclasses.replace(protein, name=name)
        if not source.sequence:
            raise DroppedSample(f"{name} has neither a structure nor a sequence")
        protein = from_sequence(name, "".join(source.sequence.split()).removesuffix("*"))
    except (ZooError, ValueError) as error:
        raise DroppedSample(str(error)) from None
    chain = protein.chains[0]
    named = dataclasses.replace(chain, name=chains[0] if len(chains) == 1 else chain.name)
    return dataclasses.replace(protein, chains=(named,))


def _width(target: Target) -> tuple[int, ...]:
    return (target.outputs,) if target.kind == "multilabel" else ()


def _by_position(target: Target, cell: str, row: Row, protein: Protein) -> list[tuple[int, Labels]]:
    """Return the labels of each chain from a cell with one letter for each residue.

    The number of letters decides whether they label the row's own sequence, all residues of the
    protein, or only those with coordinates.
    """
    chains = protein.chains
    usable = [usable_residues(chain) for chain in chains]
    every = [chain.sequence for chain in chains]
    observed = [
        "".join(chain.sequence[place] for place in np.flatnonzero(mask))
        for chain, mask in zip(chains, usable, strict=True)
    ]
    own = [row.sequence.upper()] if len(chains) == 1 else []
    for letters in (own, every, observed):
        if letters and sum(map(len, letters)) == len(cell):
            numbers = np.split(residue_numbers(target, cell), np.cumsum([*map(len, letters)])[:-1])
            return [
                (at, Labels(*pair)) for at, pair in enumerate(zip(letters, numbers, strict=True))
            ]
    raise DroppedSample(
        f"column {target.name!r} has {len(cell)} letters, where the protein has "
        f"{len(protein)} residues, {sum(map(len, observed))} of them with coordinates"
    )


def _chain_index(protein: Protein, chain: str) -> int:
    names = [found.name for found in protein.chains]
    if chain in names:
        return names.index(chain)
    if not chain and len(names) == 1:
        return 0
    what = f"are for chain {chain!r}" if chain else "name no chain"
    raise DroppedSample(f"its rows in residues.csv {what}; the chains are {', '.join(names)}")
