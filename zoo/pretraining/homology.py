"""Finds homologs and families among the sequences of a corpus with MMseqs2."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from zoo.errors import ConfigError, ZooError

SEARCH = ("-s", "7.5", "-e", "0.001", "--max-seqs", "20000")
"""Options of a search: the most sensitive preset, and an E-value with few chance hits."""
ALIGN = ("-s", "7.5", "-e", "1e-5", "--min-seq-id", "0.35", "-c", "0.5", "--cov-mode", "2",
         "--max-seqs", "1000")  # fmt: skip
"""Options of alignments: 35 % identity over half of the query, where structures are much alike."""
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
"""Options of clustering: sequences linked by 30 % identity over 80 % of the target's residues form
connected components."""


def kin(queries: Mapping[str, str], targets: Mapping[str, str]) -> set[str]:
    """Return the names of the targets that are homologs of any query.

    Args:
        queries: Sequences to search with, by name.
        targets: Sequences to search in, by name.

    Raises:
        ConfigError: If MMseqs2 is not installed.
        ZooError: If MMseqs2 fails.
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


@dataclass(frozen=True)
class Alignment:
    """The residues that two sequences share.

    Attributes:
        query: Name of the one.
        target: Name of the other.
        bits: Score of the alignment.
        pairs: Residue of the query and of the target in each column without a gap, from 0.
    """

    query: str
    target: str
    bits: float
    pairs: list[tuple[int, int]]


def alignments(queries: Mapping[str, str], targets: Mapping[str, str]) -> list[Alignment]:
    """Return the local alignments of close homologs.

    Raises:
        ConfigError: If MMseqs2 is not installed.
        ZooError: If MMseqs2 fails.
    """
    if not queries or not targets:
        return []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ours = _write(folder / "queries.fasta", queries)
        theirs = _write(folder / "targets.fasta", targets)
        _run(folder, "easy-search", "queries.fasta", "targets.fasta", "hits.tsv", "tmp",
             *ALIGN, "--format-output", "query,target,bits,qstart,tstart,qaln,taln")  # fmt: skip
        lines = [line.split("\t") for line in (folder / "hits.tsv").read_text().splitlines()]
    return [
        Alignment(ours[int(query)], theirs[int(target)], float(bits),
                  list(_columns(int(first), int(second), one, other)))
        for query, target, bits, first, second, one, other in lines
    ]  # fmt: skip


def _columns(first: int, second: int, one: str, other: str) -> Iterator[tuple[int, int]]:
    """Yield the residues in each column without a gap, from the first ones, counted from 1."""
    i, j = first - 1, second - 1
    for a, b in zip(one, other, strict=True):
        if a != "-" and b != "-":
            yield i, j
        i, j = i + (a != "-"), j + (b != "-")


def families(sequences: Mapping[str, str]) -> dict[str, int]:
    """Return the number of each sequence's cluster, by the name of the sequence.

    Raises:
        ConfigError: If MMseqs2 is not installed.
        ZooError: If MMseqs2 fails.
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
    """Write records that are named by numbers, and return the sequences' names in that order."""
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
