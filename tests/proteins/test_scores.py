"""Scores in the B-factor column: what is written is what the model saw, in both formats."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import gemmi
import numpy as np
import pytest

from tests import shelf
from tests.proteins.files import mmcif, pdb, peptide, residue, seqres
from zoo.errors import StructureError
from zoo.proteins.files.scores import scored_suffix, write_scored
from zoo.proteins.protein import no_atoms
from zoo.proteins.structure import read_structure

EXAMPLE = Path("zoo/examples/1a8o.cif.gz")
PROTEINS = {**shelf.SHELF, "1a8o": read_structure(EXAMPLE)}
SUFFIXES = (".pdb", ".cif")
both = pytest.mark.parametrize("suffix", SUFFIXES)


def scores_of(protein):
    return np.random.default_rng(0).random(len(protein))


def written(folder, protein, suffix, scores=None, **options):
    """Return what our reader makes of the file."""
    path = folder / f"scored{suffix}"
    write_scored(path, protein, scores_of(protein) if scores is None else scores, **options)
    return read_structure(path)


def joined(protein, field):
    return np.concatenate([getattr(chain, field) for chain in protein.chains])


@both
@pytest.mark.parametrize("protein", PROTEINS.values(), ids=list(PROTEINS))
def test_what_is_read_back_is_the_protein_with_its_scores(tmp_path, protein, suffix):
    again = written(tmp_path, protein, suffix)
    known = joined(protein, "resolved")
    assert [chain.name for chain in again.chains] == [chain.name for chain in protein.chains]
    assert [c.sequence for c in again.chains] == [c.sequence for c in protein.chains]
    np.testing.assert_array_equal(joined(again, "resolved"), known)
    np.testing.assert_array_equal(
        joined(again, "numbers")[known], joined(protein, "numbers")[known]
    )
    np.testing.assert_allclose(joined(again, "coords"), joined(protein, "coords"), atol=0.001)
    np.testing.assert_allclose(
        joined(again, "bfactor")[known], 100 * scores_of(protein)[known], atol=0.006
    )
    assert len(again.atoms) == len(protein.atoms)
    assert again.atoms.name.tolist() == protein.atoms.name.tolist()
    assert [(x.name, x.chain, x.number) for x in again.ligands] == [
        (x.name, x.chain, x.number) for x in protein.ligands
    ]
    for mine, theirs in zip(again.ligands, protein.ligands, strict=True):
        np.testing.assert_allclose(mine.atoms.pos, theirs.atoms.pos, atol=0.001)
        np.testing.assert_array_equal(mine.atoms.element, theirs.atoms.element)


@both
@pytest.mark.parametrize("protein", PROTEINS.values(), ids=list(PROTEINS))
def test_gemmi_reads_it_alike(tmp_path, protein, suffix):
    written(tmp_path, protein, suffix)
    structure = gemmi.read_structure(str(tmp_path / f"scored{suffix}"))
    found = [cra for cra in structure[0].all() if cra.residue.het_flag != "H"]
    assert len(found) == len(protein.atoms)
    score = dict(zip(joined(protein, "numbers"), scores_of(protein), strict=True))
    if len(protein.chains) == 1:
        for cra in found:
            assert cra.atom.b_iso == pytest.approx(100 * score[str(cra.residue.seqid)], abs=0.006)


@both
def test_a_record_of_backbones_alone_is_written(tmp_path, suffix):
    protein = dataclasses.replace(shelf.SHELF["missing atoms"], atoms=no_atoms())
    again = written(tmp_path, protein, suffix)
    np.testing.assert_allclose(joined(again, "coords"), joined(protein, "coords"), atol=0.001)


@both
def test_insertion_codes_negative_numbers_and_repeated_ones_stay(tmp_path, suffix):
    atoms = (residue("ALA", -2, 0), residue("GLY", 52, 1), residue("SER", 52, 2, code="A"),
             residue("TRP", 53, 3), residue("TRP", 53, 4), residue("LEU", 7, 5))  # fmt: skip
    source = tmp_path / "odd.pdb"
    source.write_text(pdb(*atoms))
    protein = read_structure(source)
    assert protein.chains[0].numbers == ("-2", "52", "52A", "53", "53", "7")
    again = written(tmp_path, protein, suffix)
    assert again.chains[0].numbers == protein.chains[0].numbers
    assert again.chains[0].sequence == "AGSWWL"


@both
def test_a_modified_residue_has_its_parents_name(tmp_path, suffix):
    source = tmp_path / "mse.pdb"
    source.write_text(pdb(peptide("GLY", "MSE", "ALA", "LEU", het=False)))
    again = written(tmp_path, read_structure(source), suffix)
    assert again.chains[0].sequence == "GMAL"
    assert "MSE" not in (tmp_path / f"scored{suffix}").read_text()


@both
def test_coordinates_have_the_digits_that_were_read(tmp_path, suffix):
    atoms = [dataclasses.replace(atom, xyz=(19.594, -0.1, 7)) for atom in peptide("ALA")]
    (tmp_path / "x.pdb").write_text(pdb(atoms))
    written(tmp_path, read_structure(tmp_path / "x.pdb"), suffix)
    text = (tmp_path / f"scored{suffix}").read_text()
    assert text.count("19.594 ") == 4 and "19.593" not in text and "-0.1" in text


@both
def test_residues_without_coordinates_stay_in_the_sequence(tmp_path, suffix):
    source = tmp_path / "gap.pdb"
    source.write_text(
        seqres("A", "MET", "ALA", "GLY", "SER", "LEU", "TRP") + pdb(peptide("GLY", "SER", "LEU"))
    )
    again = written(tmp_path, read_structure(source), suffix)
    assert again.chains[0].sequence == "MAGSLW"
    assert again.chains[0].numbers == ("", "", "1", "2", "3", "")


def test_no_prediction_is_zero_and_ligands_are(tmp_path):
    protein = shelf.SHELF["with ligand"]
    scores = scores_of(protein)
    scores[3] = np.nan
    assert written(tmp_path, protein, ".pdb", scores).chains[0].bfactor[3] == 0
    ligand = gemmi.read_structure(str(tmp_path / "scored.pdb"))[0][0][-1]
    assert [atom.b_iso for atom in ligand] == [0, 0, 0]


def test_a_scale_of_one_is_for_values(tmp_path):
    protein = shelf.SHELF["ordinary"]
    values = np.linspace(-5, 40, len(protein))
    again = written(tmp_path, protein, ".pdb", values, scale=1.0)
    np.testing.assert_allclose(again.chains[0].bfactor, values, atol=0.006)


# ------------------------------------------------------------------------------- which format


def with_source(protein, source):
    return dataclasses.replace(protein, source=source)


@pytest.mark.parametrize(
    ("source", "suffix"),
    [("d/x.pdb", ".pdb"), ("x.ENT.gz", ".pdb"), ("x.cif", ".cif"), ("x.bcif.gz", ".cif"),
     ("", ".cif")],
)  # fmt: skip
def test_the_inputs_format_is_kept(source, suffix):
    protein = with_source(shelf.SHELF["ordinary"], source)
    assert scored_suffix(protein, scores_of(protein)) == suffix


def too_much():
    """Yield proteins that a PDB file cannot hold."""
    one = shelf.chain(3)
    yield shelf.protein("chain name", dataclasses.replace(one, name="LongName"))
    yield shelf.protein("number", dataclasses.replace(one, numbers=("9999", "10000", "10001")))
    yield shelf.protein("far away", dataclasses.replace(one, coords=one.coords + 99_999))
    ligand = shelf.SHELF["with ligand"].ligands[0]
    named = dataclasses.replace(ligand, name="A1BCD")
    yield shelf.protein("ligand name", one, ligands=(named,))
    atoms = dataclasses.replace(ligand.atoms, name=np.array(["C1", "O1", "HO5''"]))
    yield shelf.protein("atom name", one, ligands=(dataclasses.replace(ligand, atoms=atoms),))


@pytest.mark.parametrize("protein", list(too_much()), ids=lambda protein: protein.name)
def test_what_does_not_fit_into_pdb_is_written_as_mmcif(tmp_path, protein):
    protein = with_source(protein, "x.pdb")
    assert scored_suffix(protein, scores_of(protein)) == ".cif"
    with pytest.raises(StructureError, match=r"PDB cannot hold .* Write \.cif"):
        write_scored(tmp_path / "x.pdb", protein, scores_of(protein))
    assert not list(tmp_path.iterdir())
    again = written(tmp_path, protein, ".cif")
    assert again.chains[0].numbers == protein.chains[0].numbers
    assert [x.name for x in again.ligands] == [x.name for x in protein.ligands]


def test_a_value_too_wide_for_its_column_makes_it_mmcif():
    protein = with_source(shelf.SHELF["ordinary"], "x.pdb")
    assert scored_suffix(protein, np.full(len(protein), 12.0)) == ".cif"


def test_more_atoms_than_pdb_can_number(tmp_path):
    protein = with_source(shelf.SHELF["ordinary"], "x.pdb")
    atoms = protein.atoms
    many = dataclasses.replace(
        atoms, **{f.name: np.concatenate([getattr(atoms, f.name)] * 700)
                  for f in dataclasses.fields(atoms)}
    )  # fmt: skip
    assert scored_suffix(dataclasses.replace(protein, atoms=many), scores_of(protein)) == ".cif"


@pytest.mark.parametrize("number", ["A000", "2147483648", "9" * 5000])
def test_a_number_that_is_none_is_an_error_that_names_the_residue(tmp_path, number):
    chain = dataclasses.replace(shelf.chain(3), numbers=("1", number, "3"))
    protein = shelf.protein("odd", chain)
    with pytest.raises(StructureError, match=f"place 2 of chain A has the number '{number}'"):
        write_scored(tmp_path / "x.cif", protein, scores_of(protein))


def test_scores_of_another_length_are_an_error(tmp_path):
    with pytest.raises(ValueError, match="2 scores for the 40 residues"):
        write_scored(tmp_path / "x.cif", shelf.SHELF["ordinary"], np.zeros(2))


def test_chains_of_one_label_stay_apart(tmp_path):
    first, second = shelf.chain(5), dataclasses.replace(shelf.chain(3, name="B"), label="A")
    protein = shelf.protein("one label", first, second)
    again = written(tmp_path, protein, ".cif")
    assert [(chain.name, len(chain)) for chain in again.chains] == [("A", 5), ("B", 3)]


def test_chains_of_mmcif_keep_the_authors_names(tmp_path):
    source = tmp_path / "two.cif"
    atoms = peptide("ALA", "GLY", "SER", chain="X", label="A")
    atoms += peptide("TRP", "LEU", "SER", chain="Y", label="B", first=101)
    source.write_text(mmcif(atoms))
    for suffix in SUFFIXES:
        again = written(tmp_path, read_structure(source), suffix)
        assert [chain.name for chain in again.chains] == ["X", "Y"]
        assert again.chains[1].numbers == ("101", "102", "103")


@both
def test_a_blank_chain_is_read_again(tmp_path, suffix):
    path = tmp_path / "blank.pdb"
    path.write_text(pdb(peptide("ALA", "GLY", "SER", chain=" "), peptide("TRP", chain="B")))
    protein = read_structure(path)
    assert [chain.name for chain in protein.chains] == ["_", "B"]
    again = written(tmp_path, protein, suffix)
    assert [chain.sequence for chain in again.chains] == ["AGS", "W"]
    assert [chain.name for chain in again.chains] == ["_", "B"]
    assert len(gemmi.read_structure(str(tmp_path / f"scored{suffix}"))[0]) == 2
