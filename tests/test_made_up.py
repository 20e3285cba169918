"""The made-up proteins follow the rule that they are said to follow."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

import zoo
from zoo.examples.made_up import CHARGED, CROWDED, NEAR, SPLITS, write_made_up


def table(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / "labels.csv").read_text().splitlines()))


def test_a_site_is_a_charged_residue_with_few_neighbours(tmp_path: Path) -> None:
    rows = table(write_made_up(tmp_path, proteins=6))
    assert {row["split"] for row in rows} == set(SPLITS)
    found = 0
    for row in rows:
        (chain,) = zoo.read_structure(tmp_path / row["structure"]).chains
        ca = chain.coords[:, 1]
        near = (np.linalg.norm(ca[:, None] - ca[None], axis=-1) < NEAR).sum(1) - 1
        expected = [
            str(int(letter in CHARGED and count < CROWDED))
            for letter, count in zip(chain.sequence, near, strict=True)
        ]
        assert row["site"] == "".join(expected)
        found += row["site"].count("1")
    assert found > 10


def test_a_seed_gives_the_same_proteins_again(tmp_path: Path) -> None:
    first, again, other = (
        table(write_made_up(tmp_path / str(number), proteins=3, seed=seed))
        for number, seed in enumerate((1, 1, 2))
    )
    assert first == again != other
