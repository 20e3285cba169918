"""Which file holds an entry's structure: names in a folder, listed once."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from zoo.proteins.files.formats import STRUCTURE_SUFFIXES, stem
from zoo.tasks.samples import DroppedSample

#: PDB's own names of assemblies (`1abc.pdb1.gz`) end like no other structure.
ASSEMBLY_SUFFIXES = (".pdb1", ".pdb1.gz")


class Found(NamedTuple):
    """A structure file and what its name says about it."""

    path: Path
    extract: bool
    """Whether the file is named after the entry, so holds its chains and one model only."""
    assembly: bool


class StructureIndex:
    """The structure files of `root/structures`, or of `root` where there is no such folder."""

    def __init__(self, root: Path) -> None:
        folder = root / "structures"
        self.folder = folder if folder.is_dir() else root

    @cached_property
    def files(self) -> dict[str, Path]:
        """Files by name without suffix; the first in order where one comes in two formats."""
        found: dict[str, Path] = {}
        for path in sorted(self.folder.iterdir()) if self.folder.is_dir() else ():
            name = path.name.lower()
            if name.endswith(STRUCTURE_SUFFIXES):
                found.setdefault(_pdb_lower(stem(path)), path)
            elif name.endswith(ASSEMBLY_SUFFIXES):
                found.setdefault(f"{name.split('.')[0]}-assembly1", path)
        return found

    @cached_property
    def _any_case(self) -> dict[str, list[Path]]:
        """The same by name in small letters: chains "A" and "a" may share one."""
        found: dict[str, list[Path]] = {}
        for name, path in self.files.items():
            found.setdefault(name.lower(), []).append(path)
        return found

    def find(self, entry: str, pdb: str, chains: Iterable[str], assembly_first: bool) -> Found:
        """Return the file of an entry, one named after it before one of the whole PDB entry.

        Raises:
            DroppedSample: if there is none; names what was looked for, and where.
        """
        joined = "".join(chains)
        extracts = list(dict.fromkeys([entry, f"{pdb}_{joined}", f"{pdb}{joined}"]))
        whole, assembly = [pdb, f"pdb{pdb}"], [f"{pdb}-assembly1", f"{pdb}_assembly1"]
        names = assembly + whole if assembly_first else whole + assembly
        for name in extracts + names:
            path = self._lookup(name)
            if path is not None:
                return Found(path, name in extracts, name in assembly)
        tried = ", ".join(f"{name}.*" for name in extracts + names)
        raise DroppedSample(
            f"no structure file for {entry}; looked for {tried} (PDB or mmCIF, also .gz) "
            f"in {self.folder}"
        )

    def _lookup(self, name: str) -> Path | None:
        exact = self.files.get(_pdb_lower(name))
        if exact is not None:
            return exact
        alike = self._any_case.get(name.lower(), [])
        return alike[0] if len(alike) == 1 else None


def _pdb_lower(name: str) -> str:
    """Return the name with its PDB id in small letters; a chain keeps its case."""
    start = 7 if name[:3].lower() == "pdb" and name[3:4].isdigit() else 4
    return name[:start].lower() + name[start:]
