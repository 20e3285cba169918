"""The layout of PDBbind as it is distributed: a folder for each complex, and an index file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path

import numpy as np

from zoo.data.layouts import LAYOUTS
from zoo.data.layouts.lba import FileAffinity
from zoo.data.reading.affinity import Affinity, parse_affinity, relation
from zoo.data.reading.textfiles import optional_split_lists, read_lines, read_split_lists
from zoo.data.samples import DroppedSample, Sample
from zoo.errors import DataError

#: A line of the index, `10gs  2.33  1998  6.40  Ki=0.4uM  // 10gs.pdf (VWW)`; some index files lack
#: the fourth column.
INDEX_LINE = re.compile(
    r"(?P<code>\w{4})\s+(?P<resolution>\S+)\s+(?P<year>\d{4})\s+(?:(?P<pk>-?\d+\.?\d*)\s+)?"
    r"(?P<text>(?:Kd|Ki|IC50)(?P<sign>[<>=~]+)\S+)(?:\s+//.*)?"
)


@LAYOUTS.register("lba/pdbbind")
class PDBbind(FileAffinity):
    """PDBbind as distributed: a folder for each PDB code, and an index of the measurements."""

    needs = (
        "INDEX_*_data.* (in the folder, index/ or readme/) and <code>/<code>_protein.pdb with "
        "<code>_ligand.sdf or .mol2; train.txt, val.txt and test.txt (codes), if there are splits"
    )
    source = "http://www.pdbbind.org.cn (registration)"

    @classmethod
    def detect(cls, root: Path) -> bool:
        """Return whether a folder is laid out like this."""
        return bool(_indices(root))

    @cached_property
    def records(self) -> dict[str, Affinity]:
        """Affinity by PDB code; if several index files list a code, the first file is used."""
        found: dict[str, Affinity] = {}
        for path in _indices(self.root):
            for number, line in enumerate(read_lines(path), 1):
                if line and not line.startswith("#"):
                    code, affinity = _record(path, number, line)
                    found.setdefault(code, affinity)
        if not found:
            raise DataError(f"{self.root} has no index of measurements; it needs {self.needs}")
        return found

    @cached_property
    def splits(self) -> dict[str, str]:
        """Split of each PDB code that a list names."""
        return read_split_lists(optional_split_lists(self.root))

    def keys(self) -> list[str]:
        """Return the key of every sample that is listed."""
        return list(dict.fromkeys((*self.records, *self.splits)))

    def read(self, key: str) -> Sample:
        """Read one sample."""
        if key not in self.records:
            raise DroppedSample(f"{key} is in no index of measurements")
        protein = self.root / key / f"{key}_protein.pdb"
        ligands = [path for path in self._ligands(key) if path.is_file()]
        for path, what in ((protein, "protein"), (ligands[0] if ligands else None, "ligand")):
            if path is None or not path.is_file():
                raise DroppedSample(f"{key} has no {what} file in {self.root / key}")
        affinity = self.records[key]
        return Sample(
            key,
            self.complex(key, protein, ligands[0]),
            {"pk": np.array(affinity.pk, np.float32)},
            self.splits.get(key, ""),
            censored=affinity.censored,
        )

    def inputs(self) -> Iterable[Path]:
        """Return every file that is read."""
        yield from _indices(self.root)
        yield from (path for _, path in optional_split_lists(self.root))
        for key in self.keys():
            paths = [self.root / key / f"{key}_protein.pdb", *self._ligands(key)]
            yield from (path for path in paths if path.is_file())

    def _ligands(self, key: str) -> Iterator[Path]:
        yield from (self.root / key / f"{key}_ligand.{suffix}" for suffix in ("sdf", "mol2"))


def _indices(root: Path) -> list[Path]:
    """Return the index files; if some are called `*_data.*`, only those, which hold the values."""
    found = [path for at in (".", "index", "readme") for path in sorted(root.glob(f"{at}/INDEX_*"))]
    return [path for path in found if "_data." in path.name] or [
        path for path in found if "_name" not in path.name
    ]


def _record(path: Path, number: int, line: str) -> tuple[str, Affinity]:
    found = INDEX_LINE.fullmatch(line)
    try:
        if not found:
            raise ValueError(f"{line!r} is not: code resolution year -logKd/Ki Kd=... // ...")
        if found["pk"] is None:
            return found["code"].lower(), parse_affinity(found["text"])
        # The sign refers to the concentration: one below 1 nM means an affinity above 9.
        return found["code"].lower(), Affinity(float(found["pk"]), -relation(found["sign"]))
    except ValueError as error:
        raise DataError(f"{path}: line {number}: {error}") from None
