"""Time and memory of `zoo predict` over the size of a complex, each size in a fresh process.

    python benchmarks/predict_growth.py [--plm esm2_150m] [--fusion global] [--out results]

`make figures` draws what it writes. Complexes are copies of the packaged 1A8O side by side, as
chains of 280 residues and as one chain. The weights are random: neither time nor memory depends on
them.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import zoo
from zoo.examples import example
from zoo.proteins.files.scores import write_scored
from zoo.proteins.protein import Atoms, Chain, Protein

SIZES = (280, 560, 1120, 2240, 3080, 4200)
CHAIN = 280
TARGET = {
    "name": "binding_site", "kind": "binary", "level": "residue", "outputs": 1, "classes": [],
}  # fmt: skip


def complex_of(residues: int, chain: int) -> Protein:
    """Return copies of the example on a grid, joined into chains of so many residues."""
    unit = example()
    size = len(unit)
    copies = residues // size
    steps = np.array([[i % 8, i // 8 % 8, i // 64] for i in range(copies)]) * 45.0
    per = chain // size
    chains = [_joined(unit, steps[at : at + per], at // per) for at in range(0, copies, per)]
    atoms = Atoms(
        pos=np.concatenate([unit.atoms.pos + s for s in steps]).astype(np.float32),
        element=np.tile(unit.atoms.element, copies),
        name=np.tile(unit.atoms.name, copies),
        residue=np.concatenate([unit.atoms.residue + size * i for i in range(copies)]),
    )
    return dataclasses.replace(unit, name=f"c{residues}", chains=tuple(chains), atoms=atoms)


def _joined(unit: Protein, steps: np.ndarray, number: int) -> Chain:
    (only,) = unit.chains
    count = len(steps) * len(only)
    return dataclasses.replace(
        only, name=chr(65 + number), label=chr(65 + number), sequence=only.sequence * len(steps),
        coords=np.concatenate([only.coords + step for step in steps]).astype(np.float32),
        bfactor=np.tile(only.bfactor, len(steps)),
        numbers=tuple(str(i + 1) for i in range(count)),
    )  # fmt: skip


def measure(model: Path, path: Path, out: Path) -> dict[str, float]:
    """Return seconds and peak memory of one call of the command."""
    begun = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "zoo.predict", path, "--model", model, "--out", out],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return {
        "seconds": time.perf_counter() - begun, "gb": usage.ru_maxrss * 1024 / 1e9,
        "exit": process.returncode,
    }  # fmt: skip


def draw(rows: list[dict[str, float]], path: Path, title: str) -> None:
    """Draw time and memory over residues."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.2), layout="constrained")
    for axis, key, label in zip(
        figure.subplots(1, 2), ("seconds", "gb"), ("seconds", "peak memory, GB"), strict=True
    ):
        for kind in dict.fromkeys(row["chains"] for row in rows):
            mine = [row for row in rows if row["chains"] == kind]
            axis.plot([r["residues"] for r in mine], [r[key] for r in mine], marker="o", label=kind)
        axis.set(xlabel="residues", ylabel=label, ylim=(0, None))
    axis.legend(frameon=False)
    figure.suptitle(title, fontsize=10)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--plm", default="esm2_150m")
    parser.add_argument("--fusion", default="global")
    parser.add_argument("--out", type=Path, default=Path("results"))
    given = parser.parse_args()
    rows: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = zoo.create_model(
            given.plm, "gvp", fusion=given.fusion, task="ppbs", weights="random",
            values={"targets": [TARGET]},
        )  # fmt: skip
        zoo.save_model(model, folder / "model")
        del model
        for kind, chain in (("chains of 280", CHAIN), ("one chain", 10**6)):
            for size in SIZES:
                path = folder / f"{chain}_{size}.cif"
                protein = complex_of(size, min(chain, size))
                write_scored(path, protein, np.zeros(len(protein)))
                found = measure(folder / "model", path, folder / f"out_{chain}_{size}")
                rows.append({"chains": kind, "residues": size, **found})  # type: ignore[dict-item]
                print(json.dumps(rows[-1]), flush=True)
    title = f"{given.plm} + gvp, {given.fusion} fusion, deep write-back"
    given.out.mkdir(parents=True, exist_ok=True)
    found = json.dumps({"title": title, "rows": rows}, indent=1)
    (given.out / "predict_growth.json").write_text(found + "\n")


if __name__ == "__main__":
    main()
