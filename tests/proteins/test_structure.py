from __future__ import annotations

import dataclasses
import gzip
import os
import threading
import time
from pathlib import Path

import gemmi
import msgpack
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.proteins.files import STEP, Atom, bcif, mmcif, pdb, peptide, residue, seqres
from zoo.errors import ConfigError, StructureError
from zoo.proteins.files.formats import STRUCTURE_SUFFIXES, is_readable, stem
from zoo.proteins.records import read_proteins
from zoo.proteins.structure import read_structure

DATA = Path(os.environ.get("ZOO_DATA", Path(__file__).parents[3] / "shared" / "data"))
RAW = DATA / "raw_structures"
FILES = sorted(p for p in RAW.iterdir() if p.suffix != ".csv") if RAW.is_dir() else []
needs_data = [
    pytest.mark.data,
    pytest.mark.skipif(not FILES, reason="no development data; set ZOO_DATA to its folder"),
]
THREE = ("ALA", "GLY", "SER")


@pytest.fixture
def read(tmp_path):
    def read(content, name="x.pdb", **options):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode("latin-1"))
        return read_structure(path, **options)

    return read


@pytest.fixture
def chain(read):
    return lambda *args, **options: read(*args, **options).chains[0]


# ------------------------------------------------------------------------------------ formats


def test_all_formats_give_the_same_protein(read):
    atoms = peptide(*THREE)
    proteins = [read(pdb(atoms)), read(mmcif(atoms), "x.cif"), read(bcif(atoms), "x.bcif")]
    proteins += [read(gzip.compress(pdb(atoms).encode()), "x.pdb.gz")]
    for protein in proteins:
        assert protein.name == "x" and protein.chains[0].sequence == "AGS"
        np.testing.assert_allclose(protein.chains[0].coords, proteins[0].chains[0].coords)
        assert protein.atoms.residue.tolist() == [0] * 4 + [1] * 4 + [2] * 4
        assert protein.atoms.element[:4].tolist() == [7, 6, 6, 8]


@pytest.mark.parametrize("line_end", ["\r\n", "\r"])
def test_other_line_ends_are_read(chain, line_end):
    assert chain(pdb(peptide(*THREE)).replace("\n", line_end)).sequence == "AGS"


def test_content_decides_the_format_not_the_name(chain):
    assert chain(mmcif(peptide(*THREE)), "wrong.pdb").sequence == "AGS"
    assert chain(gzip.compress(pdb(peptide(*THREE)).encode()), "plain.cif").sequence == "AGS"


def test_a_name_loses_only_known_suffixes():
    assert [stem(f"d/1abc.v2{s}") for s in STRUCTURE_SUFFIXES] == ["1abc.v2"] * 10
    assert is_readable("A.CIF.GZ") and is_readable("a.fa") and not is_readable("a.txt")


def test_letters_outside_ascii_are_read_with_a_note(read):
    protein = read("TITLE     é\n" + pdb(peptide(*THREE)))
    assert protein.chains[0].sequence == "AGS" and "ASCII" in protein.notes[0]
    assert read(("# é\n" + mmcif(peptide(*THREE))).encode()).chains[0].sequence == "AGS"


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b"", "is empty"),
        (b" \n\n", "is empty"),
        (gzip.compress(pdb(peptide(*THREE)).encode())[:-20], "cut short"),
        (b"\x1f\x8bnonsense", "damaged gzip"),
        (pdb(peptide(*THREE))[:200], "line 3 is cut off"),
        (mmcif(peptide(*THREE))[:-30], "broken or cut mmCIF"),
        (b"<!DOCTYPE html><html>404</html>", "HTML"),
        (b'{"error": "not found"}', "JSON"),
        (b"PK\x03\x04...", "zip"),
        (b"hello", "not a PDB, mmCIF, BinaryCIF or FASTA"),
        (b"HEADER    NOTHING\n", "without ATOM"),
        (b"data_x\n_cell.length_a 1\n", "_atom_site"),
        (b"\x81\xa1a\x01", "BinaryCIF"),
        (b">a\nAC\n>b\nDE\n", "2 sequences"),
        (b">a\n", "record 1"),
        (b" >", "record 1"),
        (b";", "not a PDB, mmCIF"),
        (b">a\nA-C\n", "record 1"),
    ],
)
def test_damage_is_an_error_that_names_file_and_cause(read, content, cause):
    with pytest.raises(StructureError, match=rf"bad\.pdb: .*{cause}"):
        read(content, "bad.pdb")


def test_a_path_that_cannot_be_opened_is_an_error(tmp_path):
    with pytest.raises(StructureError, match="does not exist"):
        read_structure(tmp_path / "none.pdb")
    with pytest.raises(StructureError, match="is a folder"):
        read_structure(tmp_path)
    with pytest.raises(StructureError, match="is a device"):
        read_structure("/dev/zero")
    with pytest.raises(StructureError, match=r"a\.pdb: cannot be opened \(Permission denied\)"):
        _read_without_permission(tmp_path / "a.pdb")


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="needs the paths of open files")
def test_a_pipe_of_the_shell_is_read_once():
    # As the shell's <(zcat FILE) is.
    reader, writer = os.pipe()

    def write() -> None:
        with open(writer, "w") as file:
            time.sleep(0.2)
            file.write(pdb(peptide(*THREE)))

    thread = threading.Thread(target=write)
    thread.start()
    (protein,) = read_proteins(f"/dev/fd/{reader}")
    thread.join()
    os.close(reader)
    assert len(protein) == 3


def _read_without_permission(path):
    with pytest.MonkeyPatch.context() as patch:  # the superuser may read anything
        path.touch()
        patch.setattr(os, "open", lambda *_: (_ for _ in ()).throw(
            PermissionError(13, "Permission denied")))  # fmt: skip
        read_structure(path)


def test_fasta_gives_each_sequence(tmp_path):
    path = tmp_path / "many.fasta.gz"
    path.write_bytes(gzip.compress(b">one first\nACD\nef*\n\n>two\nGG\n>\nK\n"))
    proteins = list(read_proteins(path))
    assert [p.name for p in proteins] == ["one", "two", "many_3"]
    assert [p.chains[0].sequence for p in proteins] == ["ACDEF", "GG", "K"]
    assert not proteins[0].has_structure


def test_read_proteins_reads_a_structure_too(tmp_path):
    (tmp_path / "x.pdb").write_text(pdb(peptide(*THREE)))
    assert [p.chains[0].sequence for p in read_proteins(tmp_path / "x.pdb")] == ["AGS"]
    assert list(read_proteins(tmp_path / "x.pdb"))[0].has_structure


# ---------------------------------------------------------------------------- conformers, numbers


def test_the_conformer_of_highest_occupancy_is_kept_whole(chain):
    a = residue("SER", 1, 0, alt="A", occupancy=0.3)
    b = residue("SER", 1, 0.1, alt="B", occupancy=0.7)
    found = chain(pdb([atom for pair in zip(a, b, strict=True) for atom in pair]))
    np.testing.assert_allclose(found.coords[0], [atom.xyz for atom in b], atol=1e-3)
    assert found.report.altlocs == 1


def test_of_equal_conformers_the_first_is_kept(chain):
    a = residue("SER", 1, 0, alt="B", occupancy=0.5)
    b = residue("SER", 1, 0.1, alt="A", occupancy=0.5)
    np.testing.assert_allclose(chain(pdb(a, b)).coords[0], [atom.xyz for atom in a], atol=1e-3)


@pytest.mark.parametrize("write", [pdb, mmcif])
def test_microheterogeneity_keeps_one_residue_and_says_so(read, write):
    one = residue("SER", 2, 1, alt="A", occupancy=0.4, seq=2)
    two = residue("PRO", 2, 1, alt="B", occupancy=0.6, seq=2)
    for mixed in (one + two, [atom for pair in zip(one, two, strict=True) for atom in pair]):
        protein = read(write(peptide("ALA") + mixed))
        assert protein.chains[0].sequence == "AP" and len(protein.atoms) == 8
        assert "PRO 2 stands for several residues; SER left out" in protein.chains[0].report.notes


def test_insertion_codes_are_residues(chain):
    parts = [
        residue("ALA", 52, 0),
        residue("GLY", 52, 1, code="A"),
        residue("SER", 52, 2, code="B"),
    ]
    found = chain(pdb(*parts))
    assert found.sequence == "AGS" and found.numbers == ("52", "52A", "52B")
    assert found.report.insertions == 2


@pytest.mark.parametrize("write", [pdb, mmcif])
@pytest.mark.parametrize("numbers", [(-5, -4, -3), (9, 3, 1), (7, 8, 7), (7, 7, 7)])
def test_order_decides_and_never_the_number(chain, write, numbers):
    atoms = [a for at, n in enumerate(numbers) for a in residue("ALA", n, at, seq=at + 1)]
    found = chain(write(atoms))
    assert found.sequence == "AAA" and found.numbers == tuple(map(str, numbers))
    np.testing.assert_allclose(np.diff(found.coords[:, 1, 0]), 3.8, atol=1e-3)


def test_the_label_number_decides_in_mmcif(chain):
    atoms = residue("SER", 3, 2, seq=3) + residue("ALA", 1, 0, seq=1)
    found = chain(mmcif(atoms, {"A": THREE}))
    assert found.sequence == "AGS" and found.numbers == ("1", "", "3")


# -------------------------------------------------------------------------------- residue names


def test_modified_residues_are_read_as_their_parents(chain):
    found = chain(pdb(peptide("ALA", "MSE", "SEP", "HIE", "SEC", "PYL", "ALA", het=False)))
    assert found.sequence == "AMSHUOA"
    assert found.report.modified == ("MSE 2 -> M", "SEP 3 -> S", "HIE 4 -> H")


def test_modres_names_the_parent_of_an_unknown_component(chain):
    line = "MODRES 1ABC Q9Q A    2  LYS  SOMETHING\n"
    assert chain(line + pdb(peptide("ALA", "Q9Q", "ALA"))).sequence == "AKA"


def test_the_canonical_sequence_names_the_parent_of_an_unknown_component(chain):
    text = mmcif(peptide("ALA", "Q9Q", "ALA"), {"A": ("ALA", "Q9Q", "ALA")})
    text = text.replace(
        "_entity_poly.type\nA 'polypeptide(L)'",
        "_entity_poly.type\n_entity_poly.pdbx_seq_one_letter_code_can\nA 'polypeptide(L)' AKA",
    )
    assert chain(text).sequence == "AKA"


def test_residues_without_a_parent_are_x_and_reported(chain):
    found = chain(pdb(peptide("ALA", "Q9Q", "UNK", "ALA")))
    assert found.sequence == "AXXA" and found.report.unknown == ("Q9Q 2", "UNK 3")


def test_caps_are_residues_only_where_the_sequence_lists_them(read):
    cap = [Atom("C", "ACE", number=0, xyz=(-2.4, 0.5, 0), het=True)]
    bare = read(pdb(cap, peptide(*THREE)))
    assert bare.chains[0].sequence == "AGS" and not bare.ligands
    assert "ACE 0" in bare.chains[0].report.notes[0]
    listed = read(seqres("A", "ACE", *THREE) + pdb(cap, peptide(*THREE)))
    assert listed.chains[0].sequence == "XAGS" and listed.chains[0].report.unknown == ("ACE 0",)


# ------------------------------------------------------------------- atoms, coordinates, breaks


def test_missing_atoms_are_nan_and_a_node_needs_a_ca(chain):
    found = chain(pdb(residue("ALA", 1, 0), residue("GLY", 2, 1, only="N CA C"),
                      residue("SER", 3, 2, only="N C O"), residue("ALA", 4, 3)))  # fmt: skip
    assert np.isnan(found.coords[1, 3]).all() and found.resolved.tolist() == [1, 1, 0, 1]
    assert found.report.missing_atoms == ("GLY 2: O",) and found.report.without_ca == ("SER 3",)
    assert found.segments.tolist() == [0, 0, -1, 1] and found.report.breaks == 1


@pytest.mark.parametrize(
    "bad", ["     nan", "********", "   1e5.0", "        ", "  12x.00", "1_00.000", "99999999"]
)
def test_unreadable_coordinates_are_missing_with_the_line_and_never_zero(read, bad):
    text = pdb(peptide(*THREE)).splitlines(keepends=True)
    text[5] = text[5][:38] + bad + text[5][46:]  # the CA of the second residue
    protein = read("".join(text))
    assert protein.chains[0].resolved.tolist() == [True, False, True] and len(protein.atoms) == 11
    assert "GLY 2 CA (line 6)" in protein.notes[0]


def test_unreadable_coordinates_of_mmcif_are_missing_with_the_row(read):
    protein = read(mmcif(peptide(*THREE)).replace(" 3.800 ", " ? "))
    assert protein.chains[0].resolved.tolist() == [True, False, True]
    assert "GLY 2 CA (_atom_site row 6)" in protein.notes[0]


def test_no_readable_coordinate_at_all_is_an_error(read):
    text = pdb(residue("ALA", 1, 0, only="CA")).replace("   0.000", "     nan")
    with pytest.raises(StructureError, match="no readable"):
        read(text)


@pytest.mark.parametrize(
    "number", [" -12.345", "-999.999", "9999.999", "  -0.500", "   1.5  ", " 7      "]
)
def test_every_way_to_write_a_number_is_read(chain, number):
    text = pdb(residue("ALA", 1, 0))
    text = text.replace(text[30:38], number, 1)
    assert chain(text).coords[0, 0, 0] == pytest.approx(float(number))


def test_a_calcium_ion_is_not_a_ca_atom(read):
    ion = [Atom("CA", "CA", number=9, element="CA", het=True, xyz=(50, 0, 0))]
    protein = read(pdb(peptide(*THREE), ion))
    assert protein.chains[0].sequence == "AGS"
    assert [(x.name, x.number, x.atoms.element.tolist()) for x in protein.ligands] == [
        ("CA", "9", [20])
    ]


def test_a_misplaced_ca_of_an_amino_acid_is_still_carbon(read):
    text = pdb(peptide(*THREE)).replace("  CA  ", " CA   ")
    text = "".join(f"{line[:76]}\n" for line in text.splitlines())
    protein = read(text)
    assert protein.chains[0].resolved.all() and 20 not in protein.atoms.element


def test_hydrogen_and_deuterium_are_kept_and_counted(read):
    extra = [Atom("H", element="H"), Atom("DA", element="D")]
    protein = read(pdb(residue("ALA", 1, 0), extra))
    assert protein.chains[0].report.hydrogens == 2 and len(protein.atoms) == 6
    assert protein.atoms.element[4:].tolist() == [1, 1]


def test_ca_only_is_reported_once_not_per_residue(read):
    protein = read(pdb([a for at in range(3) for a in residue("ALA", at, at, only="CA")]))
    assert protein.ca_only and protein.chains[0].report.missing_atoms == ()


def test_a_long_step_is_a_break(chain):
    found = chain(pdb(peptide("ALA", "ALA"), peptide("ALA", first=9, place=8)))
    assert found.sequence == "AAA" and found.segments.tolist() == [0, 0, 1]


# -------------------------------------------------------------------------- deposited sequence


def test_the_full_sequence_has_unresolved_residues(chain):
    atoms = peptide("GLY", "SER", first=2), peptide("LYS", first=6, place=6)
    text = seqres("A", "ALA", "GLY", "SER", "ALA", "ALA", "LYS", "ALA") + pdb(*atoms)
    found = chain(text)
    assert found.sequence == "AGSAAKA" and found.report.unresolved == ("1", "4-5", "7")
    assert found.numbers == ("", "2", "3", "", "", "6", "")
    assert found.report.sequence_source == "SEQRES"
    observed = chain(text, sequence="observed")
    assert observed.sequence == "GSK" and observed.report.sequence_source == "observed"


def test_mmcif_places_residues_by_their_sequence(chain):
    atoms = residue("ALA", 20, 1, seq=2) + residue("ALA", 22, 3, seq=4)
    found = chain(mmcif(atoms, {"A": ("ALA",) * 5}))
    assert found.sequence == "AAAAA" and found.resolved.tolist() == [0, 1, 0, 1, 0]


def test_a_contradiction_keeps_the_place_and_is_noted(chain):
    found = chain(
        seqres("A", "ALA", "TRP", "SER", "LYS") + pdb(peptide("ALA", "GLY", "SER", "LYS"))
    )
    assert found.sequence == "AWSK" and found.resolved.all()
    assert "place 2 lists TRP, the coordinates have GLY 2" in found.report.notes[0]


def test_a_sequence_of_something_else_is_not_used(chain):
    found = chain(seqres("A", *["TRP"] * 9) + pdb(peptide(*THREE)))
    assert found.sequence == "AGS" and found.report.sequence_source == "observed"
    assert any("does not fit" in note for note in found.report.notes)


def test_a_listed_chain_without_coordinates_is_noted(read):
    protein = read(seqres("B", *THREE) + pdb(peptide(*THREE)))
    assert "chain B is in SEQRES (3 residues) but has no coordinates" in protein.notes


SEQUENCE = ("MET", "LYS", "VAL", "PHE", "GLY", "ARG", "CYS", "GLU", "LEU", "TRP", "ASN", "TYR")


def gapped(form, numbers, kept, comps=SEQUENCE):
    """Return a file with the residues `kept` (places from 0) under other label numbers."""
    atoms = [
        atom
        for number, at in zip(numbers, kept, strict=True)
        for atom in residue(comps[at], at + 1, at, seq=number)
    ]
    return form(atoms, {"A": SEQUENCE})


@pytest.mark.parametrize("kept", [(*range(5), *range(7, 12)), (*range(10), 11), range(2, 12)])
def test_label_numbers_that_count_modelled_residues_only_are_not_believed(read, kept):
    right = read(gapped(mmcif, [at + 1 for at in kept], kept), "right.cif").chains[0]
    found = read(gapped(mmcif, range(1, len(kept) + 1), kept), "x.cif").chains[0]
    assert found.sequence == right.sequence and found.numbers == right.numbers
    np.testing.assert_array_equal(found.coords, right.coords)
    (note,) = found.report.notes
    assert "label_seq_id of chain A contradicts entity_poly_seq at " in note
    assert right.report.notes == ()


def test_label_numbers_from_another_first_residue_are_not_believed(read):
    found = read(gapped(mmcif, range(3, 11), range(8)), "x.cif").chains[0]
    assert found.numbers == (*map(str, range(1, 9)), *[""] * 4)


@pytest.mark.parametrize("kept", [range(12), (*range(5), *range(7, 12))])
def test_a_point_mutation_leaves_the_label_numbers_valid(read, kept):
    mutated = [*SEQUENCE]
    mutated[8] = "GLY"
    found = read(gapped(mmcif, [at + 1 for at in kept], kept, mutated), "x.cif").chains[0]
    assert found.report.notes == (
        "sequence and coordinates disagree, the sequence is kept: place 9 lists LEU, the "
        "coordinates have GLY 9",
    )
    assert [place for place, number in enumerate(found.numbers) if number] == [*kept]


def test_a_sequence_of_another_molecule_is_not_used_though_the_numbers_fit(read):
    found = read(gapped(mmcif, range(1, 13), range(12), ["ALA"] * 12), "x.cif").chains[0]
    assert found.sequence == "A" * 12 and found.report.sequence_source == "observed"
    assert found.report.notes == ("the listed sequence of chain A does not fit and is not used",)


# ------------------------------------------------------------------------ chains, models, others


def test_chains_are_chosen_by_name(read):
    text = pdb(
        peptide(*THREE), "TER\n", peptide("LYS", chain="B"), "TER\n", peptide("TRP", chain="C")
    )
    for wanted in ("C,A", ["C", "A"], " C , A ,C"):
        assert [c.sequence for c in read(text, chains=wanted).chains] == ["W", "AGS"]
    protein = read(text, chains="B,C")
    assert protein.atoms.residue.tolist() == [0] * 4 + [1] * 4
    with pytest.raises(StructureError, match=r"x.pdb: has no chain 'Z'.*author name: A, B, C"):
        read(text, chains="A,Z")


def test_author_and_label_names(read):
    text = mmcif(peptide("ALA", chain="HH", label="A") + peptide("GLY", chain="LL", label="B"))
    assert [(c.name, c.label) for c in read(text).chains] == [("HH", "A"), ("LL", "B")]
    by_label = read(text, chains="B", chain_names="label")
    assert by_label.chains[0].name == "B" and by_label.chains[0].sequence == "G"
    with pytest.raises(StructureError, match=r"author name: HH, LL; by label name: A, B"):
        read(text, chains="B")


def test_polymers_that_share_an_author_name_are_joined_and_noted(read):
    sequences = {"A": ("ALA", "GLY"), "B": ("SER", "LYS")}
    atoms = peptide("ALA", label="A") + peptide("LYS", label="B", place=9, seq=2)
    chain = read(mmcif(atoms, sequences)).chains[0]
    assert chain.sequence == "AGSK" and chain.resolved.tolist() == [1, 0, 0, 1]
    assert "joined" in chain.report.notes[0]
    assert len(read(mmcif(atoms, sequences), chain_names="label").chains) == 2


def test_two_peptides_of_one_name_and_interleaved_ligands(read):
    zinc = [Atom("ZN", "ZN", number=99, element="ZN", het=True, chain=c) for c in "AB"]
    text = pdb(peptide(*THREE), "TER\n", peptide("LYS", chain="B"), "TER\n", zinc,
               peptide("TRP", "PHE", place=20, first=50), "TER\n")  # fmt: skip
    protein = read(text)
    assert [(c.name, c.sequence) for c in protein.chains] == [("A", "AGSWF"), ("B", "K")]
    assert protein.chains[0].segments.tolist() == [0, 0, 0, 1, 1]
    assert protein.chains[1].report.ligands == ("ZN 99",)


def test_the_time_for_ligands_is_linear_in_their_number(read):
    def seconds(count: int) -> float:
        zinc = [
            Atom("ZN", "ZN", chain="BCDEFGHI"[at // 9999], number=at % 9999, element="ZN", het=True,
                 xyz=(float(at % 999), at // 999, 9.0))
            for at in range(count)
        ]  # fmt: skip
        text = pdb(peptide(*THREE), "TER\n", zinc)
        start = time.process_time()
        protein = read(text)
        taken = time.process_time() - start
        found = np.concatenate([ligand.atoms.pos for ligand in protein.ligands])
        assert np.array_equal(found, [atom.xyz for atom in zinc])
        return taken

    few, many = (min(seconds(count) for _ in range(3)) for count in (3_000, 24_000))
    assert many < 25 * few  # 8 times; 50 or more if it were quadratic


def test_a_blank_chain_name_is_an_underscore(read):
    assert read(pdb(peptide(*THREE, chain=" "))).chains[0].name == "_"


def test_models_are_counted_and_chosen(read):
    text = "".join(
        f"MODEL     {n}\n{pdb(residue('ALA', 1, n))}ENDMDL\n" for n in range(3, 6)
    )  # fmt: skip
    assert read(text).notes == ("3 models, model 1 read",)
    assert read(text, model=2).chains[0].coords[0, 1, 0] == pytest.approx(4 * 3.8)
    for absent in (0, 4):
        with pytest.raises(StructureError, match=f"no model {absent}; it has 3"):
            read(text, model=absent)


def test_waters_are_counted_and_ligands_listed(read):
    water = Atom("O", "HOH", number=101, element="O", het=True, xyz=(9, 9, 9))
    glycerol = [Atom(name, "GOL", number=102, het=True) for name in ("C1", "C2")]
    protein = read(pdb(peptide(*THREE), "TER\n", [water, *glycerol]))
    assert protein.chains[0].report.waters == 1
    assert protein.chains[0].report.ligands == ("GOL 102",)
    assert len(protein.ligands[0].atoms) == 2 and (protein.ligands[0].atoms.residue == -1).all()


@pytest.mark.parametrize("ter", ["TER\n", ""])
def test_a_free_amino_acid_is_a_ligand(read, ter):
    protein = read(pdb(peptide(*THREE), ter, residue("ASN", 331, 30, het=True)))
    assert protein.chains[0].sequence == "AGS" and protein.ligands[0].name == "ASN"


def test_nucleic_acid_chains_are_noted(read):
    dna = [Atom("P", "DA", chain="N", number=n, element="P") for n in (1, 2)]
    protein = read(pdb(peptide(*THREE), "TER\n", dna))
    assert len(protein.chains) == 1 and not protein.ligands
    assert "1 nucleic acid chain, not read: N" in protein.notes
    with pytest.raises(StructureError, match="no protein chain .1 nucleic acid chain"):
        read(pdb(dna))
    with pytest.raises(StructureError, match="no protein in chain N"):
        read(pdb(peptide(*THREE), "TER\n", dna), chains="N")


def test_unknown_options_name_the_valid_ones(read):
    with pytest.raises(ConfigError, match="full"):
        read(pdb(peptide(*THREE)), sequence="ful")
    with pytest.raises(ConfigError, match="label"):
        read(pdb(peptide(*THREE)), chain_names="labels")


# --------------------------------------------------------------------------------- fuzz and data

WARTS = peptide("ALA", "MSE", "GLY") + residue("SER", 3, 2, alt="A") + residue("PRO", 3, 2, alt="B")
SEEDS = [
    (seqres("A", *THREE) + "MODEL     1\n" + pdb(WARTS, "TER\n")).encode(),
    mmcif(WARTS, {"A": THREE}).encode(),
    bcif(WARTS),
    gzip.compress(pdb(WARTS).encode()),
]


@pytest.mark.parametrize("seed", range(len(SEEDS)), ids=["pdb", "mmcif", "bcif", "gzip"])
@settings(derandomize=True, max_examples=80, deadline=None, database=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
@given(st.data())
def test_any_bytes_give_a_protein_or_a_structure_error(tmp_path, seed, data):
    content = bytearray(SEEDS[seed])
    for _ in range(data.draw(st.integers(0, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "fuzz"
    path.write_bytes(content[: data.draw(st.integers(0, 3 * len(content)))])
    try:
        assert len(read_structure(path)) > 0
    except StructureError as error:
        assert str(error).startswith(str(path))


class TestData:
    """Claims about deposited files, which are read where they are."""

    pytestmark = needs_data

    @pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
    def test_every_file_gives_a_protein_with_a_report_or_an_error(self, path):
        try:
            protein = read_structure(path)
        except StructureError as error:
            assert path.name in str(error)
            return
        assert protein.has_structure
        for chain in protein.chains:
            assert len(chain) == len(chain.coords) == len(chain.numbers) == len(chain.bfactor)
            assert chain.report.resolved == chain.resolved.sum()
        assert protein.atoms.residue.max(initial=0) < len(protein)

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("103l.pdb.gz", "103l.cif"),
            ("1o1z.pdb", "1o1z.cif"),
            ("2W83.pdb.gz", "2W83.bcif.gz"),
            ("1dix.cif", "damaged_wrong_extension.pdb"),
        ],
    )
    def test_formats_of_one_entry_agree(self, one, other):
        first, second = read_structure(RAW / one), read_structure(RAW / other)
        assert len(first.chains) == len(second.chains)
        for a, b in zip(first.chains, second.chains, strict=True):
            assert (a.sequence, a.numbers, a.name) == (b.sequence, b.numbers, b.name)
            np.testing.assert_allclose(a.coords, b.coords, atol=1e-3)
        assert len(first.atoms) == len(second.atoms)
        assert [x.name for x in first.ligands] == [x.name for x in second.ligands]

    def test_warts_of_deposited_files(self):
        free = read_structure(RAW / "11as.pdb.gz")
        assert [len(c) for c in free.chains] == [330, 330]
        assert [x.name for x in free.ligands] == ["ASN", "ASN"]
        assert read_structure(RAW / "altloc.cif").chains[0].sequence == "P"
        assert read_structure(RAW / "1l2y.bcif").notes == ("38 models, model 1 read",)
        assert len(read_structure(RAW / "1KQF.pdb").chains) == 3
        assert "U" in read_structure(RAW / "1KQF.pdb", chains="A").chains[0].sequence
        mutant = read_structure(RAW / "1MWQ.pdb").chains[1].report
        assert mutant.modified == ("MSE 1 -> M",) and mutant.without_ca == ("SER -1",)
        assert read_structure(RAW / "derived_1aki_ca_only.pdb").ca_only
        two = read_structure(RAW / "derived_1dix_two_letter_auth_chain.cif", chains="AA")
        assert len(two.chains[0]) == 208
        bad = read_structure(RAW / "damaged_bad_coordinates.pdb")
        assert "line 398" in bad.notes[0] and bad.chains[0].report.without_ca == ("GLY 26",)

    @pytest.mark.parametrize("name", ["1bna.cif", "hetatm.pdb"])
    def test_a_file_without_protein_says_what_it_holds(self, name):
        with pytest.raises(StructureError, match="no protein chain"):
            read_structure(RAW / name)


# ------------------------------------------------------------------------------------- copies


def frames(atoms: list[Atom], count: int, between: str) -> str:
    """Return frames of one structure after each other, without MODEL lines."""
    one = pdb(atoms).replace("END\n", "")
    return between.join([one] * count) + "END\n"


@pytest.mark.parametrize("between", ["END\n", "ENDMDL\n", "TER\nEND\n", ""])
@pytest.mark.parametrize("count", [2, 5])
def test_frames_without_model_lines_are_models(read, between, count):
    atoms = peptide(*THREE)
    found, alone = read(frames(atoms, count, between)), read(pdb(atoms))
    assert found.chains[0].sequence == alone.chains[0].sequence
    np.testing.assert_array_equal(found.chains[0].coords, alone.chains[0].coords)
    assert found.notes == (f"{count} models, model 1 read",)
    assert read(frames(atoms, count, between), model=count).notes[0].endswith(f"{count} read")


ORDERS = {
    "frame by frame": lambda at, atom, frame: frame,
    "residue by residue": lambda at, atom, frame: (atom.number, frame),
    "atom by atom": lambda at, atom, frame: at,
}


def ensemble(order: str, count: int = 3) -> list[Atom]:
    """Return the atoms of several models, of which each is one angstrom higher than the last."""
    atoms = peptide("LYS", "VAL", "PHE", chain="B", label="A")
    atoms[2:3] = [dataclasses.replace(atoms[2], alt=alt, occupancy=0.5) for alt in "AB"]
    each = [(at, atom, frame) for frame in range(count) for at, atom in enumerate(atoms)]
    each.sort(key=lambda item: ORDERS[order](*item))  # equal ones stay in the order of the frames
    return [dataclasses.replace(a, xyz=(a.xyz[0], a.xyz[1], a.xyz[2] + f)) for _, a, f in each]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("form", [pdb, mmcif, bcif])
def test_models_under_one_number_are_told_apart_in_any_order(read, form, order):
    content = form(ensemble(order))
    for model in (1, 2, 3):
        found = read(content, model=model)
        assert found.notes == (f"3 models, model {model} read",)
        assert found.chains[0].sequence == "KVF" and len(found.atoms) == 12
        assert found.chains[0].coords[:, 1, 2].tolist() == [model - 1] * 3
        assert found.chains[0].report.altlocs == 1


@pytest.mark.parametrize("form", [pdb, mmcif, bcif])
def test_residues_of_one_number_are_no_models_if_others_stand_once(read, form):
    twice = residue("GLY", 2, 1, seq=2) + residue("GLY", 2, 2, seq=2)
    found = read(form(residue("ALA", 1, 0, seq=1) + twice + residue("SER", 3, 3, seq=3)))
    assert found.chains[0].sequence == "AGGS" and found.notes == ()


def test_chains_that_end_lines_part_are_one_structure(read):
    first = pdb(peptide(*THREE)).replace("END\n", "")
    second = pdb(peptide(*THREE, chain="B"))
    assert [chain.name for chain in read(first + "END\n" + second).chains] == ["A", "B"]


@pytest.mark.parametrize(
    ("text", "number"),
    [("A000 ", "10000"), ("A0Z1B", "11261B"), ("ZZZZ ", "1223055"), ("a000 ", "1223056"),
     ("zzzz ", "2436111"), ("10151", "10151")],
)  # fmt: skip
def test_numbers_in_hybrid_36_are_read_as_gemmi_reads_them(chain, text, number):
    content = pdb(peptide(*THREE)).replace(" A   2    ", f" A{text}   ")
    assert chain(content).numbers == ("1", number, "3")
    if text[0].isupper():  # gemmi takes small letters for capitals, a fifth digit for a code
        assert str(gemmi.read_pdb_string(content)[0][0][1].seqid) == number


def test_lines_that_only_begin_like_atoms_are_counted(read):
    lines = pdb(peptide(*THREE)).splitlines(keepends=True)
    lines[5:5] = ["ATOMS   below are of chain A\n", "ATOM\t6\tCA\tGLY\tA\n", "atom 7\n"]
    found = read("".join(lines))
    assert found.chains[0].sequence == "AGS" and len(found.atoms) == 12
    assert found.notes == (
        "2 lines begin with ATOM and cannot be read, the first is line 6: its columns 5 and 6 hold "
        "neither blanks nor digits of a serial number",
    )


def test_serial_numbers_beyond_five_digits_are_read(chain):
    lines = pdb(peptide(*THREE)).splitlines()
    large = [
        f"{line[:4]} {100_000 + at}{line[11:]}" if line.startswith("ATOM") else line
        for at, line in enumerate(lines)
    ]
    np.testing.assert_array_equal(chain("\n".join(large)).coords, chain("\n".join(lines)).coords)


@pytest.mark.parametrize("name", ["x.cif", "x.bcif"])
def test_further_data_blocks_are_told(read, name):
    one, other = peptide(*THREE), peptide("TRP")
    if name == "x.cif":
        content = mmcif(one) + mmcif(other).replace("data_test", "data_other")
    else:
        blocks = [msgpack.unpackb(bcif(atoms))["dataBlocks"][0] for atoms in (one, other)]
        content = msgpack.packb({"dataBlocks": blocks})
    found = read(content, name)
    assert found.chains[0].sequence == "AGS"
    assert found.notes == ("2 data blocks with atoms, only the first is read",)


# ------------------------------------------------------------------- nucleotides, several names


@pytest.mark.parametrize("bases", [("G", "C", "CCC"), ("DA", "Q9Q", "DG")])
def test_a_modified_base_makes_no_protein_of_its_chain(read, bases):
    """MODRES names a base as its parent, and SEQRES lists the whole chain."""
    parent = {"CCC": "C", "Q9Q": "DC"}
    modres = "".join(
        f"MODRES 1ABC {comp:>3} N    2  {parent[comp]:>3}  SOMETHING\n"
        for comp in bases
        if comp in parent
    )
    atoms = [
        Atom(name, comp, chain="N", number=at, element=name[0], xyz=(10.0 * at, 0.0, 0.0))
        for at, comp in enumerate(bases, start=1)
        for name in ("P", "N1")
    ]
    text = seqres("A", *THREE) + seqres("N", *bases) + modres
    protein = read(text + pdb(peptide(*THREE), "TER\n", atoms, "TER\n"))
    assert [chain.name for chain in protein.chains] == ["A"]
    assert "1 nucleic acid chain, not read: N" in protein.notes


@pytest.mark.parametrize("shared", ["", "N", "N C"])
@pytest.mark.parametrize(("occupancy", "letter"), [(0.7, "G"), (0.3, "S")])
def test_two_names_that_share_atoms_are_one_residue(chain, shared, occupancy, letter):
    """The atoms that both have are listed once, under the first name and without a location."""
    first = [
        dataclasses.replace(atom, alt="" if atom.name in shared.split() else "A")
        for atom in residue("GLY", 2, 1, occupancy=occupancy)
    ]
    second = [
        dataclasses.replace(atom, alt="B")
        for atom in residue("SER", 2, 1, occupancy=1 - occupancy)
        if atom.name not in shared.split()
    ]
    found = chain(pdb(residue("ALA", 1, 0), first, second, residue("TRP", 3, 2)))
    assert found.sequence == f"A{letter}W" and found.numbers == ("1", "2", "3")
    assert found.resolved.all() and not found.report.missing_atoms


# ------------------------------------------------------------------- names of four letters

FOUR = ("NLYS", "ALA", "LYSH", "ASPH", "CYS2", "GLUP", "HISB", "CVAL")


@pytest.mark.parametrize("chain_name", ["", "B"])
def test_names_of_four_letters_lie_in_one_chain(read, chain_name):
    atoms = bonded_peptide(*FOUR, chain=chain_name)
    lines = [
        atom.pdb().replace(f"{atom.comp:>3}{chain_name:>2}", four_columns(atom)) for atom in atoms
    ]
    found = read("".join(lines)).chains
    assert [chain.name for chain in found] == [chain_name or "_"]
    assert found[0].sequence == "KAKDCEHV"
    assert found[0].report.modified[1] == "LYSH 3 -> K"


def four_columns(atom):
    """Return columns 18 to 22: the name begins where one of three letters does."""
    return f"{atom.comp:<4}{atom.chain or ' ':1}"


def bonded_peptide(*comps, **more):
    """Return residues whose C lies 1.33 angstrom before the next one's N."""
    shift = {"N": 0.0, "CA": 1.4, "C": 2.47, "O": 2.6}
    return [
        dataclasses.replace(atom, xyz=(STEP * at + shift[atom.name], *atom.xyz[1:]))
        for at, comp in enumerate(comps)
        for atom in residue(comp, at + 1, at, **more)
    ]


def test_chains_of_two_letters_stay_apart(read):
    """They share the second letter, and no TER parts them."""
    chains = [bonded_peptide(*THREE, chain=name) for name in ("AX", "BX")]
    far = [
        dataclasses.replace(atom, xyz=(atom.xyz[0], atom.xyz[1] + 30.0, atom.xyz[2]))
        for atom in chains[1]
    ]
    assert [chain.name for chain in read(pdb(chains[0], far)).chains] == ["AX", "BX"]


@pytest.mark.parametrize("name", ["LYP", "CYN", "GLP", "TYM", "HIN"])
def test_older_names_of_force_fields_have_parents(chain, name):
    parent = {"LYP": "K", "CYN": "C", "GLP": "E", "TYM": "Y", "HIN": "H"}[name]
    assert chain(pdb(peptide("ALA", name, "ALA"))).sequence == f"A{parent}A"
