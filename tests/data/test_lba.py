from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data.benchmarks import backbone, pdb_text, sdf, table, write_container
from tests.proteins.files import Atom
from zoo.data.layouts import lba, pdbbind
from zoo.data.layouts.base import find_layout
from zoo.data.reading.affinity import parse_affinity
from zoo.data.reading.ligands import read_ligand
from zoo.data.samples import DroppedSample
from zoo.errors import DataError

NEAR_FIRST = [(0.0, -4.0, 0.0), (1.0, -5.0, 0.0)]
#: Places 1 and 2 have an atom within 6 angstrom of the ligand; the next is farther.
POCKET = [True, True, False, False, False]


@pytest.mark.parametrize(
    ("text", "pk", "censored"),
    [
        ("5.2", 5.2, 0),
        (">9", 9.0, 1),
        ("3.4 nM", 8.4685, 0),
        (">10 uM", 5.0, -1),
        ("<1 nM", 9.0, 1),
        ("Kd<=1nM", 9.0, 1),
        ("Ki=0.4uM", 6.3979, 0),
        ("IC50~20 µM", 4.699, 0),
        ("1e-6 M", 6.0, 0),
        ("-1.5", -1.5, 0),
    ],
)
def test_affinities_are_read_with_what_their_sign_says(text: str, pk: float, censored: int) -> None:
    found = parse_affinity(text)
    assert (found.pk, found.censored) == (pytest.approx(pk, abs=1e-4), censored)


@pytest.mark.parametrize("text", ["", "n/a", "0 nM", "-3 nM", "5 kg", "3.4 nm", "Ka=3", "1e999 M"])
def test_what_is_no_affinity_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="affinity|concentration"):
        parse_affinity(text)


@given(st.text(max_size=12))
def test_any_text_is_an_affinity_or_a_value_error(text: str) -> None:
    try:
        assert parse_affinity(text).censored in (-1, 0, 1)
    except ValueError:
        pass


def lba_item(**more: object) -> dict:
    water = Atom("O", "HOH", number=90, xyz=(0.0, -2.0, 0.0), element="O", het=True)
    ligand = [
        Atom(sign, "LIG", "L", 1, xyz=xyz, element=sign, het=True)
        for sign, xyz in zip("CN", NEAR_FIRST, strict=True)
    ]
    pocket = [atom for atom in backbone() if atom.number in (1, 3)]
    return {
        "id": "1abc",
        "atoms_protein": table([*backbone(), water]),
        "atoms_pocket": table([*pocket, water]),
        "atoms_ligand": table(ligand),
        "scores": {"neglog_aff": 6.5},
        "seq": [],
        "smiles": "",
        **more,
    }


def test_the_pockets_residues_are_nodes_and_the_sequence_stays_whole(tmp_path: Path) -> None:
    write_container(tmp_path / "train", [lba_item()])
    sample = find_layout("lba", tmp_path).read("train/0")
    (chain,) = sample.protein.chains
    assert (chain.sequence, chain.resolved.all()) == ("AGSKL", True)
    assert sample.protein.nodes.tolist() == [True, False, True, False, False]
    assert set(sample.protein.atoms.residue.tolist()) == {0, 1, 2, 3, 4}  # others cover the nodes
    assert chain.report.notes[-1] == "pocket: 2 of 5 resolved residues are nodes"
    (ligand,) = sample.protein.ligands
    assert ligand.atoms.element.tolist() == [6, 7]
    assert (sample.id, float(sample.targets["pk"])) == ("1abc", 6.5)


def test_without_the_pocket_all_residues_are_nodes(tmp_path: Path) -> None:
    write_container(tmp_path / "train", [lba_item()])
    protein = lba.Atom3DAffinity(tmp_path, pocket=False).read("train/0").protein
    assert protein.nodes.all() and len(protein.atoms) == 20


@pytest.mark.parametrize(
    "change",
    [{"scores": {}}, {"atoms_ligand": None}, {"atoms_protein": {"x": 1}}, {"atoms_pocket": 3},
     {"atoms_ligand": {"columns": [], "index": [], "data": []}}, {"scores": {"neglog_aff": None}}],
)  # fmt: skip
def test_a_damaged_item_is_dropped(tmp_path: Path, change: dict) -> None:
    write_container(tmp_path / "train", [lba_item(**change)])
    with pytest.raises(DroppedSample, match="1abc"):
        find_layout("lba", tmp_path).read("train/0")


INDEX = """# PDB code, resolution, release year, -logKd/Ki, Kd/Ki, reference, ligand name
1abc  2.20  2003   2.00  Kd=10mM       // 1abc.pdf (ALA)
2abc  NMR   1998   9.00  Ki<1nM        // 2abc.pdf (LIG)
3abc  1.70  2015   5.00  IC50>10uM     // 3abc.pdf (1-mer)
4abc  1.70  2015   6.40  Kd~0.4uM      // 4abc.pdf (LIG) incomplete
"""


@pytest.fixture
def bind(tmp_path: Path) -> Path:
    (tmp_path / "index").mkdir()
    (tmp_path / "index" / "INDEX_refined_data.2020").write_text(INDEX)
    for code in ("1abc", "2abc", "3abc"):
        (tmp_path / code).mkdir()
        (tmp_path / code / f"{code}_protein.pdb").write_text(pdb_text(backbone()))
        (tmp_path / code / f"{code}_ligand.sdf").write_text(sdf(NEAR_FIRST))
    (tmp_path / "train.txt").write_text("1abc\n2abc\n")
    (tmp_path / "valid.txt").write_text("3abc\n")
    return tmp_path


def test_pdbbind_gives_affinities_splits_and_censoring(bind: Path) -> None:
    layout = find_layout("lba", bind)
    assert layout.keys() == ["1abc", "2abc", "3abc", "4abc"]
    samples = [layout.read(key) for key in layout.keys()[:3]]
    assert [float(sample.targets["pk"]) for sample in samples] == [2, 9, 5]
    assert [sample.censored for sample in samples] == [0, 1, -1]
    assert [sample.split for sample in samples] == ["train", "train", "validation"]
    with pytest.raises(DroppedSample, match="4abc has no protein file"):
        layout.read("4abc")


def test_the_pocket_is_what_is_near_the_ligand(bind: Path) -> None:
    protein = find_layout("lba", bind).read("1abc").protein
    assert protein.nodes.tolist() == POCKET
    assert protein.chains[0].sequence == "AGSKL"
    assert pdbbind.PDBbind(bind, pocket=False).read("1abc").protein.nodes.all()


def test_a_ligand_elsewhere_is_dropped(bind: Path) -> None:
    far = [(100.0, 0.0, 0.0), (101.0, 0.0, 0.0)]
    (bind / "1abc" / "1abc_ligand.sdf").write_text(sdf(far))
    with pytest.raises(DroppedSample, match="no residue of"):
        find_layout("lba", bind).read("1abc")


def test_an_index_without_values_is_read_from_the_constant(bind: Path) -> None:
    path = bind / "index" / "INDEX_refined_data.2020"
    path.write_text("1abc  2.20  2003  Kd=10mM  // 1abc.pdf (ALA)\n")
    assert float(find_layout("lba", bind).read("1abc").targets["pk"]) == pytest.approx(2.0)
    path.write_text("1abc  2.20  2003  2.00  Kd=10mM\n1abc  2.20\n")
    with pytest.raises(DataError, match="line 2"):
        find_layout("lba", bind).keys()


def test_a_table_takes_numbers_and_text(tmp_path: Path) -> None:
    (tmp_path / "p.pdb").write_text(pdb_text(backbone()))
    (tmp_path / "l.sdf").write_text(sdf(NEAR_FIRST))
    rows = "a,p.pdb,l.sdf,>10 uM,train,7\nb,p.pdb,l.sdf,6.5,test,8\nc,p.pdb,l.sdf,?,test,8\n"
    (tmp_path / "labels.csv").write_text("id,protein,ligand,pk,split,cluster\n" + rows)
    layout = find_layout("lba", tmp_path)
    first, second = layout.read("a"), layout.read("b")
    assert (float(first.targets["pk"]), first.censored, first.group) == (5.0, -1, "7")
    assert (float(second.targets["pk"]), second.censored, second.split) == (6.5, 0, "test")
    with pytest.raises(DroppedSample, match="'\\?' is not an affinity"):
        layout.read("c")


def test_counts_that_run_together_are_read_by_columns(tmp_path: Path) -> None:
    size = 100
    rows = "".join(f"{i:10.4f}{0:10.4f}{0:10.4f} C   0  0\n" for i in range(size))
    bonds = "".join(f"{i:3d}{i % size + 1:3d}  1  0\n" for i in range(1, size + 1))
    text = f"x\n\n\n{size:3d}{size:3d}  0  0  0  0  0  0  0  0999 V2000\n{rows}{bonds}M  END\n"
    path = tmp_path / "l.sdf"
    path.write_text(text)
    assert len(read_ligand(path).atoms) == 100


def test_mol2_and_pdb_ligands_are_read_without_correction(tmp_path: Path) -> None:
    (tmp_path / "l.mol2").write_text(
        "@<TRIPOS>MOLECULE\nx\n2 1 0 0 0\nSMALL\nNO_CHARGES\n\n@<TRIPOS>ATOM\n"
        "1 C1 0.0 -4.0 0.0 C.3 1 LIG 0.0\n2 N1 1.0 -5.0 0.0 N.3 1 LIG 0.0\n"
        "@<TRIPOS>BOND\n1 1 2 1\n"
    )
    atom = Atom("C1", "LIG", xyz=NEAR_FIRST[0], het=True)
    (tmp_path / "l.pdb").write_text(pdb_text([atom, Atom("CL", "LIG", element="Cl", het=True)]))
    assert read_ligand(tmp_path / "l.mol2").atoms.element.tolist() == [6, 7]
    assert read_ligand(tmp_path / "l.pdb").atoms.element.tolist() == [6, 17]
    with pytest.raises(DroppedSample, match="a ligand is read from"):
        (tmp_path / "l.txt").write_text("x")
        read_ligand(tmp_path / "l.txt")


def test_bytes_that_are_no_ascii_do_not_move_the_columns_of_a_ligand(tmp_path: Path) -> None:
    text = sdf(NEAR_FIRST).encode().replace(b"    0.0000 C", b"    0.0000\xa0C", 1)
    (tmp_path / "l.sdf").write_bytes(text.replace(b"lig", b"M\xfcller", 1))
    assert len(read_ligand(tmp_path / "l.sdf").atoms) == 2


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_a_mutated_ligand_is_read_or_dropped(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "l.sdf"
    text = list(sdf(NEAR_FIRST))
    for _ in range(data.draw(st.integers(0, 6))):
        text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.sampled_from("0 9-.\nCX$M"))
    path.write_text("".join(text)[: data.draw(st.integers(0, len(text)))])
    try:
        assert len(read_ligand(path).atoms)
    except DroppedSample as dropped:
        assert str(path) in str(dropped)


@pytest.mark.data
def test_the_complexes_in_atom3ds_container(data_dir: Path) -> None:
    layout = find_layout("lba", data_dir / "lba" / "atom3d")
    keys = layout.keys()
    assert Counter(key.split("/")[0] for key in keys) == {"train": 100, "val": 20, "test": 30}
    for sample in map(layout.read, keys[::10]):
        assert sample.protein.has_structure and len(sample.protein.ligands) == 1


@pytest.mark.data
def test_the_table_of_complexes(data_dir: Path) -> None:
    layout = find_layout("lba", data_dir / "lba")
    assert isinstance(layout, lba.TableAffinity) and len(layout.keys()) == 1115
    splits = Counter(row["split"] for row in layout.rows.values())
    assert splits == {"train": 781, "validation": 110, "test": 224}
    with (data_dir / "lba" / "labels.csv").open() as file:
        pk = {row["id"]: float(row["pk"]) for row in csv.DictReader(file)}
    for key in layout.keys()[::60]:
        sample = layout.read(key)
        assert float(sample.targets["pk"]) == pytest.approx(pk[key])
        assert sample.group and 3 <= sample.protein.nodes.sum()


@pytest.mark.data
def test_files_and_container_have_the_same_pocket(data_dir: Path) -> None:
    container = find_layout("lba", data_dir / "lba" / "atom3d")
    files = find_layout("lba", data_dir / "lba")
    for key in container.keys()[::15]:
        one = container.read(key)
        other = files.read(one.id)
        assert one.protein.nodes.tolist() == other.protein.nodes.tolist()
        heavy = [s.protein.ligands[0].atoms.element for s in (one, other)]
        assert (heavy[0] != 1).sum() == (heavy[1] != 1).sum()
