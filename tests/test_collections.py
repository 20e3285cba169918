"""Archives and tables as inputs of `zoo embed` and `zoo predict`, and the sum over them."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import tracemalloc
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from tests.verbs import call
from zoo.examples.made_up import write_made_up
from zoo.prediction.inputs import Outcome, read_all
from zoo.prediction.names import Names
from zoo.prediction.paths import find_inputs
from zoo.proteins.files import content

PLAIN = ("--model", "plm_mini", "--json")


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    return sorted((write_made_up(tmp_path / "m", proteins=3) / "structures").glob("*.pdb"))


@pytest.fixture
def archive(tmp_path: Path, files: list[Path]) -> Path:
    """Each structure in two formats, as far as their names go, a file of notes, and a bad one."""
    path = tmp_path / "proteome.tar"
    with tarfile.open(path, "w") as out:
        for name, data in [
            *((f"{file.stem}{end}", gzip.compress(file.read_bytes()))
              for file in files for end in (".cif.gz", ".pdb.gz")),
            ("notes.txt", b"notes"), ("bad.pdb", b"nothing"),
        ]:  # fmt: skip
            info = tarfile.TarInfo(name)
            info.size = len(data)
            out.addfile(info, io.BytesIO(data))
    return path


def test_what_goes_in_is_what_comes_out_and_what_was_left_out(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, files: list[Path], archive: Path
) -> None:
    out = tmp_path / "f.h5"
    done = call(capsys, "embed", archive, *PLAIN, "--out", out)
    found = json.loads(done.out)["sum"]
    assert done.code == 1  # bad.pdb
    assert (found["in"], found["done"], found["left_out"]) == (8, 3, 5)
    assert sorted(found["reasons"].values()) == [1, 1, 3]
    assert found["reasons"]["the same structure in another format"] == 3
    call(capsys, "embed", *files, *PLAIN, "--out", tmp_path / "g.h5")
    with h5py.File(out) as a, h5py.File(tmp_path / "g.h5") as b:
        assert sorted(a) == sorted(b) == [file.stem for file in files]
        for name in a:
            np.testing.assert_array_equal(a[name]["fused"][:], b[name]["fused"][:])
    again = json.loads(call(capsys, "embed", archive, *PLAIN, "--out", out).out)
    assert (again["written"], again["kept"]) == (0, 3)


def test_an_archive_and_a_table_are_predicted_like_their_files(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, files: list[Path], archive: Path
) -> None:
    table = tmp_path / "t.csv"
    rows = "".join(f"{file.stem},{file.relative_to(tmp_path)},A\n" for file in files)
    table.write_text(f"id,structure,chain\n{rows}")
    read = []
    for name, given in (("files", files), ("tar", [archive]), ("table", [table])):
        done = call(capsys, "predict", *given, "--model", "ppbs", "--out", tmp_path / name)
        assert done.code == (1 if name == "tar" else 0), done.err
        read.append(pd.read_csv(tmp_path / name / "predictions.csv"))
    pd.testing.assert_frame_equal(read[0], read[1])
    pd.testing.assert_frame_equal(read[0], read[2])


def test_chains_are_chosen_in_an_archive_as_in_a_file(archive: Path) -> None:
    for chosen in (find_inputs([f"{archive}:A"]), find_inputs([str(archive)], "A")):
        assert len(list(read_all(chosen, Outcome()))) == 3
    outcome = Outcome()
    assert not list(read_all(find_inputs([f"{archive}:Z"]), outcome))
    assert len(outcome.failed) == 4 and outcome.given == 8


def test_a_bad_archive_or_table_changes_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, archive: Path
) -> None:
    archive.write_bytes(archive.read_bytes()[:3000])
    table = tmp_path / "t.csv"
    table.write_text("name,sequence\na,MKT\n")
    for given, words in ((archive, "was cut short"), (table, "without the column `id`")):
        out = tmp_path / "f.h5"
        found = json.loads(call(capsys, "embed", given, *PLAIN, "--out", out).out)
        assert found["sum"]["done"] == 0 and words in next(iter(found["failed"].values()))
        with h5py.File(out) as file:
            assert not len(file)


def test_a_name_that_is_taken_is_known_among_many() -> None:
    names = Names()
    for at in range(50_000):
        assert names.owner([f"p{at}", f"p{at}/"]) is None
        names.add([f"p{at}"], f"file {at}")
    assert names.owner(["new", "p49999", "p7"]) == "file 49999"
    assert names.owner(["P7", "p7 ", "\udcff"]) is None
    names.add(["\udcff"], "a\udcff")
    assert names.owner(["\udcff"]) == "a?"


def test_reading_many_sequences_keeps_none_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(content, "PIECE", 2**16)  # so that both files have many pieces
    peaks = []
    for count in (20_000, 60_000):
        path = tmp_path / f"{count}.fasta"
        path.write_text("".join(f">p{at}\nMKTAYIAKQR\n" for at in range(count)))
        outcome = Outcome()
        tracemalloc.start()
        assert sum(1 for _ in read_all(find_inputs([str(path)]), outcome)) == outcome.given == count
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.1 * peaks[0]
