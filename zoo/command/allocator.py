"""Tunes the memory of a verb: large blocks are kept, and kernels for shapes seen once are not.

By default glibc maps every block above some megabytes anew and gives it back when it is freed, so
each operation on a large tensor pays for its pages again. Kept blocks, on large pages, make a
training step up to 1.4 times as fast (docs/measurements/performance.md). oneDNN for its part keeps
a kernel for each shape that it has met, 1,024 at most, and proteins have as many shapes as lengths.
Only the verbs do this: importing the library leaves the process as it is.
"""

from __future__ import annotations

import ctypes
import os
import platform

TRIM_THRESHOLD, TOP_PAD, MMAP_MAX = -1, -2, -4  # the parameters' numbers in malloc.h
LARGEST = 2**31 - 1
PAD = 256 << 20


def keep_large_blocks() -> bool:
    """Make the allocator keep what is freed, and return whether it does.

    Call it before torch allocates, which then asks for large pages as well. Nothing is changed if
    the allocator is not glibc's, if the user tuned or replaced it, or with `ZOO_ALLOCATOR=system`.
    """
    chosen = ("GLIBC_TUNABLES", "LD_PRELOAD", "MALLOC_MMAP_MAX_", "MALLOC_TRIM_THRESHOLD_")
    if os.environ.get("ZOO_ALLOCATOR") == "system" or any(map(os.environ.get, chosen)):
        return False
    if platform.libc_ver()[0] != "glibc":
        return False
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    mallopt = ctypes.CDLL(None).mallopt
    settings = ((MMAP_MAX, 0), (TRIM_THRESHOLD, LARGEST), (TOP_PAD, PAD))
    return all([mallopt(parameter, value) for parameter, value in settings])


def keep_few_kernels() -> None:
    """Let oneDNN keep four kernels, unless the user chose a number; call it before torch loads."""
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "4")
