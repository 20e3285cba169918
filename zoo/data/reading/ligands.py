"""Reads the atoms of ligand files, uncorrected, because only elements and positions are used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.data.samples import DroppedSample
from zoo.errors import StructureError
from zoo.proteins.files.content import read_bytes
from zoo.proteins.files.formats import ASCII_OR_MARK
from zoo.proteins.protein import Atoms, Ligand

SUFFIXES = (".sdf", ".mol", ".mol2", ".pdb")


def read_ligand(path: Path) -> Ligand:
    """Read the first molecule of an SDF, MOL2 or PDB file, plain or gzip, hydrogens included.

    RDKit reads it without sanitising, because valences and charges are not used.

    Raises:
        DroppedSample: If it cannot be read or has no coordinates; names the file.
    """
    try:
        # The formats have fixed columns, so each character must be one byte.
        text = read_bytes(path).translate(ASCII_OR_MARK).decode("ascii")
    except StructureError as error:
        raise DroppedSample(f"{path}: {error}") from None
    suffix = Path(path.name.lower().removesuffix(".gz")).suffix
    if suffix not in SUFFIXES:
        raise DroppedSample(f"{path}: a ligand is read from {', '.join(SUFFIXES)}, plain or gzip")
    molecule = _parse(text, suffix)
    if molecule is None or not molecule.GetNumAtoms():
        raise DroppedSample(f"{path}: holds no molecule that can be read")
    if not molecule.GetNumConformers():
        raise DroppedSample(f"{path}: has no coordinates")
    pos = np.array(molecule.GetConformer().GetPositions(), np.float32)
    if not np.isfinite(pos).all() or (len(pos) > 1 and not np.ptp(pos, axis=0).any()):
        raise DroppedSample(f"{path}: has no usable coordinates")
    return Ligand("LIG", "", "", _atoms(molecule, pos))


def _parse(text: str, suffix: str) -> Any:
    from rdkit import Chem, rdBase

    block = rdBase.BlockLogs()  # our own error names the cause
    try:
        if suffix == ".mol2":
            return Chem.MolFromMol2Block(text, sanitize=False, removeHs=False)
        if suffix == ".pdb":
            return Chem.MolFromPDBBlock(
                text, sanitize=False, removeHs=False, proximityBonding=False
            )
        record = text.replace("\r\n", "\n").split("$$$$")[0]
        return Chem.MolFromMolBlock(record, sanitize=False, removeHs=False, strictParsing=False)
    except (RuntimeError, ValueError):
        return None
    finally:
        del block


def _atoms(molecule: Any, pos: NDArray[np.float32]) -> Atoms:
    atoms = list(molecule.GetAtoms())
    return Atoms(
        pos=pos,
        element=np.array([atom.GetAtomicNum() for atom in atoms], np.uint8),
        name=np.array([f"{atom.GetSymbol()}{atom.GetIdx() + 1}" for atom in atoms]),
        residue=np.full(len(atoms), -1),
    )
