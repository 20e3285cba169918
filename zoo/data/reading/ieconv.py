"""Reads IEConv's HDF5 files, each of which holds one chain (Hermosilla et al. 2021).

https://github.com/phermosilla/IEConv_proteins
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.data.reading.frames import Frame, is_amino, to_protein
from zoo.data.samples import DroppedSample
from zoo.errors import StructureError
from zoo.proteins.files.components import component
from zoo.proteins.files.entry import LARGEST
from zoo.proteins.protein import Protein
from zoo.system.counting import counted
from zoo.system.reading import plain_file

#: Residue types in IEConv's own order, which is not alphabetical; -1 is an unknown residue.
RESIDUE_TYPES = "HDRFACGQEKLMNSYTIWPVUOBJZX"
#: Names of the standard residues by their letter.
STANDARD = {
    "A": "ALA", "C": "CYS", "D": "ASP", "E": "GLU", "F": "PHE", "G": "GLY", "H": "HIS",
    "I": "ILE", "K": "LYS", "L": "LEU", "M": "MET", "N": "ASN", "O": "PYL", "P": "PRO",
    "Q": "GLN", "R": "ARG", "S": "SER", "T": "THR", "U": "SEC", "V": "VAL", "W": "TRP",
    "Y": "TYR",
}  # fmt: skip
#: Errors that h5py and NumPy raise for damaged content.
DAMAGED = (
    OSError, ValueError, TypeError, IndexError, AttributeError, RuntimeError, OverflowError,
    MemoryError,
)  # fmt: skip
FIELDS = (
    "atom_names", "atom_residue_names", "atom_chain_names", "atom_residue_id", "atom_amino_id",
    "atom_types", "atom_pos", "pos_center", "amino_types",
)  # fmt: skip
#: Number of elements; the file numbers them from H = 0.
ELEMENTS = 118
#: Largest size of a field, so that a damaged size does not fill the memory.
MOST_NUMBERS = 10**8


def read_ieconv(path: Path, name: str) -> Protein:
    """Read the first model of a file; residues have IEConv's numbers, which count from 0.

    The name of a residue decides its letter, as in structure files, so a modified residue that
    IEConv marks as unknown is read as its parent. If the name is unknown, IEConv's type decides.

    Raises:
        DroppedSample: If the file is damaged or holds no protein; names the file.
    """
    try:
        data = _load(path)
        frame = _frame(data)
        protein = to_protein(frame, name, str(path), dict(_parents(data)))
    except StructureError as error:
        raise DroppedSample(str(error)) from None
    except KeyError as error:
        raise DroppedSample(f"{path}: lacks the field {error}") from None
    except DAMAGED as error:
        raise DroppedSample(f"{path}: damaged HDF5 file ({error})") from None
    return dataclasses.replace(protein, notes=(*protein.notes, *_disagreements(data)))


def _load(path: Path) -> dict[str, NDArray[Any]]:
    import h5py

    with h5py.File(plain_file(path), "r") as file:
        missing = [field for field in FIELDS if field not in file]
        if missing:
            raise KeyError(", ".join(missing))
        if max(file[field].size for field in FIELDS) > MOST_NUMBERS:
            raise ValueError("a field is larger than any protein")
        data = {field: np.asarray(file[field][()]) for field in FIELDS}
    sizes = {data[field].shape[0] for field in FIELDS[:6]} | {data["atom_pos"].shape[1]}
    if len(sizes) > 1:
        raise ValueError(f"fields of one atom table differ in length: {sorted(sizes)}")
    if data["atom_pos"].shape[2:] != (3,) or data["pos_center"].shape != (3,):
        raise ValueError("atom_pos or pos_center has no three coordinates")
    if data["atom_amino_id"].max(initial=-1) >= len(data["amino_types"]):
        raise ValueError("atom_amino_id points beyond amino_types")
    return data


def _frame(data: dict[str, NDArray[Any]]) -> Frame:
    comp, types = _text(data["atom_residue_names"]), data["atom_types"].astype(np.int64)
    element = np.where((types >= 0) & (types < ELEMENTS), types + 1, 0).astype(np.uint8)
    pos = (data["atom_pos"][0] + data["pos_center"]).astype(np.float64)
    in_chain = (data["atom_amino_id"] >= 0) | is_amino(comp)
    return Frame(
        name=_text(data["atom_names"]),
        comp=comp,
        chain=_text(data["atom_chain_names"]),
        number=data["atom_residue_id"].astype(np.int64).astype(np.str_),
        element=element,
        pos=np.where(np.abs(pos) < LARGEST, pos, np.nan),
        het=~in_chain,
        in_chain=in_chain,
    )


def _text(values: NDArray[Any]) -> NDArray[np.str_]:
    """Return decoded names, which h5py returns as bytes of fixed length or as objects."""
    texts = (v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in values)
    return np.array([text.strip() for text in texts], np.str_)


def _types(data: dict[str, NDArray[Any]]) -> Iterator[tuple[str, str]]:
    """Yield the name of each residue with a CA, and the letter of its type, "" if unknown."""
    _, first = np.unique(data["atom_amino_id"], return_index=True)
    for row in first.tolist():
        index = int(data["atom_amino_id"][row])
        if index >= 0:
            kind = int(data["amino_types"][index])
            known = 0 <= kind < len(RESIDUE_TYPES)
            name = _text(data["atom_residue_names"][row : row + 1])[0]
            yield str(name), RESIDUE_TYPES[kind] if known else ""


def _parents(data: dict[str, NDArray[Any]]) -> Iterator[tuple[str, str]]:
    for name, code in _types(data):
        if code in STANDARD and component(name).letter in ("", "X"):
            yield name, STANDARD[code]


def _disagreements(data: dict[str, NDArray[Any]]) -> Iterator[str]:
    pairs = [(name, code, component(name).letter) for name, code in _types(data)]
    other = [
        f"{name} as {code}" for name, code, own in pairs if code and own not in ("", "X", code)
    ]
    if other:
        have = counted(len(other), "residue has", "residues have")
        yield f"{have} a type other than the name: {', '.join(other[:10])}"
    unknown = [name for name, code, _ in pairs if not code]
    if unknown:
        yield f"{counted(len(unknown), 'residue')} of unknown type (-1): {', '.join(unknown[:10])}"
