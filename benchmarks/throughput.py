"""`zoo embed` at scale: memory, kills, workers, and Parquet against HDF5.

    python benchmarks/throughput.py memory [--counts 10000 1000000]
    python benchmarks/throughput.py database [--count 1000000] [--kills 3] [--part-size 8192]
    python benchmarks/throughput.py workers --data STRUCTURES [--chains 500] [--rounds 3]
    python benchmarks/throughput.py ray --data STRUCTURES [--chains 500] [--rounds 3]
    python benchmarks/throughput.py files [--rows 1000000] [--groups 20000]

`memory` prints the peak of the resident memory of the command over made-up sequences. `database`
kills it at random moments, lets it end, and counts the rows. `workers` compares two processes of
one thread each with one process on two threads, and `ray` one task on a Ray cluster with the plain
command, from the first part to the last. `files` writes and reads pooled rows as parts and as HDF5
of `zoo embed`. Models have random weights; the language model of the first two is tiny (two layers
of 32). `kills.py` disturbs such a command ten times.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
import race

LETTERS = "ACDEFGHIKLMNPQRSTVWY"
TOKENS = ("<cls>", "<pad>", "<eos>", "<unk>", *"LAGVSERTIDPKQNFYMHWCXBUZO", ".", "-", "<null_1>",
          "<mask>")  # fmt: skip
PART, SMALL = 8192, 4
now = race.CLOCKS[race.CLOCK]


def sequences(path: Path, count: int) -> Path:
    """Write made-up sequences of 8 to 24 residues."""
    draw = random.Random(0)
    with path.open("w") as file:
        for at in range(count):
            text = "".join(draw.choices(LETTERS, k=draw.randint(8, 24)))
            file.write(f">s{at}\n{text}\n")
    return path


def tiny(folder: Path) -> Path:
    """Write a language model of ESM-2's architecture with two layers of 32."""
    from transformers import EsmConfig, EsmModel

    config = EsmConfig(
        vocab_size=33, mask_token_id=32, pad_token_id=1, position_embedding_type="rotary",
        token_dropout=True, emb_layer_norm_before=False, num_hidden_layers=2, hidden_size=32,
        num_attention_heads=2, intermediate_size=64,
    )  # fmt: skip
    EsmModel(config, add_pooling_layer=False).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(TOKENS))
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "EsmTokenizer"}')
    return folder


def command(*words: object) -> list[str]:
    """Return the command line of `zoo embed` into parts of pooled rows."""
    fixed = ("--pool", "--format", "parquet", "--device", "cpu", "--quiet")
    return [sys.executable, "-m", "zoo.embed", *map(str, words), *fixed]


def peak(words: list[str], threads: int) -> tuple[float, float]:
    """Run a command; return its seconds and the peak of its resident memory in MB.

    The peak is read while it runs: that of `wait4` counts this process, of which it is a fork.
    """
    begun, most = time.perf_counter(), 0.0
    process = subprocess.Popen(words, env=environment(threads), stdout=subprocess.DEVNULL)
    status = Path(f"/proc/{process.pid}/status")
    while process.poll() is None:
        time.sleep(0.2)
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM"):
                most = max(most, int(line.split()[1]) / 1e3)
    assert process.returncode == 0, process.returncode
    return time.perf_counter() - begun, most


def environment(threads: int) -> dict[str, str]:
    """Return the environment of a command on some threads."""
    return os.environ | {"OMP_NUM_THREADS": str(threads)}


def memory(work: Path, args: argparse.Namespace) -> None:
    """Print the peak memory at each number of sequences, and the ratio of the last to the first."""
    model, found = tiny(work / "tiny"), []
    for count in args.counts:
        fasta = sequences(work / "some.fasta", count)
        out = work / f"out{count}"
        seconds, most = peak(
            command(fasta, "--model", model, "--out", out, "--part-size", args.part_size),
            args.threads,
        )
        found.append(most)
        print(f"  {count:>10,} sequences: {most:7.1f} MB, {seconds:7.1f} s", flush=True)
        shutil.rmtree(out)
    print(f"  the last against the first: x {found[-1] / found[0]:.3f}")


def database(work: Path, args: argparse.Namespace) -> None:
    """Kill a run, let it end, and count the rows."""
    fasta, out = sequences(work / "some.fasta", args.count), work / "out"
    words = command(
        fasta, "--model", tiny(work / "tiny"), "--out", out, "--part-size", args.part_size
    )
    draw, parts = random.Random(args.seed), -(-args.count // args.part_size)
    begun = time.perf_counter()
    for at in range(args.kills):
        goal = draw.uniform(at, at + 1) / (args.kills + 1) * parts
        process = subprocess.Popen(words, env=environment(args.threads), stdout=subprocess.DEVNULL)
        while len(list(out.glob("part-*"))) < goal and process.poll() is None:
            time.sleep(0.2)
        time.sleep(draw.random())
        process.send_signal(signal.SIGKILL)
        process.wait()
        there = len(list(out.glob("part-*")))
        print(f"  killed with {there} of {parts} parts there", flush=True)
    seconds, most = peak(words, args.threads)
    about = json.loads((out / "manifest.json").read_text())
    print(f"  ended after {time.perf_counter() - begun:.0f} s in all; the last run took "
          f"{seconds:.0f} s and {most:.0f} MB; {about['rows']:,} rows in the manifest")  # fmt: skip
    count(out, args.count)


def count(out: Path, expected: int) -> None:
    """Count the rows with every reader that is there; each record must be there once."""
    import pyarrow.parquet as pq

    found = np.concatenate([
        pq.read_table(part, columns=["record"])["record"].to_numpy()
        for part in sorted(out.glob("part-*"))
    ])  # fmt: skip
    assert np.array_equal(found, np.arange(expected)), "records are lost or doubled"
    print(f"  pyarrow: {len(found):,} rows, each record once")
    try:
        import duckdb

        rows = duckdb.sql(f"SELECT count(DISTINCT record) FROM '{out}/*.parquet'").fetchall()
        print(f"  duckdb: {rows[0][0]:,} records")
    except ImportError:
        print("  duckdb is not installed")
    try:
        import polars

        frame = polars.scan_parquet(f"{out}/*.parquet").select(polars.len()).collect()
        print(f"  polars: {frame.item():,} rows")
    except ImportError:
        print("  polars is not installed")
    try:
        from datasets import load_dataset

        with tempfile.TemporaryDirectory() as cache:
            found = load_dataset("parquet", data_files=f"{out}/*.parquet", cache_dir=cache)
            print(f"  datasets: {len(found['train']):,} rows, {[*found['train'].features]}")
    except ImportError:
        print("  datasets is not installed")


def workers(work: Path, args: argparse.Namespace) -> None:
    """Compare two workers of one thread each with one process on two threads."""
    one, two = "one process, two threads", "two workers"
    spread(work, args, {one: (2, ["--workers", "1"]), two: (1, ["--workers", "2"])}, one)


def ray(work: Path, args: argparse.Namespace) -> None:
    """Compare one task on Ray with the plain command, both on one thread."""
    task = ["--engine", "ray", "--workers", "1"]
    spread(
        work,
        args,
        {"the plain command": (1, []), "one task on Ray": (1, task)},
        "the plain command",
    )


def spread(
    work: Path, args: argparse.Namespace, ways: dict[str, tuple[int, list[str]]], against: str
) -> None:
    """Race ways of spreading structures over threads and processes, start-up left out."""
    chains = sorted(path for path in args.data.rglob("*") if path.is_file())[: args.chains]
    listed = work / "list.txt"
    listed.write_text("\n".join(str(path.resolve()) for path in chains))
    import zoo

    model = zoo.create_model("esm2_8m", "gvp", fusion="global", weights="random")
    folder = zoo.save_model(model, work / "model")

    def seconds(threads: int, options: list[str]) -> float:
        out = work / "out"
        shutil.rmtree(out, ignore_errors=True)
        words = command(f"@{listed}", "--model", folder, "--out", out, "--part-size", SMALL)
        done = subprocess.run([*words, *options], env=environment(threads), capture_output=True)
        assert done.returncode in (0, 1), done.stderr.decode()
        ends = [part.stat().st_mtime for part in out.glob("part-*")]
        return max(ends) - min(ends)

    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(args.rounds):
        for name, way in ways.items():
            times[name].append(seconds(*way))
    print(f"  {len(chains)} structures, the time from the first part to the last")
    race.show(times, against)


def files(work: Path, args: argparse.Namespace) -> None:
    """Write and read pooled rows: Parquet as in parts, and HDF5 as `zoo embed` writes it."""
    from zoo.system.parquet_writer import Field, ParquetWriter

    width, draw = 320, np.random.default_rng(0)
    fields = (Field("record", "int64"), Field("id", "string"), Field("fused", "float32", width))
    block = draw.standard_normal((PART, width), dtype=np.float32)

    begun = now()
    for start in range(0, args.rows, PART):
        rows = range(start, min(start + PART, args.rows))
        with (work / f"part-{start // PART:05}.parquet").open("wb") as file:
            writer = ParquetWriter(file, fields, {})
            names = [f"s{at}" for at in rows]
            writer.add({"record": list(rows), "id": names, "fused": block[: len(rows)]})
            writer.finish({})
    wrote = now() - begun
    size = sum(path.stat().st_size for path in work.glob("part-*"))
    begun, found = now(), 0
    import pyarrow.parquet as pq

    for part in sorted(work.glob("part-*")):
        column = pq.read_table(part)["fused"].combine_chunks()
        found += len(column.flatten().to_numpy().reshape(-1, width))
    told("Parquet", found, wrote, now() - begun, size)
    hdf5(work, args.groups, block)


def hdf5(work: Path, groups: int, block: np.ndarray) -> None:
    """Write and read a group for each protein, in transactions of 256."""
    import h5py
    import torch

    import zoo
    from zoo.prediction.embedding_file import EmbeddingFile, Settings
    from zoo.proteins.protein import from_sequence

    model = zoo.create_model("esm2_8m", "none", weights="random")
    path, begun = work / "f.h5", now()
    with EmbeddingFile(path, model, Settings(("fused",), True, False)) as file:
        for at in range(groups):
            row = torch.from_numpy(block[at % PART])
            file.write(from_sequence(f"s{at}", "MKTAYIAKQRQISF"), {"fused": row}, [])
            if at % 256 == 255:
                file.flush()
        file.flush()
    wrote, begun = now() - begun, now()
    with h5py.File(path) as opened:
        found = sum(len(np.asarray(opened[name]["fused"])) > 0 for name in opened)
    told("HDF5", found, wrote, now() - begun, path.stat().st_size)


def told(what: str, rows: int, wrote: float, read: float, size: int) -> None:
    """Print what a format took, and what that is a million rows."""
    each = 1e6 / rows
    print(f"  {what:8} {rows:>9,} rows: written in {wrote:.1f} s, read in {read:.1f} s, "
          f"{size / 1e6:.0f} MB; a million: {wrote * each:.0f} s, {read * each:.0f} s, "
          f"{size / 1e9 * each:.2f} GB", flush=True)  # fmt: skip


def main() -> None:
    """Run one of the measurements."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    works = {"memory": memory, "database": database, "workers": workers, "ray": ray, "files": files}
    parser.add_argument("what", choices=works)
    parser.add_argument("--counts", type=int, nargs="+", default=[10_000, 1_000_000])
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--chains", type=int, default=500)
    parser.add_argument("--part-size", type=int, default=PART)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--groups", type=int, default=20_000)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    if args.what in ("workers", "ray") and args.data is None:
        parser.error(f"{args.what} needs --data STRUCTURES, a folder of structure files")
    race.header(args.threads)
    with tempfile.TemporaryDirectory() as work:
        works[args.what](Path(work), args)


if __name__ == "__main__":
    main()
