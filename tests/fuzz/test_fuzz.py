"""A short run over every reader; the long one is `make fuzz`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.readers import Reader, readers
from tests.fuzz.running import fuzz

NAMES = (
    "pdb", "mmcif", "bcif", "fasta", "labels", "table", "ieconv", "atom3d", "ligand", "lmdb",
    "record", "shard", "config", "facts", "predictions", "checkpoint_config", "checkpoint_weights",
)  # fmt: skip


@pytest.fixture(scope="module")
def every(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Reader]:
    return readers(tmp_path_factory.mktemp("seeds"))


def test_every_reader_is_fuzzed(every: dict[str, Reader]) -> None:
    assert set(every) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_damaged_file_is_read_or_refused(
    every: dict[str, Reader], name: str, tmp_path: Path
) -> None:
    count = 50 if name == "lmdb" else 200  # a process for each
    found = fuzz(every[name], count, seed=1, folder=tmp_path)
    assert not found.failures, "\n".join(told for _, told in found.failures.values())
    assert found.refused and found.read + found.refused == count
