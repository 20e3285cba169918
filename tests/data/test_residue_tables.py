"""Rows of residues.csv land on their residues, whatever their order, number and codes."""

from __future__ import annotations

import csv
import random
from pathlib import Path

import numpy as np
import pytest

from zoo.data.layouts.table import TableLayout
from zoo.data.preparing import _facts as facts_of
from zoo.data.report import distribution
from zoo.data.samples import DroppedSample
from zoo.errors import DataError
from zoo.examples.made_up import (
    CHARGED,
    CROWDED,
    THREE,
    write_made_up,
    write_made_up_residues,
)
from zoo.tasks import Target

COUNT = 30


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One made-up protein, whose labels will be the residues' own numbers."""
    write_made_up(tmp_path, 1)
    (tmp_path / "labels.csv").write_text("id,structure,split\np0,structures/p0.pdb,train\n")
    return tmp_path


def residues(folder: Path) -> list[tuple[str, str]]:
    """Return (number, letter) of each residue of the structure."""
    letters = {three: letter for letter, three in THREE.items()}
    lines = (folder / "structures" / "p0.pdb").read_text().splitlines()
    atoms = [line for line in lines if line[12:16].strip() == "CA"]
    return [(line[22:26].strip(), letters[line[17:20]]) for line in atoms]


def read(folder: Path, rows: list[tuple[str, str]]) -> tuple[np.ndarray, object]:
    with (folder / "residues.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "chain", "number", "residue", "y"])
        writer.writerows(["p0", "A", number, letter, float(number)] for number, letter in rows)
    sample = TableLayout(folder).read("p0")
    return sample.targets["y"], sample.matches[0]


@pytest.mark.parametrize("order", ["as text", "shuffled", "backwards"])
def test_the_order_of_rows_does_not_matter(folder: Path, order: str) -> None:
    rows = residues(folder)
    expected = [float(number) for number, _ in rows]
    arranged = {"as text": sorted(rows), "backwards": rows[::-1],
                "shuffled": random.Random(0).sample(rows, len(rows))}[order]  # fmt: skip
    values, report = read(folder, arranged)
    assert values.tolist() == expected
    assert (report.labelled, report.matched, report.missing) == (len(rows), len(rows), 0)


@pytest.mark.parametrize("step", [2, 3, 7])
def test_a_part_of_the_residues_is_enough(folder: Path, step: int) -> None:
    rows = residues(folder)[::step]
    values, report = read(folder, rows)
    assert report.matched == len(rows)
    known = ~np.isnan(values)
    assert values[known].tolist() == [float(number) for number, _ in rows]


def test_three_letter_codes_are_letters(folder: Path) -> None:
    rows = [(number, THREE[letter].title()) for number, letter in residues(folder)]
    values, _ = read(folder, rows)
    assert values.tolist() == [float(number) for number, _ in rows]


def test_another_letter_and_a_number_that_is_not_there_are_accounted_for(folder: Path) -> None:
    rows = residues(folder)
    number, letter = rows[4]
    rows[4] = (number, "W" if letter != "W" else "A")
    values, report = read(folder, [*rows, ("999", "G")])
    assert (report.labelled, report.matched, report.missing) == (len(rows) + 1, len(rows), 1)
    assert report.mutated == 1 and values[4] == float(number)
    assert "G999" in " ".join(report.notes)


def test_two_rows_of_one_residue_are_an_error(folder: Path) -> None:
    rows = residues(folder)
    with pytest.raises(DataError, match=rf"csv:{len(rows) + 2}: .*'{rows[2][0]}'.* also in line 4"):
        read(folder, [*rows, rows[2]])


def test_numbers_of_another_numbering_are_told_where_letters_are_aligned(folder: Path) -> None:
    rows = [(str(int(number) + 100), letter) for number, letter in residues(folder)]
    values, report = read(folder, rows)
    assert values.tolist() == [float(number) for number, _ in rows]
    assert f"(101 to {rows[-1][0]}) do not fit those of the structure (1 to" in report.notes[0]
    with pytest.raises(DroppedSample, match=r"\(103 to \d+\) do not fit"):
        read(folder, rows[2::7])


def test_whole_numbers_of_residues_may_be_classes(folder: Path) -> None:
    (folder / "residues.csv").write_text("id,number,residue,y\np0,1,A,0\np0,2,A,1\np0,3,A,2\n")
    assert "y: {kind: multiclass}" in " ".join(TableLayout(folder).remarks)


def test_the_made_up_table_of_residues_lands_on_its_residues(tmp_path: Path) -> None:
    layout = TableLayout(write_made_up_residues(tmp_path, 3))
    assert [(t.name, t.kind) for t in layout.targets] == [
        ("site", "binary"), ("neighbours", "regression"), ("region", "multiclass")
    ]  # fmt: skip
    for key in layout.keys():
        sample = layout.read(key)
        assert sample.matches[0].matched == len(sample.protein) and not sample.matches[0].notes
        site, near = sample.targets["site"], sample.targets["neighbours"]
        charged = np.array([letter in CHARGED for letter in sample.protein.chains[0].sequence])
        assert ((site == 1) == (charged & (near < CROWDED))).all()


def test_classes_of_residues_are_counted_in_the_report(tmp_path: Path) -> None:
    target = Target("region", "multiclass", "residue", outputs=3, classes=("a", "b", "c"))
    values = np.array([0.0, 0.0, 2.0, np.nan], np.float32)
    fact = {"split": "train", "subset": "", "targets": {"region": facts_of(values, target)}}
    told = distribution({"p0": fact}, target, "train")
    assert told == {"known": 3, "classes": 2, "largest class": 0.6667}
    del fact["targets"]["region"]["classes"]  # as an older version wrote it
    assert distribution({"p0": fact}, target, "train") == {"known": 3}
