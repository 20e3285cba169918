"""Scores beside a structure: the file's own text stays, and only B-factors change, where asked."""

from __future__ import annotations

import dataclasses
import os

import gemmi
import numpy as np
import pytest

from tests import shelf
from tests.proteins.files import COLUMNS, Atom, bcif, mmcif, pdb, peptide, residue, seqres
from zoo.errors import StructureError
from zoo.proteins.protein import Protein
from zoo.proteins.scored import write_structure
from zoo.proteins.structure import read_structure

HEAD = "HEADER    HYDROLASE                               01-JAN-20   1ABC\nREMARK 465 NONE\n"
NAMES = ("GLY", "MSE", "ALA", "LEU")


def atoms() -> list[Atom]:
    """Return a chain with MSE, two conformers and a residue 2A, then a ligand and two waters."""
    chain = [
        dataclasses.replace(atom, bfactor=90.25 + at)
        for at, atom in enumerate(peptide(*NAMES, chain="B", het=False))
    ]
    chain += [Atom("SE", "MSE", "B", 2, element="Se", xyz=(3, 3, 3), seq=2)]
    chain += [
        Atom("CB", "LEU", "B", 4, alt=alt, occupancy=share, xyz=(x, 2, 2), seq=4)
        for alt, share, x in (("A", 0.3, 11), ("B", 0.7, 12))
    ]
    chain.sort(key=lambda atom: atom.number)
    chain += residue("SER", 4, 4, code="A", chain="B", seq=5)
    others = [Atom("C1", "GOL", "B", 101, het=True, bfactor=55.5, label="C")]
    others += [
        Atom("O", "HOH", "B", 200 + n, het=True, xyz=(n, 19.594, 9), element="O", label="D")
        for n in range(2)
    ]
    return chain + others


CONTENT = {
    ".pdb": (HEAD + seqres("B", *NAMES, "SER") + pdb(atoms(), "CONECT    1    2\n")).encode(),
    ".cif": ("# a comment\n" + mmcif(atoms(), {"B": (*NAMES, "SER")})).encode(),
    ".bcif": bcif(atoms()),
}
SCORES = np.array([0.0, 0.25, np.nan, 0.75, 1.0])
every = pytest.mark.parametrize("suffix", CONTENT)


def read(folder, suffix: str) -> Protein:
    path = folder / f"x{suffix}"
    path.write_bytes(CONTENT[suffix])
    return read_structure(path)


@pytest.mark.parametrize("suffix", [".pdb", ".cif"])
def test_the_files_own_text_is_written(tmp_path, suffix):
    protein = read(tmp_path, suffix)
    structure, beside = write_structure(tmp_path / "out/x", protein, {"site": SCORES})
    assert structure == tmp_path / f"out/x{suffix}" and beside == tmp_path / "out/x.defattr"
    assert structure.read_bytes() == CONTENT[suffix]


@every
def test_nothing_is_lost(tmp_path, suffix):
    protein = read(tmp_path, suffix)
    for at, bfactor in enumerate((None, 100 * SCORES)):
        structure, *_ = write_structure(tmp_path / f"o{at}", protein, {"site": SCORES}, bfactor)
        again = read_structure(structure)
        (chain,), (source,) = again.chains, protein.chains
        assert (chain.name, chain.sequence, chain.numbers) == ("B", "GMALS", source.numbers)
        assert chain.report.waters == 2 and chain.report.ligands == ("GOL 101",)
        assert chain.report.modified == ("MSE 2 -> M",) and chain.report.altlocs == 1
        np.testing.assert_array_equal(chain.coords, source.coords)
        np.testing.assert_array_equal(again.atoms.pos, protein.atoms.pos)
        text = structure.read_text()
        assert "MSE" in text and "19.594" in text and "MET" not in text
        found = [cra.atom for cra in gemmi.read_structure(str(structure))[0].all()]
        assert len(found) == len(atoms())
        assert [atom.occ for atom in found] == pytest.approx([a.occupancy for a in atoms()])


@every
def test_scores_take_the_place_of_b_factors_only_where_asked(tmp_path, suffix):
    protein = read(tmp_path, suffix)
    own = [atom.bfactor for atom in atoms()]
    structure, _ = write_structure(tmp_path / "out", protein, {"site": SCORES})
    cras = list(gemmi.read_structure(str(structure))[0].all())
    assert [cra.atom.b_iso for cra in cras] == pytest.approx(own)
    (structure,) = write_structure(tmp_path / "out", protein, {"site": SCORES}, 100 * SCORES)
    assert not (tmp_path / "out.defattr").exists()  # it would be that of the first call
    score = {"1": 0, "2": 25, "3": 0, "4": 75, "4A": 100}  # 0 without a score
    for cra, before in zip(gemmi.read_structure(str(structure))[0].all(), own, strict=True):
        expected = score.get(str(cra.residue.seqid), before)  # ligands and waters keep theirs
        assert cra.atom.b_iso == pytest.approx(expected), cra


def test_only_the_columns_of_the_b_factor_change(tmp_path):
    (structure,) = write_structure(tmp_path / "out", read(tmp_path, ".pdb"), {}, 100 * SCORES)
    before, after = CONTENT[".pdb"].decode().split("\n"), structure.read_text().split("\n")
    assert [line[:60] + line[66:] for line in after] == [line[:60] + line[66:] for line in before]


def test_a_file_of_b_factors_is_made_where_there_were_none(tmp_path):
    text = mmcif(peptide(*NAMES))
    rows = [line.split() for line in text.splitlines()]
    at = [row[0] for row in rows if row[0].startswith("_atom_site.")].index(
        "_atom_site.B_iso_or_equiv"
    )
    lines = [
        " ".join(row if len(row) == 1 else row[:at] + row[at + 1 :])
        for row in rows if row[0] != "_atom_site.B_iso_or_equiv"
    ]  # fmt: skip
    (tmp_path / "x.cif").write_text("\n".join(lines) + "\n")
    protein = read_structure(tmp_path / "x.cif")
    (structure,) = write_structure(tmp_path / "out", protein, {}, np.arange(4.0))
    assert read_structure(structure).chains[0].bfactor.tolist() == [0, 1, 2, 3]


def test_a_table_of_one_atom_is_written(tmp_path):
    """A table of one row may be written without `loop_`."""
    (row,) = residue("ALA", 1, 0, only="CA")
    pairs = zip(COLUMNS, row.row(), strict=True)
    text = "".join(f"_atom_site.{name} {x}\n" for name, x in pairs if name != "B_iso_or_equiv")
    (tmp_path / "x.cif").write_text("data_x\n" + text)
    protein = read_structure(tmp_path / "x.cif")
    (structure,) = write_structure(tmp_path / "out", protein, {}, np.array([7.0]))
    assert read_structure(structure).chains[0].bfactor.tolist() == [7]


def test_the_attribute_file_names_residues_as_chimerax_does(tmp_path):
    protein = read(tmp_path, ".pdb")
    scores = {"my site": SCORES, "by_sequence": -SCORES}
    _, beside = write_structure(tmp_path / "out", protein, scores)
    assert beside.read_text() == (
        "# Scores of the residues of x\n"
        "attribute: zoo_my_site\nrecipient: residues\n"
        "\t/B:1\t0\n\t/B:2\t0.25\n\t/B:4\t0.75\n\t/B:4A\t1\n"
        "attribute: zoo_by_sequence\nrecipient: residues\n"
        "\t/B:1\t-0\n\t/B:2\t-0.25\n\t/B:4\t-0.75\n\t/B:4A\t-1\n"
    )


def test_residues_of_a_blank_chain_come_first_in_the_attribute_file(tmp_path):
    """Named without a chain they would mean residues of the other chains too."""
    parts = peptide("ALA", "GLY", chain="A"), "TER\n", peptide("SER", "TRP", chain=" ")
    (tmp_path / "x.pdb").write_text(pdb(*parts))
    protein = read_structure(tmp_path / "x.pdb")
    _, beside = write_structure(tmp_path / "out", protein, {"s": np.arange(4.0)})
    assert beside.read_text().splitlines()[3:] == ["\t:1\t2", "\t:2\t3", "\t/A:1\t0", "\t/A:2\t1"]


def test_numbers_in_hybrid_36_and_blank_chains_are_written_and_read_again(tmp_path):
    text = pdb(peptide(*NAMES, chain=" ", first=9996))
    for decimal, hybrid in (("9996", "9998"), ("9997", "9999"), ("9998", "A000"), ("9999", "A001")):
        text = text.replace(f"  {decimal}    ", f"  {hybrid}   .")
    (tmp_path / "x.pdb").write_text(text.replace("   .", "    "))
    protein = read_structure(tmp_path / "x.pdb")
    assert protein.chains[0].numbers == ("9998", "9999", "10000", "10001")
    (structure,) = write_structure(tmp_path / "out", protein, {}, np.arange(4.0))
    assert read_structure(structure).chains[0].numbers == protein.chains[0].numbers
    assert [r.seqid.num for r in gemmi.read_structure(str(structure))[0][0]] == [
        9998, 9999, 10000, 10001,
    ]  # fmt: skip


def test_numbers_of_five_digits_are_written_so_that_others_read_them(tmp_path):
    """As some programs write them: the fifth digit is in the column of the insertion code."""
    text = pdb(peptide(*NAMES, chain=" ", first=9996)).replace("  9998    ", "  10041   ")
    text = text.replace("  9999    ", "  99999   ")
    (tmp_path / "x.pdb").write_text(text)
    protein = read_structure(tmp_path / "x.pdb")
    numbers = ("9996", "9997", "10041", "99999")
    assert protein.chains[0].numbers == numbers
    for bfactor in (None, np.zeros(4)):
        (structure, *_) = write_structure(tmp_path / "out", protein, {}, bfactor)
        again = read_structure(structure)
        assert again.chains[0].numbers == numbers
        np.testing.assert_array_equal(again.chains[0].coords, protein.chains[0].coords)
        residues = gemmi.read_structure(str(structure))[0][0]
        assert tuple(str(residue.seqid) for residue in residues) == numbers


def test_all_conformers_of_a_residue_have_its_score(tmp_path):
    one, other = (
        [dataclasses.replace(a, alt=alt, occupancy=share) for a in residue(comp, 2, 1, seq=2)]
        for comp, alt, share in (("SER", "A", 0.4), ("THR", "B", 0.6))
    )
    path = tmp_path / "x.pdb"
    path.write_text(pdb(residue("ALA", 1, 0), one, other, residue("GLY", 3, 2)))
    (structure,) = write_structure(
        tmp_path / "out", read_structure(path), {}, np.array([1.0, 2, 3])
    )
    again = gemmi.read_structure(str(structure))[0]
    assert [cra.atom.b_iso for cra in again.all()] == [1] * 4 + [2] * 8 + [3] * 4


def test_the_model_that_was_read_has_the_scores(tmp_path):
    one = peptide("ALA", "GLY")
    path = tmp_path / "x.pdb"
    path.write_text("MODEL     1\n" + pdb(one) + "ENDMDL\nMODEL     2\n" + pdb(one) + "ENDMDL\n")
    (structure,) = write_structure(tmp_path / "out", read_structure(path), {}, np.array([1.0, 2]))
    first, second = gemmi.read_structure(str(structure))
    assert [cra.atom.b_iso for cra in first.all()] == [1] * 4 + [2] * 4
    assert [cra.atom.b_iso for cra in second.all()] == [10] * 8


@pytest.mark.parametrize(
    ("value", "text"), [(-7.126, " -7.13"), (1234.5, "1234.5"), (-123456.0, None)]
)
def test_a_value_has_as_many_decimals_as_its_columns_hold(tmp_path, value, text):
    protein = read(tmp_path, ".pdb")
    values = np.full(len(protein), value)
    if text is None:
        with pytest.raises(StructureError, match="-123456 does not fit into the six columns"):
            write_structure(tmp_path / "out", protein, {}, values)
        return
    (structure,) = write_structure(tmp_path / "out", protein, {}, values)
    assert structure.read_text().split("\n")[3][60:66] == text


def test_bytes_that_are_not_ascii_stay(tmp_path):
    content = CONTENT[".pdb"].replace(b"HYDROLASE", "HYDROLÄSE".encode())
    (tmp_path / "x.pdb").write_bytes(content)
    protein = read_structure(tmp_path / "x.pdb")
    assert write_structure(tmp_path / "o", protein, {})[0].read_bytes() == content
    (structure,) = write_structure(tmp_path / "o", protein, {}, SCORES)
    assert read_structure(structure).chains[0].sequence == "GMALS"


def test_a_protein_without_its_file_is_written_from_its_record(tmp_path):
    protein = read(tmp_path, ".pdb")
    changed = dataclasses.replace(
        protein, chains=(dataclasses.replace(protein.chains[0], sequence="AAAAA"),)
    )
    (tmp_path / "gone.pdb").write_bytes(CONTENT[".pdb"])
    gone = read_structure(tmp_path / "gone.pdb")
    (tmp_path / "gone.pdb").unlink()
    for one in (changed, gone, shelf.SHELF["ordinary"]):
        (structure, _) = write_structure(tmp_path / "out", one, {"s": np.zeros(len(one))})
        (again,) = read_structure(structure).chains
        assert again.sequence == one.chains[0].sequence
        known = one.chains[0].resolved
        np.testing.assert_allclose(again.bfactor[known], one.chains[0].bfactor[known], atol=0.006)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
def test_a_pipe_is_not_read_again(tmp_path):
    protein = read(tmp_path, ".pdb")
    os.mkfifo(tmp_path / "pipe")
    from_pipe = dataclasses.replace(protein, source=str(tmp_path / "pipe"))
    assert write_structure(tmp_path / "out", from_pipe, {"s": SCORES})[0].suffix == ".cif"


def test_a_damaged_part_of_binary_cif_that_is_not_read_is_an_error(tmp_path):
    import msgpack

    content = msgpack.unpackb(CONTENT[".bcif"])
    bad = {"name": "_cell", "rowCount": 1, "columns": [{"name": "a", "data": 7}]}
    content["dataBlocks"][0]["categories"].append(bad)
    (tmp_path / "x.bcif").write_bytes(msgpack.packb(content))
    protein = read_structure(tmp_path / "x.bcif")
    with pytest.raises(StructureError, match="damaged BinaryCIF"):
        write_structure(tmp_path / "out", protein, {"s": SCORES})
