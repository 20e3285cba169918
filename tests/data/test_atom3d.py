from __future__ import annotations

import gzip
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data.benchmarks import COLUMNS, backbone, table, write_container
from tests.proteins.files import Atom, residue
from zoo.data.reading.atom3d import Container
from zoo.data.reading.atom3d_tables import frame, to_columns
from zoo.data.reading.frames import to_protein
from zoo.data.reading.lmdb_walk import damage
from zoo.data.samples import DroppedSample
from zoo.errors import DataError, StructureError


def packed(value: object) -> bytes:
    return gzip.compress(json.dumps(value).encode())


def test_a_table_becomes_columns_with_and_without_types(tmp_path: Path) -> None:
    item = {"id": "x", "atoms": table(backbone())}
    typed = {**item, "id": "y", "types": {"atoms": "<class 'pandas.core.frame.DataFrame'>"}}
    container = Container(write_container(tmp_path, [item, typed]))
    assert (len(container), container.ids) == (2, {"x": 0, "y": 1})
    for index in (0, 1):
        atoms = container.item(index)["atoms"]
        assert list(atoms) == COLUMNS
        assert atoms["x"].dtype == float and atoms["name"].tolist()[:2] == ["N", "CA"]


def test_a_frame_is_read_like_a_structure_file(tmp_path: Path) -> None:
    atoms = [
        *backbone("AG"),
        *residue("MSE", 3, 2, het=True),
        *residue("LYS", 3, 3, code="A"),
        Atom("H", "LYS", number=3, code="A", xyz=(11.0, 1.0, 0.0), element="H"),
        Atom("CA", "CA", number=300, xyz=(0.0, 9.0, 0.0), element="Ca", het=True),
        Atom("O", "HOH", number=301, xyz=(0.0, 19.0, 0.0), element="O", het=True),
    ]
    container = Container(write_container(tmp_path, [{"id": "x", "atoms": table(atoms)}]))
    protein = to_protein(frame(container.item(0)["atoms"], "x"), "x")
    (chain,) = protein.chains
    assert (chain.sequence, chain.numbers) == ("AGMK", ("1", "2", "3", "3A"))
    assert (chain.report.hydrogens, chain.report.waters, chain.report.resolved) == (1, 1, 4)
    assert chain.report.modified == ("MSE 3 -> M",)
    assert [(ligand.name, ligand.atoms.element.tolist()) for ligand in protein.ligands] == [
        ("CA", [20])
    ]


def test_one_of_two_conformers_is_kept(tmp_path: Path) -> None:
    atoms = backbone("A") + residue("GLY", 2, 1, alt="A", occupancy=0.4)
    atoms += residue("GLY", 2, 1.1, alt="B", occupancy=0.6)
    container = Container(write_container(tmp_path, [{"id": "x", "atoms": table(atoms)}]))
    protein = to_protein(frame(container.item(0)["atoms"], "x"), "x")
    assert protein.chains[0].sequence == "AG"
    assert protein.chains[0].coords[1, 1, 0] == pytest.approx(1.1 * 3.8)


def test_msgpack_is_read_too(tmp_path: Path) -> None:
    import msgpack

    item = {"id": "x", "atoms": table(backbone())}
    value = gzip.compress(msgpack.packb(item))
    folder = write_container(tmp_path, [item], kind="msgpack", packed={0: value})
    assert Container(folder).item(0)["atoms"]["name"].shape == (20,)


def test_pickles_are_refused_unless_allowed(tmp_path: Path) -> None:
    import pandas

    tables = table(backbone())
    item = {"id": "x", "atoms": pandas.DataFrame(tables["data"], columns=tables["columns"])}
    value = gzip.compress(pickle.dumps(item))
    folder = write_container(tmp_path, [{"id": "x"}], kind="pkl", packed={0: value})
    with pytest.raises(DataError, match=r"can run code.*allow-pickle"):
        Container(folder).item(0)
    atoms = Container(folder, allow_pickle=True).item(0)["atoms"]
    assert len(to_protein(frame(atoms, "x"), "x")) == 5


@pytest.mark.parametrize(
    "value",
    [b"", b"no gzip", gzip.compress(b"{"), packed(None), packed([1]), packed({"id": "x"})[:-9]],
    ids=["empty", "no gzip", "no JSON", "null", "a list", "cut short"],
)
def test_a_record_that_does_not_deserialise_is_dropped_with_its_index(
    tmp_path: Path, value: bytes
) -> None:
    folder = write_container(tmp_path, [{"id": "x"}, {"id": "y"}], packed={1: value})
    assert Container(folder).item(0) == {"id": "x"}
    with pytest.raises(DroppedSample, match="item 1"):
        Container(folder).item(1)
    with pytest.raises(DroppedSample, match="item 7 is not there"):
        Container(folder).item(7)


def test_a_file_cut_short_is_an_error_and_not_a_crash(tmp_path: Path) -> None:
    folder = write_container(tmp_path, [{"id": "x", "atoms": table(backbone())}] * 5)
    path = folder / "data.mdb"
    content = path.read_bytes()
    for size in (0, 1, 100, 4096, 8192, len(content) // 2, len(content) - 4096):
        path.write_bytes(content[:size])
        with pytest.raises(DataError, match=r"data\.mdb"):
            Container(folder).item(0)


def test_a_size_that_leads_out_of_the_file_kills_no_reader(tmp_path: Path) -> None:
    folder = write_container(tmp_path, [{"id": "x"}, {"id": "y", "atoms": table(backbone() * 20)}])
    assert damage(folder) is None
    path = folder / "data.mdb"
    content = bytearray(path.read_bytes())
    # A node of LMDB: size of the value (4 bytes), flags (1: on pages of its own), of the key, key.
    node = content.rindex(b"\x01\x00\x01\x00" + b"1")
    content[node - 1] = 0x7F
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"data\.mdb: damaged .*LMDB was killed by SIG"):
        Container(folder).check()


@pytest.mark.parametrize(
    "content", [b"", b"<html>not found</html>" * 1000, bytes(20000)], ids=["empty", "HTML", "zeros"]
)
def test_something_else_is_an_error_that_names_the_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "data.mdb").write_bytes(content)
    with pytest.raises(DataError, match=r"data\.mdb"):
        len(Container(tmp_path))


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is missing"):
        len(Container(tmp_path))


CELL = st.one_of(st.none(), st.integers(), st.floats(), st.text(max_size=3), st.just([1]))


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 19), st.sampled_from(COLUMNS), CELL), max_size=8))
def test_a_mutated_table_is_read_or_dropped(changes: list[tuple[int, str, object]]) -> None:
    tables = table(backbone())
    for row, column, cell in changes:
        tables["data"][row][COLUMNS.index(column)] = cell
    try:
        protein = to_protein(frame(to_columns(tables), "x"), "x")
        assert len(protein) >= 1
    except (DroppedSample, StructureError) as error:
        assert str(error)


@pytest.mark.parametrize("column", ["x", "bfactor", "occupancy"])
@pytest.mark.parametrize("value", [3.4028235678e38, 1e300, float("inf"), float("nan"), None])
def test_a_number_that_is_damage_is_unknown(column: str, value: float | None) -> None:
    tables = table(backbone())
    rows = [row for row in tables["data"] if "CA" in row]
    rows[1][COLUMNS.index(column)] = value
    (chain,) = to_protein(frame(to_columns(tables), "x"), "x").chains
    assert len(chain) == 5
    lost = {"x": (True, True), "bfactor": (False, True), "occupancy": (False, False)}[column]
    assert (np.isnan(chain.coords[1, 1, 0]), np.isnan(chain.bfactor[1])) == lost
    others = np.arange(5) != 1
    assert np.isfinite(chain.coords[others]).all() and np.isfinite(chain.bfactor[others]).all()


@pytest.mark.data
def test_what_atom3d_wrote_has_every_column(data_dir: Path) -> None:
    container = Container(data_dir / "lba/atom3d/split-by-cluster/data/val")
    item = container.item(0)
    assert (len(container), list(item["atoms_pocket"])) == (20, COLUMNS)
    assert np.isfinite(item["atoms_protein"]["x"]).all()
    sequence = "".join(text for _, text in item["seq"])
    chain = to_protein(frame(item["atoms_protein"], "x"), "x").chains[0]
    assert chain.sequence == sequence


@pytest.mark.data
def test_columns_equal_the_frame_that_pandas_makes(data_dir: Path) -> None:
    import lmdb
    import pandas

    folder = data_dir / "mqa/atom3d/split-by-year/data/val"
    with lmdb.open(str(folder), readonly=True, lock=False) as environment:
        with environment.begin() as transaction:
            raw = json.loads(gzip.decompress(transaction.get(b"3")))["atoms"]
    expected = pandas.DataFrame(**raw)
    atoms = Container(folder).item(3)["atoms"]
    assert list(atoms) == list(expected.columns)
    for name, column in atoms.items():
        assert column.tolist() == expected[name].tolist(), name
