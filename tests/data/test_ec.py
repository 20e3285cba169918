from __future__ import annotations

from pathlib import Path

import pytest

from tests.data.benchmarks import backbone, pdb_text
from zoo.data.layouts import ec  # noqa: F401  registers the layout
from zoo.data.layouts.base import find_layout
from zoo.data.samples import DroppedSample
from zoo.errors import DataError

ANNOTATIONS = (
    "### EC-numbers\r\n3.2.2.9\t3.2.2.-\t1.1.1.1\r\n### PDB-chain\tEC-numbers\r\n"
    "4PR3-A\t3.2.2.9,3.2.2.-\r\n1ABC-A\t1.1.1.1\r\n2ABC-B\t1.1.1.1\r\n"
)
CUTOFFS = "PDB-chain,<30%,<40%,<50%,<70%,<95%\r\n1ABC-A,0,0,1,1,1\r\n"


@pytest.fixture
def deepfri(tmp_path: Path) -> Path:
    stem = "nrPDB-EC_2020.04"
    (tmp_path / f"{stem}_annot.tsv").write_bytes(ANNOTATIONS.encode())
    (tmp_path / f"{stem}_test.csv").write_bytes(CUTOFFS.encode())
    for part, names in (("train", "4PR3-A\n"), ("valid", "2ABC-B\n"), ("test", "1ABC-A\n")):
        (tmp_path / f"{stem}_{part}.txt").write_text(names)
    (tmp_path / "structures").mkdir()
    (tmp_path / "structures" / "4pr3.pdb").write_text(pdb_text(backbone()))
    (tmp_path / "structures" / "1ABC-A.pdb").write_text(pdb_text(backbone("GG")))
    return tmp_path


def test_labels_of_three_levels_are_labels_of_their_own(deepfri: Path) -> None:
    layout = find_layout("ec", deepfri)
    (target,) = layout.targets
    assert (target.kind, target.outputs) == ("multilabel", 3)
    assert target.classes == ("3.2.2.9", "3.2.2.-", "1.1.1.1")
    sample = layout.read("4PR3-A")
    assert sample.targets["ec"].tolist() == [1, 1, 0]
    assert (sample.split, sample.subset) == ("train", "")
    assert sample.protein.chains[0].sequence == "AGSKL"


def test_the_subset_lists_the_cutoffs_at_which_a_chain_counts(deepfri: Path) -> None:
    sample = find_layout("ec", deepfri).read("1ABC-A")
    assert (sample.split, sample.subset) == ("test", "50,70,95")


def test_a_listed_chain_without_structure_is_dropped(deepfri: Path) -> None:
    layout = find_layout("ec", deepfri)
    assert layout.keys() == ["4PR3-A", "2ABC-B", "1ABC-A"]
    with pytest.raises(DroppedSample, match="chain B of 2ABC"):
        layout.read("2ABC-B")


def test_torchdrugs_package_has_its_splits_in_folders(tmp_path: Path) -> None:
    (tmp_path / "nrPDB-EC_annot.tsv").write_bytes(ANNOTATIONS.encode())
    (tmp_path / "nrPDB-EC_test.csv").write_bytes(CUTOFFS.encode())
    for part, name in (("train", "4PR3-A_1.pdb"), ("test", "1ABC-A_2.pdb")):
        (tmp_path / part).mkdir()
        (tmp_path / part / name).write_text(pdb_text(backbone()))
    layout = find_layout("ec", tmp_path)
    assert layout.keys() == ["4PR3-A", "1ABC-A", "2ABC-B"]
    assert [layout.read(key).split for key in layout.keys()[:2]] == ["train", "test"]
    with pytest.raises(DroppedSample, match="in no split"):
        layout.read("2ABC-B")


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("annot.tsv", ANNOTATIONS.replace("\t1.1.1.1\r\n2", "\t9.9.9.9\r\n2"), "line 5: '9.9.9.9'"),
        ("annot.tsv", "### EC-numbers\n", "lines 1 to 3"),
        ("test.csv", CUTOFFS.replace("0,0,1,1,1", "0,0"), "line 2"),
        ("train.txt", "4PR3-A\n4PR3-A\n", "line 2: '4PR3-A' is already"),
    ],
)
def test_damaged_lists_are_errors_that_name_the_line(
    deepfri: Path, file: str, text: str, message: str
) -> None:
    (deepfri / f"nrPDB-EC_2020.04_{file}").write_text(text)
    layout = find_layout("ec", deepfri)
    with pytest.raises(DataError, match=message):
        layout.keys()
        layout.read("1ABC-A")


def test_text_cut_anywhere_is_read_or_an_error(deepfri: Path) -> None:
    path = deepfri / "nrPDB-EC_2020.04_annot.tsv"
    for size in range(0, len(ANNOTATIONS), 3):
        path.write_bytes(ANNOTATIONS.encode()[:size])
        layout = find_layout("ec", deepfri)
        try:
            layout.read(layout.keys()[0])
        except (DataError, DroppedSample) as error:
            assert str(error)
