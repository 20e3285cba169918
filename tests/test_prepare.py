"""`zoo prepare`: what is read, what is told, and that nothing is done twice or lost."""

from __future__ import annotations

import csv
import json
import os
import random
import shutil
import signal
import time
from pathlib import Path

import pytest

from tests.data.benchmarks import write_container
from tests.verbs import call
from zoo.data import preparing
from zoo.data.layouts import LAYOUTS, table
from zoo.data.store import Store

LETTERS = "ACDEFGHIKLMNPQRSTVWY"


def sequence(i: int, length: int = 60) -> str:
    """Return a sequence that no other number gives, nor anything like it."""
    return "".join(random.Random(i).choices(LETTERS, k=length))


@pytest.fixture
def labels(tmp_path):
    """A user's table of sequences: 20 in train, 10 in test."""
    folder = tmp_path / "mine"
    folder.mkdir()
    with (folder / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "sequence", "split", "activity"])
        for i in range(30):
            writer.writerow([f"p{i}", sequence(i), "train" if i < 20 else "test", i / 10])
    return folder


def prepare(capsys, labels: Path, *options: object):
    return call(capsys, "prepare", "table", "--data", labels, *options)


def test_a_users_table_is_prepared(capsys, labels, tmp_path):
    done = prepare(capsys, labels, "--out", tmp_path / "out", "--json")
    assert done.code == 0, done.err
    manifest = json.loads(done.out)
    assert manifest["parts"] == {"test": 10, "train": 20}
    assert manifest["labels"]["activity"]["train"]["mean"] == pytest.approx(0.95)
    with Store(tmp_path / "out" / "store") as store:
        assert store["p3"].targets["activity"] == pytest.approx(0.3)


def test_the_summary_is_printed(capsys, labels, tmp_path):
    out = prepare(capsys, labels, "--out", tmp_path / "out").out
    for text in (
        "train",
        "20",
        "activity (regression)",
        "30 samples in = 30 done + 0 left out",
        "report.csv",
    ):
        assert text in out


def test_a_second_run_with_nothing_changed_reads_nothing(capsys, labels, tmp_path, monkeypatch):
    first = prepare(capsys, labels, "--out", tmp_path / "out", "--json")
    monkeypatch.setattr(LAYOUTS["table/csv"], "read", lambda *_: pytest.fail("read again"))
    start = time.perf_counter()
    second = prepare(capsys, labels, "--out", tmp_path / "out", "--json")
    assert second.out == first.out
    assert time.perf_counter() - start < 2


def change(labels: Path) -> None:
    path = labels / "labels.csv"
    path.write_text(path.read_text().replace(",train,0.3", ",train,99"))


def test_complete_data_are_not_replaced(capsys, labels, tmp_path):
    before = prepare(capsys, labels, "--out", tmp_path / "out", "--json")
    change(labels)
    done = prepare(capsys, labels, "--out", tmp_path / "out", "--json")
    assert done.code == 2
    assert "have changed since" in done.err and "choose another --out" in done.err
    assert (
        json.loads((tmp_path / "out" / "manifest.json").read_text())["inputs"]
        == (json.loads(before.out)["inputs"])
    )
    other = tmp_path / "others"
    other.mkdir()
    (other / "labels.csv").write_text((labels / "labels.csv").read_text())
    done = prepare(capsys, other, "--out", tmp_path / "out")
    assert done.code == 2 and f"prepared data of {labels}" in done.err
    shutil.rmtree(tmp_path / "out")
    manifest = json.loads(prepare(capsys, labels, "--out", tmp_path / "out", "--json").out)
    assert manifest["labels"]["activity"]["train"]["max"] == 99


def test_a_file_that_was_only_touched_is_the_same_input(capsys, labels, tmp_path, monkeypatch):
    prepare(capsys, labels, "--out", tmp_path / "out")
    os.utime(labels / "labels.csv", (1, 1))
    monkeypatch.setattr(LAYOUTS["table/csv"], "read", lambda *_: pytest.fail("read again"))
    assert prepare(capsys, labels, "--out", tmp_path / "out").code == 0


def test_data_read_with_other_settings_are_other_data(capsys, labels, tmp_path):
    prepare(capsys, labels, "--out", tmp_path / "out")
    done = prepare(capsys, labels, "--out", tmp_path / "out", "--target", "activity")
    assert done.code == 2 and "other settings" in done.err


@pytest.mark.parametrize("name", ["run.json", "report.csv", "store"])
def test_a_folder_of_another_verb_is_refused(capsys, labels, tmp_path, name):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_text("{}")
    done = prepare(capsys, labels, "--out", tmp_path / "out")
    assert done.code == 2 and name in done.err and "Choose another --out" in done.err
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [name]


def test_an_unfinished_folder_whose_files_changed_is_made_anew(
    capsys, labels, tmp_path, monkeypatch
):
    read = table.TableLayout.read

    def interrupting(layout, key):
        os.kill(os.getpid(), signal.SIGINT)
        return read(layout, key)

    monkeypatch.setattr(preparing, "BATCH", 4)
    with monkeypatch.context() as patch:
        patch.setattr(table.TableLayout, "read", interrupting)
        assert prepare(capsys, labels, "--out", tmp_path / "out").code == 130
    change(labels)
    manifest = json.loads(prepare(capsys, labels, "--out", tmp_path / "out", "--json").out)
    assert manifest["labels"]["activity"]["train"]["max"] == 99


def test_interrupted_and_resumed_equals_uninterrupted(capsys, labels, tmp_path, monkeypatch):
    whole = prepare(capsys, labels, "--out", tmp_path / "whole", "--json")
    monkeypatch.setattr(preparing, "BATCH", 4)
    read, names = table.TableLayout.read, []

    def interrupting(layout, key):
        names.append(key)
        if len(names) == 6:
            os.kill(os.getpid(), signal.SIGINT)
        return read(layout, key)

    monkeypatch.setattr(table.TableLayout, "read", interrupting)
    first = prepare(capsys, labels, "--out", tmp_path / "parts")
    assert first.code == 130
    assert "the same command continues" in first.err
    second = prepare(capsys, labels, "--out", tmp_path / "parts", "--json")
    assert len(names) == len(set(names)) == 30
    same = {"out": ""}
    assert json.loads(second.out) | same == json.loads(whole.out) | same


def test_a_leak_is_told_and_strict_makes_it_an_error(capsys, labels, tmp_path):
    path = labels / "labels.csv"
    path.write_text(path.read_text() + f"copy,{sequence(0)},test,1\n")
    done = prepare(capsys, labels, "--out", tmp_path / "out")
    assert done.code == 0
    assert "p0 (train): 100%" in done.err
    strict = prepare(capsys, labels, "--out", tmp_path / "out", "--strict")
    assert strict.code == 4
    assert "zoo.split" in strict.err


def test_a_near_duplicate_leaks_at_a_lower_identity_only(capsys, labels, tmp_path):
    near = sequence(1)[:48] + sequence(77)[48:]
    path = labels / "labels.csv"
    path.write_text(path.read_text() + f"near,{near},test,1\n")

    def count(identity: float) -> int:
        options = ("--out", tmp_path / "out", "--identity", identity, "--json")
        return len(json.loads(prepare(capsys, labels, *options).out)["leaks"])

    assert (count(0.95), count(0.7)) == (0, 1)


def test_what_was_dropped_is_in_the_report_with_its_reason(capsys, labels, tmp_path):
    path = labels / "labels.csv"
    text = path.read_text().splitlines()
    rows = [f"{text[0]},structure", *(f"{line}," for line in text[1:])]
    path.write_text("\n".join([*rows, "gone,,train,1,gone.pdb"]) + "\n")
    done = prepare(capsys, labels, "--out", tmp_path / "out")
    assert done.code == 1
    assert "31 samples in = 30 done + 1 left out" in done.out
    with (tmp_path / "out" / "report.csv").open() as file:
        (row,) = [row for row in csv.DictReader(file) if row["dropped"]]
    assert row["id"] == "gone"
    assert "gone.pdb" in row["dropped"]


@pytest.mark.parametrize("task", sorted({LAYOUTS[name].task for name in LAYOUTS}))
def test_a_folder_that_fits_no_layout_names_the_official_source(capsys, tmp_path, task):
    (tmp_path / "empty").mkdir()
    done = call(capsys, "prepare", task, "--data", tmp_path / "empty", "--out", tmp_path / "out")
    assert done.code == 4
    for name in LAYOUTS:
        if LAYOUTS[name].task == task:
            assert name in done.err
            assert LAYOUTS[name].source in done.err


def test_nothing_prepared_is_an_error_that_points_to_the_reasons(capsys, tmp_path):
    (tmp_path / "labels.csv").write_text("id,structure,y\na,gone.pdb,1\nb,gone2.pdb,2\n")
    done = prepare(capsys, tmp_path, "--out", tmp_path / "out")
    assert done.code == 4
    assert "report.csv" in done.err


def test_structures_may_lie_anywhere(capsys, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "else").mkdir()
    path = shutil.copy("zoo/examples/1a8o.cif.gz", tmp_path / "else")
    (tmp_path / "mine" / "labels.csv").write_text(f"id,structure,y\na,{path},1\n")
    done = prepare(capsys, tmp_path / "mine", "--out", tmp_path / "out")
    assert done.code == 0, done.err


def test_a_proteins_chains_are_reported_where_labels_are_the_proteins(capsys, tmp_path):
    (tmp_path / "labels.csv").write_text("id,structure,y\na,1a8o.cif.gz,1.5\nb,1a8o.cif.gz,2.5\n")
    shutil.copy("zoo/examples/1a8o.cif.gz", tmp_path)
    prepare(capsys, tmp_path, "--out", tmp_path / "out")
    with (tmp_path / "out" / "report.csv").open() as file:
        row = next(csv.DictReader(file))
    assert (row["id"], row["chain"], row["matched"], row["modified"]) == ("a", "A", "70", "4")


def test_an_unknown_task_and_layout_are_told(capsys, labels, tmp_path):
    done = call(capsys, "prepare", "tabel", "--data", labels, "--out", tmp_path / "out")
    assert done.code == 2
    assert "Did you mean 'table'" in done.err
    done = prepare(capsys, labels, "--out", tmp_path / "out", "--layout", "cvs")
    assert done.code == 2
    assert "table/csv" in done.err


def test_pickled_records_are_refused_unless_asked_for(capsys, tmp_path):
    write_container(tmp_path / "lba" / "data" / "train", [{"id": "x"}], kind="pkl")
    options = ("--data", tmp_path / "lba", "--out", tmp_path / "out")
    refused = call(capsys, "prepare", "lba", *options)
    assert refused.code == 4
    assert "can run code" in refused.err
    assert "--allow-pickle" in refused.err
    allowed = call(capsys, "prepare", "lba", *options, "--allow-pickle")
    assert "No sample could be prepared" in allowed.err
    assert "1 sample in = 0 done + 1 left out" in allowed.out  # its one record is no pickle
