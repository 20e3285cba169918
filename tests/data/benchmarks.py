"""Tiny data sets in the exact formats of the benchmarks, written by the tests."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import h5py
import lmdb
import numpy as np

from tests.proteins.files import residue

COLUMNS = [
    "ensemble", "subunit", "structure", "model", "chain", "hetero", "insertion_code", "residue",
    "segid", "resname", "altloc", "occupancy", "bfactor", "x", "y", "z", "element", "name",
    "fullname", "serial_number",
]  # fmt: skip
THREE = {"A": "ALA", "G": "GLY", "S": "SER", "K": "LYS", "L": "LEU", "X": "UNK", "M": "MET"}
TYPES = "HDRFACGQEKLMNSYTIWPVUOBJZX"
CENTRE = np.array([10.0, -20.0, 30.0])


def backbone(sequence: str = "AGSKL") -> list:
    """Return the atoms of an extended chain."""
    return [
        atom
        for place, letter in enumerate(sequence)
        for atom in residue(THREE[letter], place + 1, place)
    ]


def pdb_text(atoms: list) -> str:
    return "".join(atom.pdb(serial + 1) for serial, atom in enumerate(atoms)) + "END\n"


def helix(length: int, seed: int = 0) -> np.ndarray:
    """Return CA positions of a helix with noise, (length, 3)."""
    turn = np.arange(length) * np.deg2rad(100)
    pos = np.stack([2.3 * np.cos(turn), 2.3 * np.sin(turn), 1.5 * np.arange(length)], axis=1)
    return pos + np.random.default_rng(seed).normal(0, 0.1, pos.shape)


def ca_pdb(pos: np.ndarray, sequence: str) -> str:
    lines = []
    for at, (letter, (x, y, z)) in enumerate(zip(sequence, pos, strict=True), 1):
        where = f"{x:8.3f}{y:8.3f}{z:8.3f}"
        lines.append(
            f"ATOM  {at:5d}  CA  {THREE[letter]} A{at:4d}    {where}  1.00  0.00           C"
        )
    return "\n".join(lines) + "\nEND\n"


def ieconv_fields(atoms: list, types: dict[str, int] | None = None) -> dict[str, np.ndarray]:
    """Return the fields of IEConv's HDF5 file; residues without a CA have row -1."""
    keys = list(dict.fromkeys((a.chain, a.number, a.code, a.comp) for a in atoms))
    owner = np.array([keys.index((a.chain, a.number, a.code, a.comp)) for a in atoms])
    has_ca = [
        any(a.name == "CA" for a, at in zip(atoms, owner, strict=True) if at == k)
        for k in range(len(keys))
    ]
    row = np.where(has_ca, np.cumsum(has_ca) - 1, -1)
    letters = {name: TYPES.index(letter) for letter, name in THREE.items() if letter != "X"}
    kinds = [letters.get(k[3], -1) for k, kept in zip(keys, has_ca, strict=True) if kept]
    numbers = {"H": 0, "C": 5, "N": 6, "O": 7, "S": 15, "P": 14, "Ca": 19}
    pos = np.array([atom.xyz for atom in atoms])
    return {
        "pos_center": CENTRE,
        "atom_pos": (pos - CENTRE)[None],
        "atom_types": np.array([numbers[atom.element] for atom in atoms]),
        "atom_names": np.array([atom.name.encode() for atom in atoms]),
        "atom_residue_names": np.array([atom.comp.encode() for atom in atoms]),
        "atom_chain_names": np.array([atom.chain.encode() for atom in atoms]),
        "atom_amino_id": row[owner],
        "atom_residue_id": owner,
        "atom_chain_ids": np.zeros(len(atoms), int),
        "amino_types": np.array(kinds),
        "amino_pos": np.zeros((1, sum(has_ca), 3)),
        "amino_chains": np.zeros(sum(has_ca), int),
    }


def write_hdf5(path: Path, fields: dict[str, np.ndarray]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        for name, values in fields.items():
            file[name] = values
    return path


def react_lists(root: Path, chains: dict[str, tuple[str, int]], classes: int = 3) -> Path:
    """Write the five text lists; `chains` gives list and class of each."""
    root.mkdir(parents=True, exist_ok=True)
    lines = [f"{chain},{index}\n" for chain, (_, index) in chains.items()]
    (root / "chain_functions.txt").write_text("".join(lines))
    names = "".join(f"1.1.1.{number}\n" for number in range(classes))
    (root / "unique_functions.txt").write_text(names)
    for word in ("training", "validation", "testing"):
        listed = "".join(f"{chain}\n" for chain, (part, _) in chains.items() if part == word)
        (root / f"{word}.txt").write_text(listed)
    return root


def table(atoms: list) -> dict[str, object]:
    """Return an atom table as ATOM3D writes it."""
    rows = [
        [
            "1abc.pdb", 0, "1abc.pdb", 0, a.chain, "H_" + a.comp if a.het else " ", a.code or " ",
            a.number, "    ", a.comp, a.alt or " ", a.occupancy, a.bfactor, *a.xyz,
            a.element.upper(), a.name, f" {a.name:<3}", at,
        ]
        for at, a in enumerate(atoms)
    ]  # fmt: skip
    return {"columns": COLUMNS, "index": list(range(len(rows))), "data": rows}


def write_container(
    folder: Path, items: list, kind: str = "json", packed: dict[int, bytes] | None = None
) -> Path:
    """Write an ATOM3D data set; `packed` gives the bytes of items that are written as they are."""
    folder.mkdir(parents=True, exist_ok=True)
    ids = {item["id"]: at for at, item in enumerate(items) if "id" in item}
    with lmdb.open(str(folder), map_size=1 << 24) as environment:
        with environment.begin(write=True) as transaction:
            for at, item in enumerate(items):
                value = gzip.compress(json.dumps(item).encode(), 6)
                transaction.put(str(at).encode(), (packed or {}).get(at, value))
            transaction.put(b"num_examples", str(len(items)).encode())
            transaction.put(b"serialization_format", kind.encode())
            transaction.put(b"id_to_idx", json.dumps(ids).encode())
    return folder


def sdf(pos: list[tuple[float, float, float]], elements: str = "CN") -> str:
    """Return one V2000 record: fixed columns, one bond."""
    head = f"lig\n  test\n\n{len(pos):3d}{1:3d}  0  0  0  0  0  0  0  0999 V2000\n"
    rows = [
        f"{x:10.4f}{y:10.4f}{z:10.4f} {sign:<3} 0  0  0  0  0  0  0  0  0  0  0  0\n"
        for (x, y, z), sign in zip(pos, elements, strict=True)
    ]
    return head + "".join(rows) + "  1  2  1  0\nM  END\n$$$$\n"
