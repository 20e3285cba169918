"""Finds structure files in folders by PDB code and chain, and reads them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path

from zoo.data.samples import DroppedSample
from zoo.errors import StructureError
from zoo.proteins.files.formats import stem
from zoo.proteins.protein import Protein
from zoo.proteins.structure import STRUCTURE_SUFFIXES, read_structure


def structure_files(folders: Iterable[Path]) -> dict[str, Path]:
    """Return the structure files of folders by name without suffix; the first folder has priority.

    A file called `4PR3-A_2.pdb` is also found as `4PR3-A`.
    """
    files: dict[str, Path] = {}
    for folder in folders:
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            if path.name.lower().endswith(STRUCTURE_SUFFIXES):
                name = stem(path)
                files.setdefault(name, path)
                head = name.partition("_")[0]
                if "-" in head:
                    files.setdefault(head, path)
    return files


def find_chain(files: Mapping[str, Path], pdb: str, chain: str) -> tuple[Path, bool] | None:
    """Return the file of a chain, and whether it is named after the chain; None if there is none.

    The case of the PDB code does not matter, but that of the chain's name does.
    """
    codes = dict.fromkeys((pdb, pdb.lower(), pdb.upper()))
    for code in codes:
        for name in (f"{code}.{chain}", f"{code}_{chain}", f"{code}-{chain}"):
            if name in files:
                return files[name], True
    for code in codes:
        for name in (code, f"pdb{code}"):
            if name in files:
                return files[name], False
    return None


def read(path: Path, chains: Iterable[str] | None = None) -> Protein:
    """Read a structure file of a data set: the named chains, or all.

    Raises:
        DroppedSample: If it cannot be read or lacks a chain; gives the cause.
    """
    try:
        return read_structure(path, None if chains is None else list(chains))
    except StructureError as error:
        raise DroppedSample(str(error)) from None


def read_again(path: Path) -> Protein:
    """Read a structure file that many samples share; the last four files stay in memory."""
    return _kept(path, path.stat().st_mtime_ns if path.is_file() else 0)


@lru_cache(maxsize=4)
def _kept(path: Path, changed: int) -> Protein:
    return read(path)


def read_chain(files: Mapping[str, Path], pdb: str, chain: str) -> Protein:
    """Read one chain; in a file named after it, the only chain may have a different name.

    Raises:
        DroppedSample: If there is no file, or the file has no such chain.
    """
    found = find_chain(files, pdb, chain)
    if found is None:
        raise DroppedSample(f"no structure file for chain {chain} of {pdb}")
    path, own = found
    try:
        return read(path, [chain])
    except DroppedSample:
        protein = read(path) if own else None
        if protein is None or len(protein.chains) != 1:
            raise
    note = f"the only chain, {protein.chains[0].name}, was read as chain {chain}"
    return dataclasses.replace(protein, notes=(*protein.notes, note))
