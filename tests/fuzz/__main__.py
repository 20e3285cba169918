"""Fuzz readers: python -m tests.fuzz [pdb mmcif ...] [--executions 20000] [--seed 0].

Inputs that end in anything but a result or an error of ours are written to build/fuzz.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.conftest import REPOSITORY
from tests.fuzz.readers import readers
from tests.fuzz.running import fuzz

KEPT = REPOSITORY / "build/fuzz"


def main() -> int:
    """Return how many kinds of failure there are."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--executions", type=int, default=20_000, help="of each reader")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    failures = total = 0
    with tempfile.TemporaryDirectory() as scratch:
        every = readers(Path(scratch))
        for name in given.names or every:
            found = fuzz(every[name], given.executions, given.seed, Path(scratch) / name)
            total += given.executions
            print(f"{name:20} {given.executions:>9,} executions, {found.read:,} read, "
                  f"{found.refused:,} refused, {len(found.failures)} kinds of failure, "
                  f"{found.seconds:.0f} s", flush=True)  # fmt: skip
            for place, (data, told) in found.failures.items():
                failures += 1
                KEPT.mkdir(parents=True, exist_ok=True)
                path = KEPT / f"{name}_{failures}"
                path.write_bytes(data)
                path.with_suffix(".txt").write_text(told)
                print(f"  {place}: {path}")
    print(f"{total:,} executions, {failures} kinds of failure")
    return min(failures, 100)


if __name__ == "__main__":
    sys.exit(main())
