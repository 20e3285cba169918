"""Every atom of a model is in a chain, in a ligand, or left out for a reason; the sum is right."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import gemmi
import pytest

from tests.proteins.files import Atom, mmcif, pdb, peptide, residue
from zoo.errors import StructureError
from zoo.inspect import describe
from zoo.proteins.files.left_out import ELSEWHERE, OF_ROLES, UNREADABLE
from zoo.proteins.structure import read_structure

SUFFIXES = (".pdb", ".cif", ".pdb.gz", ".cif.gz")


def water(number: int, chain: str = "A") -> list[Atom]:
    return [Atom("O", "HOH", chain, number, xyz=(9.0 * number, 40.0, 0.0), element="O", het=True)]


def other_conformer(number: int) -> list[Atom]:
    atoms = residue("SER", number, number - 1)
    twice = [(atom, alt) for atom in atoms for alt in "AB"]
    return [Atom(**{**vars(atom), "alt": alt, "occupancy": 0.7 if alt == "A" else 0.3})
            for atom, alt in twice]  # fmt: skip


def nucleic(chain: str) -> list[Atom]:
    names = ("P", "C1'", "C3'", "C4'", "O3'")
    return [
        Atom(name, comp, chain, at, xyz=(6.0 * at, 60.0 + k, 0.0))
        for at, comp in enumerate(("DA", "DG", "DC"), 1)
        for k, name in enumerate(names)
    ]


def ligand(number: int, chain: str = "A") -> list[Atom]:
    return [Atom(name, "GOL", chain, number, xyz=(k, 30.0, 0.0), het=True)
            for k, name in enumerate(("C1", "C2", "O1"))]  # fmt: skip


ATOMS = [
    *peptide("ALA", "GLY"), *other_conformer(3), *peptide("TRP", "LYS", chain="B", place=20),
    *nucleic("C"), *ligand(201), *ligand(202, "B"), *water(301), *water(302, "B"),
]  # fmt: skip
"""8 + 8 atoms in A, 4 of them of another conformer, 8 in B, 15 in C, 6 in ligands, 2 in waters."""


@pytest.mark.parametrize("suffix, write", [(".pdb", pdb), (".cif", mmcif)])
def test_each_atom_is_counted_once(
    tmp_path: Path, suffix: str, write: Callable[[list[Atom]], str]
) -> None:
    path = tmp_path / f"some{suffix}"
    path.write_text(write(ATOMS))
    (found,) = describe(path)
    assert not isinstance(found, StructureError)
    assert found["atoms"] == {
        "in": len(ATOMS), "chains": 20, "ligands": 6,
        "left_out": {ELSEWHERE: 4, OF_ROLES["nucleic"]: 15, OF_ROLES["water"]: 2},
    }  # fmt: skip


def test_what_was_not_asked_for_is_counted_too(tmp_path: Path) -> None:
    path = tmp_path / "some.pdb"
    path.write_text(pdb(ATOMS).replace("  9.000  30", "  x.000  30", 1))
    protein = read_structure(path, chains="B")
    assert len(protein.atoms) == 8 and [len(one.atoms) for one in protein.ligands] == [3]
    assert protein.left_out[OF_ROLES["protein"]] == 16
    assert protein.left_out[OF_ROLES["ligand"]] == 3
    assert len(ATOMS) == 8 + 3 + sum(protein.left_out.values())


def test_atoms_without_coordinates_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "some.cif"
    text = mmcif(peptide("ALA", "GLY", "SER"))
    path.write_text(text.replace(" 1.400 ", " ? ", 1))
    protein = read_structure(path)
    assert protein.left_out == {UNREADABLE: 1} and len(protein.atoms) == 11


@pytest.mark.data
def test_the_sum_is_what_gemmi_counts(data_dir: Path) -> None:
    seen = 0
    for path in sorted((data_dir / "raw_structures").iterdir()):
        if path.name.endswith(SUFFIXES) and not path.name.startswith("damaged"):
            try:
                protein = read_structure(path)
            except StructureError:
                continue
            parts = [protein.atoms, *(ligand.atoms for ligand in protein.ligands)]
            total = sum(map(len, parts)) + sum(protein.left_out.values())
            assert total == gemmi.read_structure(str(path))[0].count_atom_sites(), path.name
            seen += 1
    assert seen > 20
