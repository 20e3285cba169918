"""What is dropped on the page is checked, and none of it stays on the disk."""

from __future__ import annotations

import gzip
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from zoo.errors import FetchError, StructureError
from zoo.proteins.databases import folder_of_structures
from zoo.serving import given as module
from zoo.serving.given import checked_chains, fetched, given, safe_name

EXAMPLE = REPOSITORY / "zoo/examples/1a8o.cif.gz"


@pytest.fixture(autouse=True)
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of all temporary files, which is empty after each test."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert [*folder.iterdir()] == []


def test_a_structure_is_told_with_its_chains_and_held_in_memory() -> None:
    found = given("1a8o.cif.gz", EXAMPLE.read_bytes())
    assert (found.name, found.chains, found.chosen) == ("1a8o.cif.gz", (("A", 70),), ("A",))
    assert found.told() == "1a8o.cif.gz has the protein chain A (70 residues)."
    assert found.data == EXAMPLE.read_bytes()


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("../../etc/passwd", "passwd"), ("C:\\temp\\1abc.pdb", "1abc.pdb"), ("..", "structure"),
        ("", "structure"), (".cif", "cif"), ("<script>.cif", "_script_.cif"), ("a\nb", "a_b"),
        ("-rf.pdb", "rf.pdb"), ("å.cif", "å.cif"), ("x" * 300 + ".cif", "x" * 76 + ".cif"),
    ],
)  # fmt: skip
def test_a_name_is_no_path_and_no_markup(name: str, safe: str) -> None:
    assert safe_name(name) == safe


@pytest.mark.parametrize(
    ("name", "data", "cause"),
    [
        ("a.cif", b"", "a.cif is empty"),
        ("a.cif", b"<html>", "a.cif is an HTML or XML page"),
        ("a.cif.gz", EXAMPLE.read_bytes()[:-9], "a.cif.gz is a gzip file that was cut short"),
        ("a.pdb", b">one\nMKT\n", "a.pdb holds sequences"),
        ("a.pdb", b"ATOM  nothing of use\n", r"^a\.pdb: "),
        ("../a.cif", b"data_x\nloop_\n", r"^a\.cif: "),
    ],
)
def test_what_is_no_structure_is_told_by_its_name_without_a_folder(
    name: str, data: bytes, cause: str
) -> None:
    with pytest.raises(StructureError, match=cause) as told:
        given(name, data)
    assert "zoo-app-" not in str(told.value)


def test_a_file_that_is_too_large_is_refused_before_it_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 3 * 2**20)
    monkeypatch.setattr(module, "read_structure", None)
    with pytest.raises(StructureError, match=r"a\.pdb has 3\.2 MB, and this page takes at most 3"):
        given("a.pdb", b" " * int(3.2 * 2**20))


def test_a_gzip_bomb_is_refused_before_it_is_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_UNPACKED", 2**20)
    bomb = gzip.compress(b"ATOM" * 2**19)
    assert len(bomb) < 10_000
    with pytest.raises(StructureError, match=r"a\.pdb\.gz .* unpacks to more than 1 MB"):
        given("a.pdb.gz", bomb)


def test_a_name_of_a_structure_is_never_a_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(EXAMPLE, tmp_path / "secret.cif.gz")
    monkeypatch.chdir(tmp_path)
    for text in ("secret.cif.gz", str(tmp_path / "secret.cif.gz"), "@list", "*", "../1abc", ""):
        with pytest.raises(StructureError, match="is no name of a structure"):
            fetched(text)


def test_a_structure_by_name_is_taken_from_those_that_were_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_STORE", str(tmp_path / "store"))
    folder_of_structures().mkdir(parents=True)
    shutil.copy(EXAMPLE, folder_of_structures() / "1a8o.cif.gz")
    assert fetched(" 1A8O ").chosen == ("A",)
    assert fetched("1a8o_A").chosen == ("A",)
    with pytest.raises(StructureError, match=r"has no protein chain B\. Valid: A\."):
        fetched("1a8o_B")
    with pytest.raises(FetchError, match="offline"):
        fetched("9xyz")


def test_chains_are_those_of_the_structure_and_at_least_one() -> None:
    found = given("1a8o.cif.gz", EXAMPLE.read_bytes())
    found = found._replace(chains=(("A", 70), ("B", 3), ("C", 9)))
    assert checked_chains(found, ["C", "A"]) == ("A", "C")
    with pytest.raises(StructureError, match="No chain is chosen"):
        checked_chains(found, [])
    with pytest.raises(StructureError, match="no protein chain Z"):
        checked_chains(found, ["A", "Z"])
