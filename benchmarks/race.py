"""What speed benchmarks share: interleaved runs, medians and spread, the machine's ceiling."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from zoo.command.allocator import keep_large_blocks

Work = Callable[[], object]
CLOCKS = {"wall": time.perf_counter, "process": time.process_time}
CLOCK = os.environ.get("ZOO_CLOCK", "wall")
"""What counts seconds: a clock, or on a machine that others use the process's own time."""


def race(
    works: Mapping[str, Work], rounds: int, warm: int = 1, device: str = "cpu"
) -> dict[str, list[float]]:
    """Return the seconds of each work in every round, one after the other: load is shared."""
    works = {name: _finished(work, device) for name, work in works.items()}
    for _ in range(warm):
        for work in works.values():
            work()
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            begun = CLOCKS[CLOCK]()
            work()
            times[name].append(CLOCKS[CLOCK]() - begun)
    return times


def show(times: Mapping[str, list[float]], against: str) -> None:
    """Print medians, quartiles and ratios to one of the works, taken round by round."""
    for name, own in times.items():
        low, middle, high = quartiles(own)
        ratios = [b / a for a, b in zip(own, times[against], strict=True)]
        low_ratio, ratio, high_ratio = quartiles(ratios)
        print(f"  {name:34} {1e3 * middle:9.1f} ms ({1e3 * low:.1f} .. {1e3 * high:.1f})   "
              f"x {ratio:.2f} ({low_ratio:.2f} .. {high_ratio:.2f})")  # fmt: skip


def quartiles(values: list[float]) -> tuple[float, float, float]:
    """Return the lower quartile, the median and the upper quartile."""
    if len(values) < 2:
        return values[0], values[0], values[0]
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, middle, high


def _finished(work: Work, device: str) -> Work:
    """Return work that ends when the device has done it: a GPU runs on behind Python's back."""
    if device == "cpu":
        return work

    def run() -> object:
        out = work()
        torch.cuda.synchronize()
        return out

    return run


def ceiling(device: str = "cpu") -> str:
    """Return the device's matrix product rate and copy bandwidth, measured now."""
    rates = []
    for dtype in (torch.float32, torch.bfloat16):
        for size in (512, 2048):
            a = torch.randn(size, size, device=device).to(dtype)
            seconds = min(race({"": lambda a=a: a @ a}, 3, device=device)[""])
            rate = 2 * size**3 / seconds / 1e9
            if rate < 5:  # without units for it the larger one takes minutes
                break
        rates.append(f"{rate:.3g} GFLOP/s {str(dtype)[6:]}")
    block, out = (torch.ones(1 << 26, device=device) for _ in range(2))
    seconds = min(race({"": lambda: out.copy_(block)}, 3, device=device)[""])
    rates.append(f"copy {2 * block.numel() * 4 / seconds / 1e9:.0f} GB/s")
    return ", ".join(rates)


def header(threads: int, device: str = "cpu") -> None:
    """Print where and with what this is measured."""
    torch.set_num_threads(threads)
    kept = os.environ.get("ZOO_ALLOCATOR") == "keep" and keep_large_blocks()
    allocator = "keeps large blocks" if kept else "is the system's"
    where = processor() if device == "cpu" else torch.cuda.get_device_name(device)
    print(f"{where}, {threads} threads, torch {torch.__version__}, allocator {allocator}, "
          f"{CLOCK} time: {ceiling(device)}", flush=True)  # fmt: skip


def processor() -> str:
    """Return what the processor calls itself."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(x for x in lines if x.startswith("model name")).split(":")[1].strip()
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def with_both_allocators(arguments: list[str]) -> None:
    """Run this script twice: with the allocator as it is, and as the zoo's verbs set it."""
    for name in ("system", "keep"):
        environment = os.environ | {"ZOO_ALLOCATOR": name}
        subprocess.run([sys.executable, *arguments], env=environment, check=True)
