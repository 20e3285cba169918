from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from tests.data.benchmarks import backbone, ca_pdb, helix, pdb_text, table, write_container
from zoo.data.layouts import mqa
from zoo.data.layouts.base import find_layout
from zoo.data.samples import DroppedSample
from zoo.errors import DataError

SEQUENCE = "AGSKLLKSGAMMKSLAGSKA"


def psr_item(target: str = "T0283", decoy: str = "model_1", score: object = 0.5) -> dict:
    name = str((target, decoy))
    return {"id": name, "atoms": table(backbone()), "scores": {"gdt_ts": score, "rmsd": 2.0}}


@pytest.fixture
def psr(tmp_path: Path) -> Path:
    base = tmp_path / "split-by-year" / "data"
    write_container(base / "train", [psr_item(), psr_item(decoy="model_2", score=0.25)])
    write_container(base / "val", [psr_item("T0300")])
    write_container(base / "test", [psr_item("T0400"), psr_item("T0400")])
    return tmp_path


@pytest.mark.parametrize("below", [".", "split-by-year", "split-by-year/data"])
def test_psr_is_found_at_any_of_its_folders(psr: Path, below: str) -> None:
    layout = find_layout("mqa", psr / below, "atom3d")
    assert layout.keys() == ["train/0", "train/1", "val/0", "test/0", "test/1"]
    sample = layout.read("train/1")
    assert (sample.id, sample.group, sample.split) == ("T0283/model_2", "T0283", "train")
    assert float(sample.targets["gdt_ts"]) == 0.25
    assert layout.read("val/0").split == "validation"


def test_an_id_that_comes_twice_stays_unique(psr: Path) -> None:
    layout = find_layout("mqa", psr)
    assert len({layout.read(key).id for key in layout.keys()}) == 5


def test_the_id_is_parsed_never_run() -> None:
    assert mqa.parse_psr_id("('T0283', 'a b')") == ("T0283", "a b")
    for text in ("__import__('os').getcwd()", "('a',)", "", "(" * 500, "'ab'[0]", "3"):
        with pytest.raises(DroppedSample, match="is not the text of"):
            mqa.parse_psr_id(text)


@pytest.mark.parametrize(
    "change",
    [{"scores": {}}, {"scores": None}, {"scores": {"gdt_ts": "x"}}, {"atoms": None}, {"atoms": 3},
     {"id": 3}, {"atoms": {"columns": [], "index": [], "data": []}}],
)  # fmt: skip
def test_a_damaged_item_is_dropped(tmp_path: Path, change: dict) -> None:
    write_container(tmp_path / "train", [{**psr_item(), **change}])
    layout = find_layout("mqa", tmp_path)
    with pytest.raises(DroppedSample):
        layout.read("train/0")


def test_several_data_sets_under_one_root_are_an_error(psr: Path) -> None:
    write_container(psr / "split-by-target" / "data" / "train", [psr_item()])
    with pytest.raises(DataError, match="must hold one data set .*, but holds "):
        find_layout("mqa", psr).keys()


@pytest.fixture
def decoys(tmp_path: Path) -> Path:
    pos = helix(20)
    for target in ("T1", "T2"):
        (tmp_path / target).mkdir()
        (tmp_path / target / "good.pdb").write_text(ca_pdb(pos + 1, SEQUENCE))
    (tmp_path / "T1" / "native.pdb").write_text(ca_pdb(pos, SEQUENCE))
    (tmp_path / "T1" / "half.pdb").write_text(ca_pdb(pos[10:], SEQUENCE[10:]))
    (tmp_path / "T1" / "other.pdb").write_text(ca_pdb(pos, "AAAAAAAAAAGGGGGGGGGG"))
    (tmp_path / "T1" / "cut.pdb").write_text("ATOM      1  CA  ALA A   1      11.0\n")
    (tmp_path / "val.txt").write_text("T1\n")
    return tmp_path


def test_a_folder_of_decoys_is_scored_against_its_native(decoys: Path) -> None:
    layout = find_layout("mqa", decoys)
    assert layout.keys() == ["T1/cut", "T1/good", "T1/half", "T1/other", "T2/good"]
    sample = layout.read("T1/good")
    assert (sample.group, sample.split) == ("T1", "validation")
    assert {name: round(float(v), 4) for name, v in sample.targets.items()} == {
        "gdt_ts": 1.0, "lddt": 1.0, "tm": 1.0,
    }  # fmt: skip
    assert float(layout.read("T1/half").targets["gdt_ts"]) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("key", "message"),
    [("T2/good", "no native"), ("T1/other", "do not fit"), ("T1/cut", "cut off")],
)
def test_a_decoy_that_cannot_be_scored_is_dropped(decoys: Path, key: str, message: str) -> None:
    with pytest.raises(DroppedSample, match=message):
        find_layout("mqa", decoys).read(key)


def test_a_table_names_structures_and_scores(tmp_path: Path) -> None:
    (tmp_path / "a.pdb").write_text(pdb_text(backbone()))
    head = "id,target,structure,split,gdt_ts\n"
    (tmp_path / "labels.csv").write_text(head + "x,T,a.pdb,train,0.5\ny,T,b.pdb,test,0.5\n")
    layout = find_layout("mqa", tmp_path)
    sample = layout.read("x")
    assert (sample.group, sample.split, float(sample.targets["gdt_ts"])) == ("T", "train", 0.5)
    with pytest.raises(DroppedSample, match="does not exist"):
        layout.read("y")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,target\na,b\n", "lacks the columns structure, split, gdt_ts"),
        ("id,target,structure,split,gdt_ts\nx,T,a.pdb,train\n", ":2: 4 cells for 5 columns"),
        ("id,target,structure,split,gdt_ts\nx,T,a.pdb,trian,1\n", "split 'trian'"),
        ("id,target,structure,split,gdt_ts\nx,T,a,,1\nx,T,a,,1\n", "'x' occurs twice"),
    ],
)
def test_a_damaged_table_is_an_error(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        find_layout("mqa", tmp_path).keys()


@pytest.mark.data
def test_the_decoys_in_atom3ds_container(data_dir: Path) -> None:
    layout = find_layout("mqa", data_dir / "mqa" / "atom3d")
    samples = [layout.read(key) for key in layout.keys()]
    assert Counter(s.split for s in samples) == {"train": 36, "validation": 8, "test": 16}
    assert all(0 <= float(sample.targets["gdt_ts"]) <= 1 for sample in samples)
    assert len({sample.id for sample in samples}) == 60


@pytest.mark.data
def test_the_table_of_decoys(data_dir: Path) -> None:
    layout = find_layout("mqa", data_dir / "mqa")
    assert isinstance(layout, mqa.TableQuality)
    rows = layout.rows.values()
    assert len(layout.keys()) == 2372
    assert Counter(r["split"] for r in rows) == {"train": 1583, "validation": 233, "test": 556}
    targets = Counter(split for _, split in {(row["target"], row["split"]) for row in rows})
    assert targets == {"train": 200, "validation": 30, "test": 70}
    samples = [layout.read(key) for key in layout.keys()[::100]]
    assert all(np.isfinite(s.targets["gdt_ts"]) and s.protein.has_structure for s in samples)
