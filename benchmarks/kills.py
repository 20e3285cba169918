"""What ends in the middle of `zoo embed --format parquet`, ten times, against an undisturbed run.

    python benchmarks/kills.py [worker disk node] [--count 6000] [--kills 10] [--part-size 60]

`worker` kills (SIGKILL) one of two `--workers` at random moments. `disk` writes to a file system of
its own that is full at a random place, and gets a little larger each time; mounting it needs root.
`node` kills one of two machines of a Ray cluster, and adds another. Then the same command ends the
work: its parts must be those of an undisturbed run bit for bit, and each record there once. The
language model is tiny (two layers of 32), sequences are made up.
"""

from __future__ import annotations

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).parent))
import race
import throughput

Strike = Callable[[psutil.Popen, random.Random], str]
FULL = 5
"""Exit code of a full disk."""
PAGE = 4096


def start(words: list[str], log: Path) -> psutil.Popen:
    """Start a command, which writes to a log."""
    with log.open("a") as file:
        return psutil.Popen(words, env=throughput.environment(1), stdout=file, stderr=file)


def parts_in(out: Path) -> int:
    """Return the number of complete parts."""
    return len(list(out.glob("part-*")))


def ended(words: list[str], log: Path) -> None:
    """Run a command to its end."""
    process = start(words, log)
    assert process.wait() == 0, log.read_text()[-2000:]


def compare(out: Path, whole: Path, count: int) -> None:
    """Check that the parts are those of the undisturbed run, and each record is there once."""
    names = sorted(path.name for path in whole.glob("part-*"))
    assert names == sorted(path.name for path in out.glob("part-*")), "parts are missing"
    differ = [name for name in names if (out / name).read_bytes() != (whole / name).read_bytes()]
    assert not differ, f"parts differ: {differ}"
    left = [path.name for path in out.iterdir() if path.name.startswith(".")]
    assert not left, f"left behind: {left}"
    print(f"  {len(names)} parts, equal to those of an undisturbed run")
    throughput.count(out, count)


def struck(words: list[str], out: Path, parts: int, args: argparse.Namespace, hit: Strike) -> None:
    """Strike a command at random moments all over its work; let it end."""
    draw, log = random.Random(args.seed), out.with_suffix(".log")
    process, done, begins = start(words, log), [], 1
    for at in range(args.kills):
        goal = draw.uniform(at, at + 1) / (args.kills + 1) * parts
        while parts_in(out) < goal:
            time.sleep(0.1)
            if process.poll() is not None:  # it gives up when workers die again and again
                process, begins = start(words, log), begins + 1
        time.sleep(draw.random())
        done.append(f"{hit(process, draw)} at {parts_in(out)}")
    code = process.wait()
    print(f"  {', '.join(done)} of {parts} parts; begun {begins} times, exit code {code}")
    ended(words, log)


def worker(whole: Path, words: list[str], args: argparse.Namespace) -> None:
    """Kill one of two workers, ten times."""

    def hit(process: psutil.Popen, draw: random.Random) -> str:
        there = [x for x in process.children() if "spawn_main" in " ".join(x.cmdline())]
        if not there:
            return "nobody"
        draw.choice(there).send_signal(signal.SIGKILL)
        return "killed"

    out = whole.with_name("worker")
    struck([*words, "--workers", "2", "--out", str(out)], out, parts_in(whole), args, hit)
    compare(out, whole, args.count)


def node(whole: Path, words: list[str], args: argparse.Namespace) -> None:
    """Kill one of two machines of a Ray cluster, ten times."""
    from ray.cluster_utils import Cluster

    machines = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    there: list[Any] = [machines.add_node(num_cpus=1) for _ in range(2)]

    def hit(process: psutil.Popen, draw: random.Random) -> str:
        machines.remove_node(there.pop(draw.randrange(2)), allow_graceful=False)
        there.append(machines.add_node(num_cpus=1))
        return "killed"

    out = whole.with_name("node")
    more = ["--engine", "ray", "--workers", "2", "--address", machines.address, "--out", str(out)]
    try:
        struck([*words, *more], out, parts_in(whole), args, hit)
    finally:
        machines.shutdown()
    compare(out, whole, args.count)


def disk(whole: Path, words: list[str], args: argparse.Namespace) -> None:
    """Fill the disk, ten times."""
    sizes = [path.stat().st_size for path in whole.iterdir() if path.is_file()]
    need = sum(-(-size // PAGE) * PAGE for size in sizes)
    draw, codes, log = random.Random(args.seed), [], whole.with_name("disk.log")
    with mounted(whole.with_name("disk")) as (folder, resize):
        words = [*words, "--out", str(folder / "out")]
        for at in range(args.kills):
            resize(int(need * draw.uniform(at, at + 1) / args.kills))
            codes.append(start(words, log).wait())
            print(f"  full with {parts_in(folder / 'out')} parts, exit code {codes[-1]}")
        assert {*codes} <= {FULL, 0}, log.read_text()[-2000:]
        resize(2 * need)
        ended(words, log)
        compare(folder / "out", whole, args.count)


@contextmanager
def mounted(folder: Path) -> Iterator[tuple[Path, Callable[[int], None]]]:
    """Yield the folder of a file system in memory, and what changes its size in bytes."""

    def mount(options: str) -> None:
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True)

    folder.mkdir()
    mount(f"size={PAGE}")
    try:
        yield folder, lambda size: mount(f"remount,size={max(size, PAGE)}")
    finally:
        subprocess.run(["umount", folder], check=True)


def main() -> None:
    """Disturb a command in the ways that are asked for."""
    ways = {"worker": worker, "disk": disk, "node": node}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("ways", nargs="*", choices=ways, default=["worker", "disk"])
    parser.add_argument("--count", type=int, default=6000)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--part-size", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    race.header(args.threads)
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        fasta, model = throughput.sequences(work / "some.fasta", args.count), work / "tiny"
        words = throughput.command(
            fasta, "--model", throughput.tiny(model), "--part-size", args.part_size
        )
        begun = time.perf_counter()
        ended([*words, "--out", str(work / "whole")], work / "whole.log")
        print(f"  {args.count:,} sequences undisturbed: {time.perf_counter() - begun:.0f} s")
        for way in args.ways:
            begun = time.perf_counter()
            ways[way](work / "whole", words, args)
            print(f"  {way}: {time.perf_counter() - begun:.0f} s", flush=True)


if __name__ == "__main__":
    main()
