"""The protein that the library carries, so that every first command has one."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from zoo.proteins.protein import Protein


def example(path: Path | None = None) -> Protein:
    """Return the protein of a file, or the shipped one (PDB entry 1A8O, 70 residues)."""
    from zoo.proteins.structure import read_structure

    if path is not None:
        return read_structure(path)
    with resources.as_file(resources.files("zoo.examples") / "1a8o.cif.gz") as shipped:
        return read_structure(shipped)
