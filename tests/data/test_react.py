from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data.benchmarks import backbone, ieconv_fields, pdb_text, react_lists, write_hdf5
from tests.proteins.files import Atom, residue
from zoo.data.layouts import cdconv, react  # noqa: F401  registers the layouts
from zoo.data.layouts.base import find_layout
from zoo.data.reading.ieconv import read_ieconv
from zoo.data.samples import DroppedSample
from zoo.errors import DataError
from zoo.proteins.structure import read_structure

CHAINS = {"1abc.A": ("training", 2), "2abc.B": ("validation", 0), "3abc.A": ("testing", 1)}


@pytest.fixture
def ieconv(tmp_path: Path) -> Path:
    root = react_lists(tmp_path / "ieconv", CHAINS)
    write_hdf5(root / "data" / "1abc.A.hdf5", ieconv_fields(backbone()))
    return root


def test_an_hdf5_chain_is_where_its_centre_and_positions_say(ieconv: Path) -> None:
    layout = find_layout("react", ieconv)
    sample = layout.read("1abc.A")
    (chain,) = sample.protein.chains
    assert (sample.split, float(sample.targets["ec_class"])) == ("train", 2.0)
    assert (chain.sequence, chain.name) == ("AGSKL", "A")
    expected = np.array([atom.xyz for atom in backbone()]).reshape(5, 4, 3)
    np.testing.assert_allclose(chain.coords, expected, atol=1e-4)


def test_the_classes_are_the_lines_of_unique_functions(ieconv: Path) -> None:
    (target,) = find_layout("react", ieconv).targets
    assert (target.kind, target.level, target.outputs) == ("multiclass", "protein", 3)
    assert target.classes == ("1.1.1.0", "1.1.1.1", "1.1.1.2")


def test_a_listed_chain_without_a_file_is_dropped_by_name(ieconv: Path) -> None:
    layout = find_layout("react", ieconv)
    assert layout.keys() == list(CHAINS)
    with pytest.raises(DroppedSample, match="2abc.B has no file"):
        layout.read("2abc.B")


def test_calcium_is_no_residue_and_ligands_stay_apart(tmp_path: Path) -> None:
    ion = Atom("CA", "CA", number=90, xyz=(0.0, 9.0, 0.0), element="Ca")
    fields = ieconv_fields([*backbone(), ion, Atom("P", "PO4", number=91, element="P")])
    for name in ("atom_amino_id",):
        fields[name][-2:] = -1
    fields["amino_types"] = fields["amino_types"][:5]
    protein = read_ieconv(write_hdf5(tmp_path / "x.hdf5", fields), "x")
    assert [ligand.name for ligand in protein.ligands] == ["CA", "PO4"]
    assert protein.ligands[0].atoms.element.tolist() == [20]
    assert len(protein) == protein.chains[0].report.resolved == 5


def test_a_residue_without_ca_is_in_the_sequence_and_no_node(tmp_path: Path) -> None:
    atoms = [*residue("ALA", 1, 0), *residue("GLY", 2, 1, only="N C O"), *residue("SER", 3, 2)]
    protein = read_ieconv(write_hdf5(tmp_path / "x.hdf5", ieconv_fields(atoms)), "x")
    assert protein.chains[0].sequence == "AGS"
    assert protein.chains[0].resolved.tolist() == [True, False, True]


def test_unknown_types_go_by_name_and_types_speak_for_unknown_names(tmp_path: Path) -> None:
    atoms = [a for at, c in enumerate(("MSE", "UNK", "QQQ", "ALA")) for a in residue(c, at + 1, at)]
    fields = ieconv_fields(atoms)
    assert fields["amino_types"].tolist()[:3] == [-1, -1, -1]
    assert read_ieconv(write_hdf5(tmp_path / "x.hdf5", fields), "x").chains[0].sequence == "MXXA"
    fields["amino_types"][2] = 8  # E in IEConv's order
    protein = read_ieconv(write_hdf5(tmp_path / "y.hdf5", fields), "y")
    assert protein.chains[0].sequence == "MXEA"
    assert any("unknown type" in note for note in protein.notes)


def test_atom_types_count_from_hydrogen_as_zero(tmp_path: Path) -> None:
    protein = read_ieconv(write_hdf5(tmp_path / "x.hdf5", ieconv_fields(backbone("A"))), "x")
    assert protein.atoms.element.tolist() == [7, 6, 6, 8]


@pytest.mark.parametrize("line", ["1abc.A", "1abc.A,x", "1abc.A,3", "1abc.A,-1"])
def test_a_damaged_list_is_an_error_with_its_line(ieconv: Path, line: str) -> None:
    (ieconv / "chain_functions.txt").write_text(f"2abc.B,0\n{line}\n")
    with pytest.raises(DataError, match=r"chain_functions\.txt: line 2"):
        find_layout("react", ieconv).keys()


def test_a_chain_in_two_lists_is_an_error(ieconv: Path) -> None:
    (ieconv / "testing.txt").write_text("1abc.A\n")
    with pytest.raises(DataError, match="already in"):
        find_layout("react", ieconv).keys()


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_a_mutated_hdf5_file_is_dropped_or_read(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "x.hdf5"
    content = bytearray(write_hdf5(path, ieconv_fields(backbone())).read_bytes())
    for _ in range(data.draw(st.integers(1, 20))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        read_ieconv(path, "x")
    except DroppedSample as dropped:
        assert str(path) in str(dropped)


@pytest.mark.parametrize("field", ["atom_pos", "atom_amino_id", "amino_types", "atom_names"])
@pytest.mark.parametrize("change", ["absent", "short", "text", "scalar"])
def test_a_field_of_another_shape_drops_the_chain(tmp_path: Path, field: str, change: str) -> None:
    fields = ieconv_fields(backbone())
    if change == "absent":
        del fields[field]
    else:
        other = {"short": fields[field][..., :1], "text": np.array([b"x"]), "scalar": np.array(3)}
        fields[field] = other[change]
    with pytest.raises(DroppedSample):
        read_ieconv(write_hdf5(tmp_path / "x.hdf5", fields), "x")


def test_a_folder_of_structures_gives_the_listed_chain(tmp_path: Path) -> None:
    root = react_lists(tmp_path, CHAINS)
    (root / "structures").mkdir()
    (root / "structures" / "1ABC.pdb").write_text(pdb_text(backbone()))
    (root / "structures" / "2abc_B.pdb").write_text(pdb_text(backbone("GG")))
    layout = find_layout("react", root)
    assert layout.read("1abc.A").protein.chains[0].sequence == "AGSKL"
    other = layout.read("2abc.B").protein
    assert other.chains[0].sequence == "GG"
    assert other.notes[-1] == "the only chain, A, was read as chain B"
    with pytest.raises(DroppedSample, match="no structure file for chain A of 3abc"):
        layout.read("3abc.A")
    assert {path.suffix for path in layout.inputs()} == {".txt", ".pdb"}


@pytest.fixture
def cdconv_root(tmp_path: Path) -> Path:
    base = tmp_path / "func"
    for word in ("training", "validation", "testing"):
        (base / "coordinates" / word).mkdir(parents=True)
        (base / f"chain_{word}.fasta").write_text("")
    (base / "chain_functions.txt").write_text("1abc.A,383\n2abc.A,0\n")
    (base / "chain_training.fasta").write_text(">1abc.A\nAGSX\n>2abc.A\nAG\n")
    pos = np.arange(12, dtype=np.float32).reshape(4, 3)
    np.save(base / "coordinates" / "training" / "1abc.A.npy", pos)
    return tmp_path


def test_cdconv_has_ca_only_and_says_so(cdconv_root: Path) -> None:
    layout = find_layout("react", cdconv_root)
    assert layout.targets[0].outputs == 384
    sample = layout.read("1abc.A")
    (chain,) = sample.protein.chains
    assert (chain.sequence, sample.split) == ("AGSX", "train")
    assert sample.protein.ca_only and np.isnan(chain.coords[:, [0, 2, 3]]).all()
    assert chain.coords[:, 1].ravel().tolist() == list(range(12))


def test_cdconv_coordinates_must_be_there_and_fit(cdconv_root: Path) -> None:
    layout = find_layout("react", cdconv_root)
    with pytest.raises(DroppedSample, match="has no file"):
        layout.read("2abc.A")
    path = cdconv_root / "func/coordinates/training/2abc.A.npy"
    np.save(path, np.zeros((3, 3)))
    with pytest.raises(DroppedSample, match="for 2 residues"):
        layout.read("2abc.A")
    for size in range(0, path.stat().st_size, 7):
        path.write_bytes(path.read_bytes()[:size])
        with pytest.raises(DroppedSample, match="damaged"):
            layout.read("2abc.A")


@pytest.mark.data
def test_the_official_lists_and_the_files_that_are_there(data_dir: Path) -> None:
    layout = find_layout("react", data_dir / "react" / "ieconv")
    keys = layout.keys()
    assert (len(keys), layout.targets[0].outputs) == (37428, 384)
    there = {path.stem for path in layout.inputs() if path.suffix == ".hdf5"}
    samples = [layout.read(key) for key in keys if key in there]
    splits = Counter(sample.split for sample in samples)
    assert splits == {"train": 24, "validation": 3, "test": 13}


@pytest.mark.data
def test_an_hdf5_chain_equals_its_structure_file(data_dir: Path) -> None:
    layout = find_layout("react", data_dir / "react" / "ieconv")
    pairs = 0
    for path in layout.inputs():
        other = data_dir / "react" / "structures" / f"{path.stem.replace('.', '_')}.pdb.gz"
        if path.suffix == ".hdf5" and other.is_file() and pairs < 5:
            chain = layout.read(path.stem).protein.chains[0]
            same = read_structure(other).chains[0]
            if chain.sequence == same.sequence:
                pairs += 1
                assert np.abs(chain.coords[:, 1] - same.coords[:, 1]).max() < 0.01
    assert pairs >= 3
