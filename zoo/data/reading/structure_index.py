"""An index of the structure files in a folder, which finds the file of an entry by its name."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from zoo.data.samples import DroppedSample
from zoo.proteins.files.formats import STRUCTURE_SUFFIXES, stem

#: Suffixes of the PDB's own assembly files (`1abc.pdb1.gz`).
ASSEMBLY_SUFFIXES = (".pdb1", ".pdb1.gz")


class Found(NamedTuple):
    """A structure file, and what its name says about its content."""

    path: Path
    extract: bool
    """Whether the file is named after the entry, so that it holds only its chains in one model."""
    assembly: bool
    """Whether the file is named as the first biological assembly."""


class StructureIndex:
    """The structure files in `root/structures`, or in `root` if there is no such folder."""

    def __init__(self, root: Path) -> None:
        folder = root / "structures"
        self.folder = folder if folder.is_dir() else root

    @cached_property
    def files(self) -> dict[str, Path]:
        """Files by name without suffix; of a name in two formats, the first path in order."""
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
        """Files by name in lower case, which the files of chains "A" and "a" may share."""
        found: dict[str, list[Path]] = {}
        for name, path in self.files.items():
            found.setdefault(name.lower(), []).append(path)
        return found

    def find(self, entry: str, pdb: str, chains: Iterable[str], assembly_first: bool) -> Found:
        """Return the file named after an entry, or else the file of the whole PDB entry.

        Args:
            entry: Id of the entry ("1a2n_0-A").
            pdb: PDB id of the entry ("1a2n").
            chains: Names of its chains.
            assembly_first: Whether an assembly file is preferred to the asymmetric unit.

        Raises:
            DroppedSample: If there is no such file; lists the names tried and the folder.
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
    """Return the name with its PDB id in lower case; the name of a chain keeps its case."""
    start = 7 if name[:3].lower() == "pdb" and name[3:4].isdigit() else 4
    return name[:start].lower() + name[start:]
