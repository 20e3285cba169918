"""Three other parsers see the residues that ours sees, at the same places."""

from __future__ import annotations

import gzip
import io
import warnings
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import zoo
from zoo.errors import StructureError

Found = dict[tuple[str, str], list[NDArray[np.float64]]]
"""CA positions, every conformer, by chain and residue number with insertion code."""
OURS_LACKS = {
    "11as.pdb.gz": {("A", "331"), ("B", "331")},  # asparagine that is bound, in no chain
    "1GKM.pdb": {("A", "1510")},  # the same kind: an amino acid that is a ligand
    "damaged_bad_coordinates.pdb": {("A", "26")},  # its coordinates are none; gemmi keeps it
}
OTHERS_FAIL = {
    "damaged_bad_coordinates.pdb": {"biotite", "biopython"},  # at the first bad number
    "damaged_wrong_extension.pdb": {"gemmi", "biotite", "biopython"},  # they go by the name
}
BINARY_ALONE = {"biotite"}
"""What reads BinaryCIF."""


def ours(path: Path) -> Found:
    found: Found = {}
    for chain in zoo.read_structure(path).chains:
        for number, xyz in zip(chain.numbers, chain.coords, strict=True):
            if np.isfinite(xyz[1]).all():
                found.setdefault((chain.name, str(number)), []).append(xyz[1])
    return found


def gathered(rows: Iterable[tuple[str, str, NDArray[np.float64]]]) -> Found:
    found: Found = {}
    for chain, number, xyz in rows:
        found.setdefault((chain, number), []).append(np.asarray(xyz))
    return found


def by_gemmi(data: bytes, kind: str) -> Found:
    import gemmi

    if kind == "pdb":
        entry = gemmi.read_pdb_string(data)
    else:
        entry = gemmi.make_structure_from_block(gemmi.cif.read_string(data).sole_block())
    return gathered(
        (chain.name, str(residue.seqid), np.array(atom.pos.tolist()))
        for chain in entry[0] for residue in chain for atom in residue
        if atom.name == "CA" and atom.element.name != "Ca"
    )  # fmt: skip


def by_biotite(data: bytes, kind: str) -> Found:
    structure = pytest.importorskip("biotite.structure.io.pdb")
    pdbx = pytest.importorskip("biotite.structure.io.pdbx")
    if kind == "pdb":
        file = structure.PDBFile.read(io.StringIO(data.decode("latin1")))
        atoms = file.get_structure(model=1, altloc="all")
    elif kind == "cif":
        file = pdbx.CIFFile.read(io.StringIO(data.decode()))
        atoms = pdbx.get_structure(file, model=1, altloc="all", use_author_fields=True)
    else:
        file = pdbx.BinaryCIFFile.read(io.BytesIO(data))
        atoms = pdbx.get_structure(file, model=1, altloc="all", use_author_fields=True)
    atoms = atoms[(atoms.atom_name == "CA") & (atoms.element != "CA")]
    numbers = (f"{n}{c}".strip() for n, c in zip(atoms.res_id, atoms.ins_code, strict=True))
    return gathered(zip(map(str, atoms.chain_id), numbers, atoms.coord, strict=True))


def by_biopython(data: bytes, kind: str) -> Found:
    bio = pytest.importorskip("Bio.PDB")
    parser = bio.PDBParser(QUIET=True) if kind == "pdb" else bio.MMCIFParser(QUIET=True)
    entry = parser.get_structure("x", io.StringIO(data.decode("latin1")))
    return gathered(
        (chain.id, f"{residue.id[1]}{residue.id[2].strip()}", atom.coord)
        for chain in next(iter(entry)) for residue in chain.get_unpacked_list()
        for atom in residue.get_unpacked_list()
        if atom.get_name() == "CA" and atom.element != "CA"
    )  # fmt: skip


PARSERS = {"gemmi": by_gemmi, "biotite": by_biotite, "biopython": by_biopython}


@pytest.mark.data
@pytest.mark.parametrize("parser", PARSERS)
def test_another_parser_sees_the_same_residues(data_dir: Path, parser: str) -> None:
    paths = [p for p in sorted((data_dir / "raw_structures").iterdir()) if p.suffix != ".csv"]
    compared = 0
    for path in paths:
        kind = path.name.removesuffix(".gz").rpartition(".")[2]
        if kind == "bcif" and parser not in BINARY_ALONE:
            continue
        try:
            mine = ours(path)
        except StructureError:
            continue
        data = path.read_bytes()
        data = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if parser in OTHERS_FAIL.get(path.name, ()):
                with pytest.raises(Exception):  # noqa: B017  each has its own
                    PARSERS[parser](data, kind)
                continue
            theirs = PARSERS[parser](data, kind)
        assert theirs.keys() - mine.keys() == OURS_LACKS.get(path.name, set()), path.name
        assert mine.keys() <= theirs.keys(), path.name
        for key, places in mine.items():
            for xyz in places:
                assert min(np.abs(xyz - other).max() for other in theirs[key]) < 2e-3, (path, key)
        compared += 1
    assert compared > 25
