"""Commands as users run them: start-up, `zoo prepare` of 1,000 chains, `zoo predict` of 100.

    python benchmarks/commands.py [start first build prepare predict] [--data DIR]
        [--structures FOLDER]

`start` takes the quickest of some fresh processes; `first` tells what of a first prediction is the
import of torch, transformers and DGL. `build` builds `--plm`, GVP and global fusion with random
weights, beside a process that imports the same and draws as many normal numbers. `prepare` reads a
table of the first 1,000 files of DIR/structures, cold and again. `predict` holds the command, from
files to a table, against a loop over the same model in Python, one file after another, in
processes of their own: start-up is taken off both sides. The models' weights are random.
"""

from __future__ import annotations

import argparse
import csv
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import race

import zoo
from zoo.backbones.plm import resolve
from zoo.examples import example

TARGET = {
    "name": "binding_site", "kind": "binary", "level": "residue", "outputs": 1, "classes": [],
}  # fmt: skip
LOOP = """
import sys, time, warnings
import torch
import zoo
warnings.simplefilter("ignore")
torch.set_num_threads(int(sys.argv[1]))
model = zoo.load_model(sys.argv[2])
with torch.inference_mode():
    model(model.batch([zoo.read_structure(sys.argv[4])]))  # what is imported late
    begun = time.perf_counter()
    with open(sys.argv[3], "w") as file:
        for path in sys.argv[4:]:
            scores = model(model.batch([zoo.read_structure(path)])).sigmoid()
            file.writelines(f"{path},{x:.6g}\\n" for x in scores[:, 0].tolist())
print(time.perf_counter() - begun)
"""
IMPORTS = "import torch, dgl; from transformers import EsmModel"
DRAWING = IMPORTS + "; torch.empty({count}).normal_()"


def seconds(*command: object, env: dict[str, str] | None = None) -> float:
    """Return how long a fresh Python process takes."""
    begun = time.perf_counter()
    done = subprocess.run(
        [sys.executable, *map(str, command)], capture_output=True, text=True,
        env=os.environ | {"DGLBACKEND": "pytorch"} | (env or {}),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return time.perf_counter() - begun


def start(rounds: int) -> None:
    """Time what should answer at once."""
    commands = {
        "import zoo": ("-c", "import zoo"), "zoo.build --help": ("-m", "zoo.build", "--help"),
        "zoo.list": ("-m", "zoo.list"),
    }  # fmt: skip
    for name, command in commands.items():
        times = [seconds(*command) for _ in range(rounds)]
        print(f"  {name:20} {min(times):.2f} s (median {statistics.median(times):.2f})")


def saved(folder: Path, plm: str = "esm2_8m") -> Path:
    """Return the folder of a model with GVP and local fusion."""
    model = zoo.create_model(plm, "gvp", fusion="local", task="ppbs", weights="random",
                             values={"targets": [TARGET]})  # fmt: skip
    zoo.save_model(model, folder / "model")
    return folder / "model"


def first(folder: Path, rounds: int) -> None:
    """Time the first prediction of one protein, and the imports of others in it."""
    model, path, times, imports = saved(folder), Path(example().source), [], []
    for turn in range(rounds):
        imports.append(seconds("-c", IMPORTS))
        out = folder / f"first{turn}"
        times.append(seconds("-m", "zoo.predict", path, "--model", model, "--out", out))
    whole, others = statistics.median(times), statistics.median(imports)
    print(f"  first zoo.predict {whole:.2f} s, of which imports of torch, transformers and DGL "
          f"{others:.2f} s, the rest {whole - others:.2f} s")  # fmt: skip


def build(plm: str, rounds: int) -> None:
    """Time a model with random weights, from the command to its summary."""
    preset = resolve(plm).preset
    assert preset is not None
    command = ("-m", "zoo.build", "--seq", plm, "--struct", "gvp", "--fusion", "global")
    times: dict[str, list[float]] = {"zoo.build": [], "imports and drawing": []}
    for _ in range(rounds):
        times["imports and drawing"].append(seconds("-c", DRAWING.format(count=preset.parameters)))
        times["zoo.build"].append(seconds(*command))
    race.show(times, "imports and drawing")


def prepare(data: Path, folder: Path) -> None:
    """Time a thousand chains, cold and warm."""
    source = folder / "thousand"
    source.mkdir()
    files = sorted((data / "structures").iterdir())[:1000]
    with open(source / "labels.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["id", "structure", "split", "value"])
        for at, path in enumerate(files):
            table.writerow([f"chain{at}", path.resolve(), "train", at / len(files)])
    command = ("-m", "zoo.prepare", "table", "--data", source, "--out", folder / "prepared")
    print(f"  {len(files)} chains: cold {seconds(*command):.1f} s, "
          f"warm {statistics.median(seconds(*command) for _ in range(3)):.1f} s")  # fmt: skip


def predict(structures: Path, folder: Path, count: int, rounds: int, threads: int) -> None:
    """Race the command against a loop; each in fresh processes, start-up taken off."""
    model, files = saved(folder), sorted(structures.iterdir())[:count]
    listed = folder / "files.txt"
    listed.write_text("\n".join(map(str, files)))
    env = {"OMP_NUM_THREADS": str(threads)}
    ours, loop = [], []
    for turn in range(rounds):
        out = folder / f"out{turn}"
        whole = seconds("-m", "zoo.predict", f"@{listed}", "--model", model, "--out", out, env=env)
        one = seconds("-m", "zoo.predict", files[0], "--model", model, "--out", f"{out}x", env=env)
        ours.append(whole - one)
        table = folder / f"loop{turn}.csv"
        done = subprocess.run([sys.executable, "-c", LOOP, str(threads), model, table, *files],
                              capture_output=True, text=True, check=True,
                              env=os.environ | env | {"DGLBACKEND": "pytorch"})  # fmt: skip
        loop.append(float(done.stdout))
        _same(out / "predictions.csv", table)
    print(f"  {count} structures: scores equal")
    race.show({"loop over the model": loop, "zoo.predict": ours}, "loop over the model")


def _same(table: Path, other: Path) -> None:
    with open(table, newline="") as file:
        mine = [float(row["binding_site"]) for row in csv.DictReader(file) if row["binding_site"]]
    theirs = [float(line.rsplit(",", 1)[1]) for line in other.read_text().splitlines()]
    assert len(mine) == len(theirs)
    assert max(abs(a - b) for a, b in zip(mine, theirs, strict=True)) < 1e-4


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", nargs="*", default=["start", "first"])
    parser.add_argument("--data", type=Path, help="folder with structures/")
    parser.add_argument("--structures", type=Path)
    parser.add_argument("--plm", default="esm2_650m", help="of build")
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    race.header(given.threads)
    for what in given.what:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            if what == "start":
                start(3 * given.rounds)
            elif what == "first":
                first(folder, given.rounds)
            elif what == "build":
                build(given.plm, given.rounds)
            elif what == "prepare":
                prepare(given.data, folder)
            else:
                predict(given.structures, folder, given.count, given.rounds, given.threads)


if __name__ == "__main__":
    main()
