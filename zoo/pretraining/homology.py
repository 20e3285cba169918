"""Which sequences of a corpus are kin to others: MMseqs2 at its most sensitive."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from zoo.errors import ConfigError, ZooError

SEARCH = ("-s", "7.5", "-e", "0.001", "--max-seqs", "20000")
"""The most sensitive preset; an E-value at which few chance hits are expected."""
CLUSTER = (
    "--min-seq-id",
    "0.3",
    "-c",
    "0.8",
    "--cov-mode",
    "1",
    "-s",
    "7.5",
    "--cluster-mode",
    "1",
)
"""Connected components: whatever is linked by 30 % identity over 80 % of the shorter one."""


def kin(queries: Mapping[str, str], targets: Mapping[str, str]) -> set[str]:
    """Return the names of the targets that a query finds.

    Args:
        queries: sequences by name.
        targets: sequences by name.

    Raises:
        ConfigError: if MMseqs2 is not on the path.
        ZooError: if it fails.
    """
    if not queries or not targets:
        return set()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        names = _write(folder / "targets.fasta", targets)
        _write(folder / "queries.fasta", queries)
        _run(folder, "easy-search", "queries.fasta", "targets.fasta", "hits.tsv", "tmp",
             *SEARCH, "--format-output", "target")  # fmt: skip
        lines = (folder / "hits.tsv").read_text().split()
    return {names[int(line)] for line in lines}


def families(sequences: Mapping[str, str]) -> dict[str, int]:
    """Return the cluster of every sequence, by name.

    Raises:
        ConfigError: if MMseqs2 is not on the path.
        ZooError: if it fails.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        names = _write(folder / "in.fasta", sequences)
        _run(folder, "easy-cluster", "in.fasta", "out", "tmp", *CLUSTER)
        pairs = [line.split("\t") for line in (folder / "out_cluster.tsv").read_text().splitlines()]
    root = {member: representative for representative, member in pairs}
    numbers: dict[str, int] = {}
    return {
        key: numbers.setdefault(root.get(str(at), str(at)), len(numbers))
        for at, key in enumerate(names)
    }


def _write(path: Path, sequences: Mapping[str, str]) -> list[str]:
    """Write numbered records; return the names in that order."""
    records = (f">{at}\n{sequence}\n" for at, sequence in enumerate(sequences.values()))
    path.write_text("".join(records))
    return list(sequences)


def _run(folder: Path, *arguments: str) -> None:
    if shutil.which("mmseqs") is None:
        raise ConfigError(
            "MMseqs2 is not on the path, and without it no homologs can be held out. Install it "
            "(`apt install mmseqs2`, `conda install -c bioconda mmseqs2`)."
        )
    done = subprocess.run(["mmseqs", *arguments], cwd=folder, capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise ZooError(f"mmseqs {arguments[0]} failed ({done.returncode}): {' '.join(last)}")
