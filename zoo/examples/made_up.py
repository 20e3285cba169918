"""Proteins made up from the shipped one, with labels that follow a rule, to try things on."""

from __future__ import annotations

import csv
import random
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from zoo.examples import example
from zoo.proteins.protein import Chain

THREE = {
    "A": "ALA", "C": "CYS", "D": "ASP", "E": "GLU", "F": "PHE", "G": "GLY", "H": "HIS",
    "I": "ILE", "K": "LYS", "L": "LEU", "M": "MET", "N": "ASN", "P": "PRO", "Q": "GLN",
    "R": "ARG", "S": "SER", "T": "THR", "V": "VAL", "W": "TRP", "Y": "TYR",
}  # fmt: skip
CHARGED = "DEKR"
NEAR = 10.0
"""Angstrom between CA atoms."""
CROWDED = 12
"""Neighbours with which a residue counts as buried."""

SPLITS = ("train", "train", "train", "validation", "test")


def write_made_up(folder: Path, proteins: int = 60, seed: int = 0) -> Path:
    """Write a folder for `zoo.prepare table`: structures, and labels that follow a rule.

    A protein is a piece of the shipped one with a sequence drawn anew and shaken atoms. `site` is
    1 for charged residues with fewer than `CROWDED` others within `NEAR`, so that it takes sequence
    and structure to know it. As all are one fold, no score on them says anything about real
    proteins.

    Args:
        folder: made if it is missing; what is in it is written over.
        proteins: how many.
        seed: of all that is drawn.

    Returns:
        The folder.
    """
    rows = [["id", "structure", "split", "site"]]
    for one in _made(folder, proteins, seed):
        exposed = _neighbours(one.coords[:, 1]) < CROWDED
        site = "".join(
            str(int(letter in CHARGED and out))
            for letter, out in zip(one.letters, exposed, strict=True)
        )
        rows.append([one.name, one.structure, one.split, site])
    _write(folder / "labels.csv", rows)
    return folder


RIM = 16
"""Neighbours with which a residue is in the core."""
REGIONS = ("core", "rim", "surface")
"""Classes of `region` in `write_made_up_residues`, from many neighbours to few."""
FIRST = 151
"""Residue number that its chains begin with, as those of a construct often do."""
TARGETS = """neighbours: {kind: regression}
region: {kind: multiclass, classes: [core, rim, surface]}
ignore: [notes]
"""


def write_made_up_residues(folder: Path, proteins: int = 20, seed: int = 0) -> Path:
    """Write a folder with `labels.csv`, `residues.csv` and `targets.yaml`: a row for each residue.

    The proteins are made as by `write_made_up`, with residue numbers from `FIRST`. `site` is its
    rule, `neighbours` the CA atoms within `NEAR` angstrom, and `region` a class in words.

    Args:
        folder: made if it is missing; what is in it is written over.
        proteins: how many.
        seed: of all that is drawn.

    Returns:
        The folder.
    """
    labels = [["id", "structure", "chain", "split", "group", "weight", "notes"]]
    rows: list[list[object]] = [
        ["id", "chain", "number", "residue", "site", "neighbours", "region"]
    ]
    for at, one in enumerate(_made(folder, proteins, seed, FIRST)):
        labels.append([one.name, one.structure, "A", one.split, f"f{at}", "1", "made up"])
        rows += _rows(one.name, one.letters, _neighbours(one.coords[:, 1]))
    _write(folder / "labels.csv", labels)
    _write(folder / "residues.csv", rows)
    (folder / "targets.yaml").write_text(TARGETS)
    return folder


def _rows(name: str, letters: list[str], near: NDArray[np.int64]) -> list[list[object]]:
    """Return a row of `residues.csv` for each residue."""
    return [
        [name, "A", number, letter, int(letter in CHARGED and count < CROWDED), count,
         REGIONS[int(count < RIM) + int(count < CROWDED)]]
        for number, (letter, count) in enumerate(zip(letters, near.tolist(), strict=True), FIRST)
    ]  # fmt: skip


def _write(path: Path, rows: Iterable[Iterable[object]]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


class _Made(NamedTuple):
    """A protein that was made up, whose file is written."""

    name: str
    structure: str
    split: str
    letters: list[str]
    coords: NDArray[np.float64]


def _made(folder: Path, proteins: int, seed: int, first: int = 1) -> Iterator[_Made]:
    """Make proteins up, write their files, and yield them; numbers of residues begin at `first`."""
    rng = random.Random(seed)
    chain = example().chains[0]
    (folder / "structures").mkdir(parents=True, exist_ok=True)
    for at in range(proteins):
        name = f"p{at:0{len(str(proteins - 1))}}"
        letters, coords = _drawn(chain, rng)
        structure = f"structures/{name}.pdb"
        (folder / structure).write_text(_pdb(letters, coords, first))
        yield _Made(name, structure, SPLITS[at % len(SPLITS)], letters, coords)


def _drawn(chain: Chain, rng: random.Random) -> tuple[list[str], NDArray[np.float64]]:
    """Return the letters of a piece of a chain, drawn anew, and its shaken atoms."""
    length = rng.randint(len(chain) // 2, len(chain))
    start = rng.randint(0, len(chain) - length)
    share = rng.uniform(0.1, 0.6)
    others = "".join(letter for letter in THREE if letter not in CHARGED)
    letters = [rng.choice(CHARGED if rng.random() < share else others) for _ in range(length)]
    shaken = [[[x + rng.gauss(0, 0.15) for x in atom] for atom in residue]
              for residue in chain.coords[start : start + length]]  # fmt: skip
    return letters, np.array(shaken, np.float64).round(3)


def _neighbours(ca: NDArray[np.float64]) -> NDArray[np.int64]:
    distances = np.linalg.norm(ca[:, None] - ca[None], axis=-1)
    count: NDArray[np.int64] = (distances < NEAR).sum(1) - 1
    return count


def _pdb(letters: list[str], coords: NDArray[np.float64], first: int) -> str:
    """Return a PDB file of N, CA, C and O, whose residue numbers begin with `first`."""
    lines: list[str] = []
    for place, (letter, atoms) in enumerate(zip(letters, coords, strict=True), first):
        for atom, (x, y, z) in zip(("N", "CA", "C", "O"), atoms, strict=True):
            lines.append(
                f"ATOM  {len(lines) + 1:5}  {atom:<3} {THREE[letter]} A{place:4}    "
                f"{x:8.3f}{y:8.3f}{z:8.3f}  1.00  0.00           {atom[0]}"
            )
    return "\n".join([*lines, "TER", "END", ""])
