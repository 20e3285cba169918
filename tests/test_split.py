"""Splits keep together what belongs together, come near the fractions, and can be repeated."""

from __future__ import annotations

import csv
import json
import random
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.data.structures import write_pdb
from tests.verbs import call
from zoo.data.layouts.table import TableLayout
from zoo.data.samples import SPLITS
from zoo.data.splitting import allot, by_time

LETTERS = "ACDEFGHIKLMNPQRSTVWY"


def sequences(families: int, members: int, length: int = 80) -> list[str]:
    """Return families of sequences that differ in a residue or two, one family after another."""
    rng = random.Random(0)
    found = []
    for _ in range(families):
        parent = rng.choices(LETTERS, k=length)
        for member in range(members):
            found.append("".join([*parent[:member], "W", *parent[member + 1 :]]))
    return found


def write(path: Path, **columns: list[object]) -> Path:
    rows = zip(*columns.values(), strict=True)
    lines = [",".join(columns), *(",".join(map(str, row)) for row in rows)]
    path.write_text("\n".join(lines) + "\n")
    return path


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    found = sequences(10, 5)
    count = len(found)
    return write(
        tmp_path / "labels.csv",
        id=[f"p{at}" for at in range(count)],
        sequence=found,
        year=[1990 + at % 25 for at in range(count)],
        family=[at // 5 for at in range(count)],
        y=[at % 2 for at in range(count)],
    )


def test_a_random_split_has_the_fractions_asked_for(capsys, labels):
    done = call(capsys, "split", labels, "--fractions", "0.6,0.2,0.2", "--json")
    assert json.loads(done.out)["sizes"] == {"train": 30, "validation": 10, "test": 10}


def test_the_table_keeps_its_rows_and_columns(capsys, labels):
    call(capsys, "split", labels)
    found = read(labels.with_name("labels_split.csv"))
    assert [{k: v for k, v in row.items() if k != "split"} for row in found] == read(labels)


@pytest.mark.parametrize("by", ["random", "cluster"])
def test_the_same_seed_gives_the_same_split(capsys, labels, tmp_path, by):
    texts = []
    for seed, name in [(1, "a"), (1, "b"), (2, "c")]:
        call(capsys, "split", labels, "--by", by, "--seed", seed, "--out", tmp_path / name)
        texts.append((tmp_path / name).read_text())
    assert texts[0] == texts[1] != texts[2]


def test_a_cluster_is_in_one_split(capsys, labels, tmp_path):
    out = tmp_path / "out.csv"
    done = call(capsys, "split", labels, "--by", "cluster", "--identity", 0.5, "--out", out,
                "--json")  # fmt: skip
    assert json.loads(done.out)["groups"] == 10
    assert len({(row["family"], row["split"]) for row in read(out)}) == 10


def test_rows_that_share_one_chain_are_in_one_split(capsys, tmp_path):
    first, second, third = sequences(3, 1)
    write_pdb(tmp_path / "ab.pdb.gz", {"A": first, "B": second})
    write_pdb(tmp_path / "bc.pdb.gz", {"A": second, "B": third})
    write_pdb(tmp_path / "c.pdb.gz", {"A": third})
    names = ["ab", "bc", "c"]
    path = write(tmp_path / "labels.csv", id=names, structure=[f"{n}.pdb.gz" for n in names])
    done = call(capsys, "split", path, "--by", "cluster", "--json")
    assert json.loads(done.out)["groups"] == 1


def test_a_row_without_sequence_cannot_be_clustered(capsys, tmp_path):
    path = write(tmp_path / "labels.csv", id=["a"], structure=["no.pdb"], y=[1])
    done = call(capsys, "split", path, "--by", "cluster")
    assert done.code == 4
    assert "row 'a' has no sequence to cluster by" in done.err


@pytest.mark.parametrize(
    "options, cell", [(("--by", "cluster"), "M1K"), (("--by", "time", "--column", "year"), "?")]
)
def test_a_row_that_cannot_be_split_is_left_out_and_told(capsys, labels, options, cell):
    rows = read(labels)
    rows[3]["sequence" if "cluster" in options else "year"] = cell
    write(labels, **{name: [row[name] for row in rows] for name in rows[0]})
    done = call(capsys, "split", labels, *options)
    assert done.code == 1
    assert "50 rows in = 49 done + 1 left out" in done.out
    assert "p3" not in {row["id"] for row in read(labels.with_name("labels_split.csv"))}
    told = json.loads(call(capsys, "split", labels, *options, "--json").out)
    assert list(told["left_out"]) == ["p3"] and told["sum"]["left_out"] == 1
    if "time" in options:
        years = {row["year"] for row in read(labels) if row["year"] != cell}
        assert told["groups"] == len(years)


def test_by_time_the_latest_are_the_test(capsys, labels, tmp_path):
    out = tmp_path / "out.csv"
    call(capsys, "split", labels, "--by", "time", "--column", "year", "--out", out)
    years = {split: [int(r["year"]) for r in read(out) if r["split"] == split] for split in SPLITS}
    assert max(years["train"]) < min(years["validation"])
    assert max(years["validation"]) < min(years["test"])


def test_dates_are_times():
    dates = ["2020-01-31", "2019-12-01", "2021-06-01T12:00"]
    found, left_out = by_time(dates, [0.34, 0.33, 0.33])
    assert (found, left_out) == ({0: "validation", 1: "train", 2: "test"}, {})


def test_rows_of_one_value_of_a_column_are_in_one_split(capsys, labels, tmp_path):
    out = tmp_path / "out.csv"
    call(capsys, "split", labels, "--by", "column", "--column", "family", "--out", out)
    assert len({(row["family"], row["split"]) for row in read(out)}) == 10
    assert Counter(row["split"] for row in read(out)) == {"train": 40, "validation": 5, "test": 5}


def test_a_column_of_splits_is_taken_as_it_is(capsys, tmp_path):
    path = write(tmp_path / "t.csv", id=[1, 2, 3], set=["Train", "val", "Test (new)"])
    call(capsys, "split", path, "--by", "column", "--column", "set")
    found = read(tmp_path / "t_split.csv")
    assert [row["split"] for row in found] == ["train", "validation", "test"]


def test_the_labels_of_each_split_are_told(capsys, labels):
    assert "mean 0.5" in call(capsys, "split", labels, "--by", "cluster").out
    told = json.loads(call(capsys, "split", labels, "--json").out)["labels"]
    assert set(told) == {"year", "family", "y"}
    assert told["y"]["train"]["labelled"] == 40


def test_a_split_table_is_read_as_a_data_set(capsys, labels, tmp_path):
    call(capsys, "split", labels, "--out", tmp_path / "new" / "labels.csv")
    layout = TableLayout(tmp_path / "new")
    assert Counter(layout.read(key).split for key in layout.keys())["train"] == 40


@pytest.mark.parametrize(
    "options, code, message",
    [
        (["--by", "clutser"], 2, "Did you mean 'cluster'?"),
        (["--by", "structure"], 4, "no column 'structure'"),
        (["--by", "time", "--column", "yaer"], 2, "Did you mean 'year'?"),
        (["--by", "time", "--column", "sequence"], 4, "neither a date nor a number"),
        (["--fractions", "0.5,0.6,0.1"], 2, "sum to 1"),
        (["--fractions", "a"], 2, "sum to 1"),
    ],
)
def test_a_mistake_is_told(capsys, labels, options, code, message):
    done = call(capsys, "split", labels, *options)
    assert (done.code, message in done.err) == (code, True)


def test_a_table_without_ids_is_told(capsys, tmp_path):
    done = call(capsys, "split", write(tmp_path / "t.csv", name=["a"]))
    assert (done.code, "no column 'id'" in done.err) == (4, True)


@given(st.lists(st.integers(0, 6), min_size=1, max_size=60), st.integers(0, 5))
def test_groups_stay_whole_and_sizes_miss_by_less_than_a_group(groups, seed):
    fractions = [0.6, 0.2, 0.2]
    splits = allot(groups, fractions, seed)
    assert len(set(zip(groups, splits, strict=True))) == len(set(groups))
    largest = max(Counter(groups).values())
    for name, fraction in zip(SPLITS, fractions, strict=True):
        assert splits.count(name) <= fraction * len(groups) + largest
