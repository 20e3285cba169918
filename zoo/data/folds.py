"""Clusters structures by fold: with Foldseek if it is installed, else by TM-align of all pairs."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from zoo.errors import ConfigError, ZooError
from zoo.proteins.protein import Protein

SAME_FOLD = 0.5
"""TM-score of two structures of the same fold (Xu and Zhang, Bioinformatics 26, 889, 2010)."""
MOST = 200
"""Largest number of structures compared by TM-align: 20,000 pairs at about 20 ms each."""


def method() -> str:
    """Return the program that `fold_clusters` uses: "foldseek" if installed, else "tmtools"."""
    return "foldseek" if shutil.which("foldseek") else "tmtools"


def fold_clusters(
    proteins: Sequence[Protein], files: Sequence[Path], advance: Callable[[int], None]
) -> list[int]:
    """Return the cluster of each structure, by single linkage at TM-score `SAME_FOLD`.

    Args:
        proteins: Proteins with coordinates; the longest chain of each is compared.
        files: File of each protein, which Foldseek reads.
        advance: Called with the number of comparisons done.

    Raises:
        ConfigError: If there are more than `MOST` structures and Foldseek is not installed.
        ZooError: If Foldseek fails.
    """
    if method() == "foldseek":
        return _linked(len(files), _foldseek(files))
    if len(proteins) > MOST:
        raise ConfigError(
            f"{len(proteins)} structures are more than the {MOST} that are compared pair by pair. "
            "Install foldseek, or split --by cluster (sequences)."
        )
    return _linked(len(proteins), _aligned(proteins, advance))


def _linked(count: int, links: Sequence[tuple[int, int]]) -> list[int]:
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    rows, columns = np.array([*links, *((i, i) for i in range(count))]).T
    graph = coo_matrix((np.ones(len(rows)), (rows, columns)), (count, count))
    joined: list[int] = connected_components(graph)[1].tolist()
    return joined


def _aligned(proteins: Sequence[Protein], advance: Callable[[int], None]) -> list[tuple[int, int]]:
    """Return the pairs of one fold; the TM-score is normalised by the shorter chain."""
    import tmtools

    traces = [_trace(protein) for protein in proteins]
    links = []
    for done, (i, j) in enumerate(combinations(range(len(traces)), 2), 1):
        (a, first), (b, second) = traces[i], traces[j]
        found = tmtools.tm_align(a, b, first, second)
        if max(found.tm_norm_chain1, found.tm_norm_chain2) >= SAME_FOLD:
            links.append((i, j))
        advance(done)
    return links


def _trace(protein: Protein) -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.float64]], str]:
    """Return CA positions (n, 3) and letters of the chain with the most resolved residues."""
    chain = max(protein.chains, key=lambda chain: int(chain.resolved.sum()))
    at = np.flatnonzero(chain.resolved)
    return chain.coords[at, 1].astype(np.float64), "".join(chain.sequence[i] for i in at)


def _foldseek(files: Sequence[Path]) -> list[tuple[int, int]]:
    """Return the links found by `foldseek easy-cluster`.

    Files are given numbers as names, so that they are recognised whatever Foldseek appends.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "in").mkdir()
        for at, path in enumerate(files):
            (folder / "in" / f"s{at:06d}{''.join(path.suffixes)}").symlink_to(path.resolve())
        command = ["foldseek", "easy-cluster", "in", "out", "tmp", "--tmscore-threshold"]
        done = subprocess.run(
            [*command, str(SAME_FOLD)], cwd=folder, capture_output=True, text=True
        )
        if done.returncode:
            last = (done.stderr or done.stdout).strip().splitlines()[-1:]
            raise ZooError(f"foldseek easy-cluster failed ({done.returncode}): {' '.join(last)}")
        pairs = re.findall(
            r"^s(\d{6})\S*\ts(\d{6})", (folder / "out_cluster.tsv").read_text(), re.M
        )
    return [(int(a), int(b)) for a, b in pairs]
