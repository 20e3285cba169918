"""Does memory stay bounded: thousands of chains prepared, trained on for an epoch and predicted.

    python benchmarks/scale.py FOLDER --chains 1000 5000 20000 [--work DIR] [--verbs prepare]

Chains are made from the structures of FOLDER: each atom moved by some tenths of an angstrom, one
residue in ten mutated, so that no two are equal and nothing is computed once for several. For each
number and verb: seconds, and the peak of the memory that is the process's own (resident, without
pages of mapped files, which the system takes back when it needs them). `--table ROWS` prepares a
table of so many sequences, `--residues N` predicts one complex of so many residues. Beside the
seconds of the clock are those of the process itself, which other work on the machine changes less.
"""

from __future__ import annotations

import argparse
import csv
import resource
import sys
import tempfile
import time
from pathlib import Path

import gemmi
import numpy as np
import psutil

from zoo.proteins.protein import Protein
from zoo.proteins.structure import read_structure

ATOMS = ("N", "CA", "C", "O")
NAMES = {gemmi.find_tabulated_residue(name).one_letter_code: name for name in (
    "ALA ARG ASN ASP CYS GLN GLU GLY HIS ILE LEU LYS MET PHE PRO SER THR TRP TYR VAL".split()
)}  # fmt: skip
LETTERS = np.array(sorted(NAMES))
VERBS = ["prepare", "train", "predict"]
CONFIG = "table_plm_mini_gearnet_local"
SMALL = ("--set", "structure.args={hidden: 32, num_layers: 2}", "--set", "graph.k=10",
         "--set", "train.epochs=1")  # fmt: skip


def measured(*command: object) -> tuple[float, float, float]:
    """Return seconds, seconds of the process itself, and peak megabytes of a verb."""
    begun, peak = time.perf_counter(), 0
    before = _own_seconds()
    with tempfile.TemporaryFile() as said:
        process = psutil.Popen([sys.executable, "-m", *map(str, command)], stdout=said, stderr=said)
        while process.poll() is None:
            peak = max(peak, _own_memory(process))
            time.sleep(0.1)
        said.seek(0)
        assert process.returncode == 0, said.read()[-2000:].decode()
    return time.perf_counter() - begun, _own_seconds() - before, peak / 1e6


def _own_seconds() -> float:
    """Return the seconds that the processors spent on verbs that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _own_memory(process: psutil.Popen) -> int:
    total = 0
    try:
        for each in [process, *process.children(recursive=True)]:
            memory = each.memory_info()
            total += memory.rss - memory.shared
    except psutil.NoSuchProcess:
        pass
    return total


def changed(protein: Protein, random: np.random.Generator, shift: float = 0.0) -> str:
    """Return a PDB file of the first chain, mutated and moved, its backbone alone."""
    chain = protein.chains[0]
    rows = np.flatnonzero(np.isfinite(chain.coords).all((1, 2)))
    letters = np.array(list(chain.sequence))[rows]
    other = random.random(len(rows)) < 0.1
    letters[other] = random.choice(LETTERS, int(other.sum()))
    coords = chain.coords[rows] + random.normal(0.0, 0.2, (len(rows), 4, 3)) + shift
    lines = []
    for number, (letter, atoms) in enumerate(zip(letters.tolist(), coords.tolist(), strict=True)):
        residue = NAMES.get(letter, "ALA")
        for name, (x, y, z) in zip(ATOMS, atoms, strict=True):
            lines.append(f"ATOM  {len(lines) % 100000:5d}  {name:<3} {residue} A{number + 1:4d}    "
                         f"{x:8.3f}{y:8.3f}{z:8.3f}  1.00  0.00           {name[0]}\n")  # fmt: skip
    return "".join([*lines, "END\n"])


def many(sources: list[Protein], count: int, work: Path, verbs: list[str]) -> None:
    """Prepare, train on and predict `count` chains, or only some of these."""
    random = np.random.default_rng(count)
    data = work / "data"
    (data / "structures").mkdir(parents=True)
    with open(data / "labels.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["id", "structure", "split", "value"])
        for at in range(count):
            name = f"structures/chain{at}.pdb"
            (data / name).write_text(changed(sources[at % len(sources)], random))
            split = {8: "validation", 9: "test"}.get(at % 10, "train")
            table.writerow([f"chain{at}", name, split, f"{random.normal():.4f}"])
    steps = {
        "prepare": ("zoo.prepare", "table", "--data", data, "--out", work / "prepared"),
        "train": ("zoo.train", CONFIG, "--data", work / "prepared", "--out", work / "run",
                  "--store", work / "store", *SMALL),
        "predict": ("zoo.predict", data / "structures", "--model", work / "run",
                    "--out", work / "out"),
    }  # fmt: skip
    for name, command in steps.items():
        if name in verbs:
            seconds, own, memory = measured(*command)
            print(f"{count:7,} chains  {name:8} {seconds:8.1f} s  {memory:7,.0f} MB; "
                  f"own {own:.1f} s, {1e3 * own / count:.2f} ms a chain", flush=True)  # fmt: skip


def rows(count: int, work: Path) -> None:
    """Prepare a table of sequences."""
    random = np.random.default_rng(0)
    data = work / "table"
    data.mkdir()
    with open(data / "labels.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["id", "sequence", "split", "value"])
        for at in range(count):
            sequence = "".join(random.choice(LETTERS, 120))
            table.writerow([f"row{at}", sequence, ("train", "test")[at % 2], f"{at / count:.5f}"])
    command = ("zoo.prepare", "table", "--data", data, "--out", work / "rows")
    seconds, _, memory = measured(*command)
    print(f"{count:7,} rows    prepare  {seconds:8.1f} s  {memory:7,.0f} MB")


def one(source: Protein, residues: int, work: Path) -> None:
    """Predict a complex of copies of one chain, side by side."""
    random, chains = np.random.default_rng(0), []
    while sum(text.count(" CA ") for text in chains) < residues:
        text = changed(source, random, shift=40.0 * len(chains))
        letter = chr(ord("A") + len(chains))
        lines = text.split("\n")[:-2]
        chains.append("\n".join(f"{line[:21]}{letter}{line[22:]}" for line in lines))
    path = work / "complex.pdb"
    path.write_text("\nTER\n".join(chains) + "\nEND\n")
    command = ("zoo.predict", path, "--model", "ppbs_local", "--out", work / "complex")
    count = sum(text.count(" CA ") for text in chains)
    seconds, _, memory = measured(*command)
    print(f"{count:7,} residues predict {seconds:8.1f} s  {memory:7,.0f} MB")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--chains", type=int, nargs="*", default=[])
    parser.add_argument("--verbs", nargs="+", choices=VERBS, default=VERBS)
    parser.add_argument("--table", type=int)
    parser.add_argument("--residues", type=int)
    parser.add_argument("--work", type=Path, help="empty folder; removed at the end")
    given = parser.parse_args()
    sources = [read_structure(path) for path in sorted(given.folder.iterdir())[:300]]
    for count in given.chains:
        with tempfile.TemporaryDirectory(dir=given.work) as name:
            many(sources, count, Path(name), given.verbs)
    with tempfile.TemporaryDirectory(dir=given.work) as name:
        if given.table:
            rows(given.table, Path(name))
        if given.residues:
            one(max(sources, key=len), given.residues, Path(name))


if __name__ == "__main__":
    main()
