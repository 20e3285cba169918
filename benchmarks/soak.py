"""Predict for an hour over good and bad files: do memory and open files stay flat?

    python benchmarks/soak.py FOLDER [--minutes 60] [--model ppbs_local] [--seed 0]

Each round takes some files of FOLDER, changes every third of them as the fuzzer does, and predicts
all in one process as `zoo predict --structures` does. oneDNN, which keeps a kernel for each of the
last 1,024 shapes, is told to keep four, so that what grows is ours. A row a minute: rounds,
proteins, failures, memory, open files, threads. At the end the last quarter is held against the
second: growth beyond 5 % of memory or any number of open files is an error.
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "4")

from tests.fuzz.mutate import mutated
from zoo.command.allocator import keep_large_blocks
from zoo.prediction import many
from zoo.prediction.ensemble import Ensemble, load_ensemble
from zoo.prediction.folder import FAILED, JOURNAL, STRUCTURES, write_failed
from zoo.prediction.inputs import Outcome
from zoo.prediction.journal import Journal
from zoo.prediction.paths import find_inputs

FILES, EVERY = 12, 3


def folder_of(sources: list[Path], chance: random.Random, place: Path) -> Path:
    """Write some of the files, every third of them changed."""
    place.mkdir()
    chosen = chance.sample(sources, FILES)
    others = [source.read_bytes() for source in chosen]
    for number, (source, data) in enumerate(zip(chosen, others, strict=True)):
        if number % EVERY == 0:
            data = mutated(data, others, chance)
        (place / f"{number}_{source.name}").write_bytes(data)
    return place


def predict(ensemble: Ensemble, folder: Path, out: Path) -> Outcome:
    """Predict as the verb does; return what became of the files."""
    from zoo.prediction.inputs import batches, windows

    out.mkdir()
    with Journal(out / JOURNAL, many.describe(ensemble)) as journal:
        work = many.Prediction(ensemble, journal, out / STRUCTURES)
        for window in windows(work.pending(find_inputs([str(folder)]))):
            for batch in batches(window, 4096):
                work.predict_or_note(batch)
        work.finish(out / "predictions.csv")
    write_failed(out / FAILED, work.outcome.failed, [])
    return work.outcome


def rounds(ensemble: Ensemble, sources: list[Path], seed: int) -> Iterator[Outcome]:
    """Predict one folder after another, for ever."""
    number = 0
    while True:
        number += 1
        with tempfile.TemporaryDirectory() as name:
            chance = random.Random(f"{seed} {number}")
            folder = folder_of(sources, chance, Path(name) / "in")
            yield predict(ensemble, folder, Path(name) / "out")


def main() -> None:
    """Predict, watch and judge."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--model", default="ppbs_local")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    keep_large_blocks()
    sources = sorted(path for path in given.folder.iterdir() if path.stat().st_size < 2_000_000)
    ensemble = load_ensemble(Path(given.model), "cpu")
    process, begun = psutil.Process(), time.monotonic()
    memory: list[int] = []
    files: list[int] = []
    done = failed = 0
    for number, outcome in enumerate(rounds(ensemble, sources, given.seed), 1):
        done, failed = done + outcome.written, failed + len(outcome.failed)
        minutes = (time.monotonic() - begun) / 60
        if minutes < len(memory):
            continue
        gc.collect()
        memory.append(process.memory_info().rss)
        files.append(process.num_fds())
        print(f"{minutes:5.1f} min  {number:5} rounds  {done:6,} proteins  {failed:5,} failures  "
              f"{memory[-1] / 1e6:6,.0f} MB  {files[-1]:3} files  {process.num_threads()} threads",
              flush=True)  # fmt: skip
        if minutes >= given.minutes:
            break
    quarter = max(1, len(memory) // 4)
    before, after = memory[quarter : 2 * quarter] or memory, memory[-quarter:]
    growth = statistics.median(after) / statistics.median(before) - 1
    more = statistics.median(files[-quarter:]) - statistics.median(files[quarter : 2 * quarter])
    print(f"memory {100 * growth:+.1f} %, open files {more:+g}")
    assert growth < 0.05 and more <= 0


if __name__ == "__main__":
    main()
