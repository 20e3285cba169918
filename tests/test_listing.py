"""A folder's files are held by their names alone, in the order that results of older runs have."""

from __future__ import annotations

import os
import pickle
import tracemalloc
from pathlib import Path

import pytest

from zoo.models.checksums import values_hash
from zoo.prediction.listing import FolderFiles, Input
from zoo.prediction.parts.folder import named_inputs
from zoo.prediction.paths import find_inputs, left_out
from zoo.proteins.files.formats import stem
from zoo.proteins.structure import is_readable

NAMES = (
    "a.pdb", "a/b.cif", "a-b.pdb", "a.b/c.fasta", "a/b/c.pdb", "a b/é.ent", "B/x.cif.gz", ".h.pdb",
    ".hidden/z.pdb", "a/notes.txt", "empty/deep/er/y.bcif", "a/0.pdb", "a.pdb.gz",
)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder of files and folders whose names sort differently as text and as paths."""
    root = tmp_path / "root"
    for name in NAMES:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    (root / "not" / "a.pdb").mkdir(parents=True)
    (root / "link.pdb").symlink_to(root / "a.pdb")
    (root / "broken.pdb").symlink_to(root / "gone.pdb")
    (root / "loop.pdb").symlink_to(root / "loop.pdb")
    (root / "again").symlink_to(root / "a")
    os.mkfifo(root / "pipe.pdb")
    return root


def listed(folder: Path) -> list[Input]:
    """Return the inputs as they were listed before names alone were held."""
    files = [x for x in sorted(folder.rglob("*")) if x.is_file() and is_readable(x)]
    return [Input(x, (x.relative_to(folder).parent / stem(x)).as_posix()) for x in files]


def test_the_files_of_a_folder_are_in_the_order_of_sorted_paths(folder: Path) -> None:
    found = find_inputs([str(folder)])
    assert isinstance(found, FolderFiles) and list(found) == listed(folder)
    assert len(found) == len(NAMES) == 13  # without notes.txt, and with the link to a file
    assert found[:3] == listed(folder)[:3] and found[-1] == listed(folder)[-1]
    assert list(find_inputs([str(folder), str(folder)])) == listed(folder)
    assert list(pickle.loads(pickle.dumps(found))) == listed(folder)
    with pytest.raises(IndexError):
        found[len(found)]
    assert "1 file has no name" in left_out([str(folder)])


def test_a_folder_here_is_called_as_the_user_calls_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    assert list(find_inputs(["."])) == listed(Path())
    assert list(find_inputs(["a"])) == listed(Path("a"))


def test_chains_are_chosen_of_every_file(folder: Path) -> None:
    expected = [one.only("A, B") for one in listed(folder)]
    assert list(find_inputs([str(folder)], "A, B")) == expected
    assert expected[0].chains == ("A", "B")


def test_what_tells_inputs_apart_is_what_it_was(folder: Path) -> None:
    for chains in (None, "A,B"):
        found = find_inputs([str(folder)], chains)
        pairs = [[file.name, file.chains] for file in found]
        assert named_inputs(found)["hash"] == values_hash({"inputs": pairs})[:32]
    assert named_inputs([])["hash"] == values_hash({"inputs": []})[:32]


def test_a_file_takes_less_than_a_hundred_bytes(tmp_path: Path) -> None:
    for at in range(3000):
        (tmp_path / f"AF-A0A0{at:06}-F1-model_v4.cif.gz").touch()
    tracemalloc.start()
    try:
        found = find_inputs([str(tmp_path)])
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(found) == 3000 and held < 100 * 3000
