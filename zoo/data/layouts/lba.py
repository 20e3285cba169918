"""Layouts of ligand binding affinity: -log10 of the measured constant of a protein and a ligand."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.data.layouts import LAYOUTS
from zoo.data.layouts.base import Layout
from zoo.data.reading.affinity import parse_affinity
from zoo.data.reading.atom3d_layout import Atom3DLayout
from zoo.data.reading.atom3d_tables import frame
from zoo.data.reading.frames import Frame, loose_atoms, to_protein
from zoo.data.reading.ligands import read_ligand
from zoo.data.reading.pocket import complex_of
from zoo.data.reading.structures import read_again
from zoo.data.reading.textfiles import read_table, split_of, unique
from zoo.data.samples import DroppedSample, Sample
from zoo.errors import StructureError
from zoo.proteins.pocket import POCKET_CUTOFF, near
from zoo.proteins.protein import Ligand, Protein
from zoo.tasks import Target

PK = Target("pk", "regression", "protein")


@LAYOUTS.register("lba/atom3d")
class Atom3DAffinity(Atom3DLayout):
    """ATOM3D's LBA: PDBbind's refined set, split by sequence identity.

    Args:
        root: Folder that holds the splits, directly or in `data/` or `split-by-*/data/`.
        pocket: Whether only the residues in the table `atoms_pocket` are nodes; the language model
            still reads the whole sequence.
        allow_pickle: Whether pickled data sets are read, which runs any code in them.
    """

    task = "lba"
    needs = (
        "split-by-sequence-identity-*/data/{train,val,test}/data.mdb, or the folder of train/, "
        "val/ and test/"
    )
    source = "https://doi.org/10.5281/zenodo.4914718 (LBA-split-by-sequence-identity-30.tar.gz)"

    def __init__(self, root: Path, pocket: bool = True, allow_pickle: bool = False) -> None:
        super().__init__(root, allow_pickle)
        self.pocket = pocket
        self.nodes_within = POCKET_CUTOFF if pocket else None

    @property
    def targets(self) -> tuple[Target, ...]:
        """What is to be predicted."""
        return (PK,)

    def sample(self, item: dict[str, Any], name: str, suffix: str, split: str) -> Sample:
        """Return the sample of an item."""
        scores = item.get("scores")
        pk = scores.get("neglog_aff") if isinstance(scores, dict) else None
        if not isinstance(pk, float | int) or not np.isfinite(pk):
            raise DroppedSample(f"{name}: neglog_aff is {pk!r}")
        key = name + suffix
        small = frame(item.get("atoms_ligand"), f"{name}: atoms_ligand")
        if not len(small):
            raise DroppedSample(f"{name}: atoms_ligand is empty")
        try:
            whole = to_protein(
                frame(item.get("atoms_protein"), f"{name}: atoms_protein"), key, name
            )
        except StructureError as error:
            raise DroppedSample(str(error)) from None
        table = frame(item.get("atoms_pocket"), f"{name}: atoms_pocket") if self.pocket else None
        inside = None if table is None else _listed(name, whole, table)
        ligand = Ligand(str(small.comp[0]) or "LIG", "", "", loose_atoms(small))
        protein = complex_of(whole, ligand, inside)
        return Sample(key, protein, {"pk": np.array(pk, np.float32)}, split)


def _listed(name: str, protein: Protein, pocket: Frame) -> NDArray[np.bool_]:
    """Return (residues,) whether each residue is in the table of the pocket's atoms."""
    chains = (chain or "_" for chain in pocket.chain.tolist())
    there = set(zip(chains, pocket.number.tolist(), strict=True))
    inside = np.array(
        [(chain.name, number) in there for chain in protein.chains for number in chain.numbers],
        bool,
    )
    if not inside.any():
        raise DroppedSample(f"{name}: no residue of atoms_pocket is in atoms_protein")
    return inside


class FileAffinity(Layout):
    """Proteins and ligands as files; the pocket consists of the residues near the ligand.

    Args:
        root: Folder of the data.
        pocket: Whether only residues near the ligand are nodes; the language model still reads the
            whole sequence.
    """

    task = "lba"

    def __init__(self, root: Path, pocket: bool = True) -> None:
        super().__init__(root)
        self.pocket = pocket
        self.nodes_within = POCKET_CUTOFF if pocket else None

    @property
    def targets(self) -> tuple[Target, ...]:
        """What is to be predicted."""
        return (PK,)

    def complex(self, key: str, protein: Path, ligand: Path) -> Protein:
        """Return a protein with its ligand.

        Raises:
            DroppedSample: If a file cannot be read, or no residue is near the ligand.
        """
        whole, small = read_again(protein), read_ligand(ligand)
        inside = near(whole, small)
        if not inside.any():
            raise DroppedSample(f"{key}: no residue of {protein} is near the ligand {ligand}")
        return complex_of(whole, small, inside if self.pocket else None)


@LAYOUTS.register("lba/table")
class TableAffinity(FileAffinity):
    """A table of protein and ligand files with their affinities."""

    needs = (
        "labels.csv with the columns protein, ligand (SDF, MOL2 or PDB), pk (5.2, 3.4 nM, >10 uM), "
        "and id, split, cluster or group if known; paths from the table's folder"
    )
    source = "your own table"

    @classmethod
    def detect(cls, root: Path) -> bool:
        """Return whether a folder is laid out like this."""
        return (root / "labels.csv").is_file()

    @cached_property
    def rows(self) -> dict[str, dict[str, str]]:
        """Rows by id; by row number, from 1, if the table has no such column."""
        path = self.root / "labels.csv"
        rows = read_table(path, ("protein", "ligand", "pk"))
        names = unique(path, (row.get("id", str(at)) for at, row in enumerate(rows, 1)))
        for name, row in zip(names, rows, strict=True):
            row["split"] = split_of(path, name, row.get("split", ""))
        return dict(zip(names, rows, strict=True))

    def keys(self) -> list[str]:
        """Return the key of every sample that is listed."""
        return list(self.rows)

    def read(self, key: str) -> Sample:
        """Read one sample."""
        row = self.rows[key]
        try:
            affinity = parse_affinity(row["pk"])
        except ValueError as error:
            raise DroppedSample(f"{key}: {error}") from None
        return Sample(
            key,
            self.complex(key, self.root / row["protein"], self.root / row["ligand"]),
            {"pk": np.array(affinity.pk, np.float32)},
            row["split"],
            group=row.get("group") or row.get("cluster", ""),
            censored=affinity.censored,
        )

    def inputs(self) -> Iterable[Path]:
        """Return every file that is read."""
        yield self.root / "labels.csv"
        rows = self.rows.values()
        paths = (self.root / row[column] for row in rows for column in ("protein", "ligand"))
        yield from (path for path in dict.fromkeys(paths) if path.is_file())
