"""Structures of one fold are found, whatever their sequence and place in space."""

from __future__ import annotations

import dataclasses
import os
import stat
from pathlib import Path

import numpy as np
import pytest

from tests import shelf
from tests.verbs import call
from zoo.data import folds
from zoo.data.folds import fold_clusters
from zoo.errors import ConfigError, ZooError


@pytest.fixture(autouse=True)
def _without_foldseek(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))


def relettered(protein):
    """Return the same fold with another sequence."""
    chain = protein.chains[0]
    other = dataclasses.replace(chain, sequence="G" * len(chain))
    return dataclasses.replace(protein, chains=(other,))


def test_a_turned_and_relettered_copy_has_the_same_fold_and_another_has_not():
    a, b = shelf.ordinary(90, seed=1), shelf.ordinary(90, seed=2)
    copy = relettered(shelf.rotate(a, shelf.rotation(3), (50, -20, 5)))
    told: list[int] = []
    assert fold_clusters([a, b, copy], [Path()] * 3, told.append) == [0, 1, 0]
    assert told == [1, 2, 3]


def test_too_many_structures_without_foldseek_are_told(monkeypatch):
    monkeypatch.setattr(folds, "MOST", 1)
    with pytest.raises(ConfigError, match="Install foldseek"):
        fold_clusters([shelf.ordinary()] * 2, [Path()] * 2, lambda done: None)


def fake_foldseek(folder: Path, script: str) -> None:
    path = folder / "foldseek"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def test_foldseek_is_asked_where_it_is_there(tmp_path, monkeypatch):
    lines = r"s000002.cif.gz_A\ts000002.cif.gz_A\ns000002.cif.gz_A\ts000000.cif.gz_B\n"
    fake_foldseek(tmp_path, f"ls in > /dev/null; printf '{lines}' > out_cluster.tsv")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.defpath}")
    files = [Path(f"{i}.cif.gz") for i in range(3)]
    assert fold_clusters([], files, lambda done: None) == [0, 1, 0]


def test_a_failing_foldseek_is_an_error(tmp_path, monkeypatch):
    fake_foldseek(tmp_path, "echo no space left >&2; exit 3")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.defpath}")
    with pytest.raises(ZooError, match=r"failed \(3\): no space left"):
        fold_clusters([], [Path("a.pdb")], lambda done: None)


def test_a_table_is_split_by_structure(capsys, tmp_path):
    content = Path("zoo/examples/1a8o.cif.gz").read_bytes()
    rows = ["id,structure"]
    for i in range(4):
        (tmp_path / f"s{i}.cif.gz").write_bytes(content)
        rows.append(f"s{i},s{i}.cif.gz")
    (tmp_path / "labels.csv").write_text("\n".join(rows) + "\n")
    done = call(capsys, "split", tmp_path / "labels.csv", "--by", "structure")
    assert done.code == 0, done.err
    assert "4 rows, 1 fold\n" in done.out
    splits = {row.rsplit(",", 1)[1] for row in np.loadtxt(
        tmp_path / "labels_split.csv", dtype=str, skiprows=1)}  # fmt: skip
    assert len(splits) == 1
