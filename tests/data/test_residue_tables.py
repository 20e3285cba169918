"""Rows of residues.csv land on their residues, whatever their order, number and codes."""

from __future__ import annotations

import csv
import random
from pathlib import Path

import numpy as np
import pytest

from zoo.data.layouts.table import TableLayout
from zoo.examples.made_up import THREE, write_made_up

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
