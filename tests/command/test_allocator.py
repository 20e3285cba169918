"""The allocator keeps large blocks in programs, and only there, and only where it may."""

import os
import subprocess
import sys

import pytest

from zoo.command.cli import guarded

GLIBC = sys.platform == "linux" and "glibc" in os.confstr("CS_GNU_LIBC_VERSION")
CHANGE = """
import os, resource, sys
from zoo.command.allocator import keep_large_blocks
kept = keep_large_blocks() if sys.argv[1] == "verb" else None
import torch
faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt
x = torch.ones(1 << 24)
x.relu()
before = faults()
for _ in range(20):
    x.relu()
print(kept, faults() - before)
"""


def change(what: str, **env: str) -> tuple[str, int]:
    done = subprocess.run(
        [sys.executable, "-c", CHANGE, what], capture_output=True, text=True, check=True,
        env=os.environ | {"THP_MEM_ALLOC_ENABLE": "0"} | env,
    )  # fmt: skip
    kept, faults = done.stdout.split()
    return kept, int(faults)


@pytest.mark.skipif(not GLIBC, reason="only glibc's allocator is tuned")
def test_blocks_are_kept_in_programs() -> None:
    alone, faults = change("library")
    kept, fewer = change("verb")
    assert (alone, kept) == ("None", "True")
    assert fewer < faults / 2  # measured: a quarter


@pytest.mark.parametrize(
    "env", [{"ZOO_ALLOCATOR": "system"}, {"GLIBC_TUNABLES": "glibc.malloc.mmap_max=65536"}]
)
def test_a_users_choice_stands(env: dict[str, str]) -> None:
    assert change("verb", **env)[0] == "False"


@pytest.mark.parametrize(("chosen", "kept"), [(None, "4"), ("64", "64")])
def test_a_verb_keeps_few_kernels(monkeypatch: pytest.MonkeyPatch, chosen: str, kept: str) -> None:
    name = "ONEDNN_PRIMITIVE_CACHE_CAPACITY"
    monkeypatch.setenv(name, chosen or "")
    if chosen is None:
        monkeypatch.delenv(name)
    with pytest.raises(SystemExit):
        guarded(lambda standalone_mode: None)
    assert os.environ[name] == kept
