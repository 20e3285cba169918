"""Sequence similarity: clusters (by MMseqs2 if it is installed) and similar pairs of two sets."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import gemmi
import numpy as np
from numpy.typing import NDArray

from zoo.data.reading.words import WordIndex
from zoo.errors import ZooError

#: Chains with fewer residues are ignored, unless a protein has no longer one.
SHORT = 10
#: In MMseqs2: the share of the shorter sequence that an alignment must cover.
COVERAGE = 0.8
#: What MMseqs2 says if no sequence has a word that it can look up: all are short, or of one letter.
WITHOUT_WORDS = "less than 14 residues"
#: Match, mismatch, gap opening and gap extension. Gaps are expensive to open, so that the residues
#: of a short sequence are not matched one by one along a long one.
SCORES = (4, -1, -20, 0)
#: Share of the shorter sequence that unrelated ones have in common as a subsequence.
CHANCE = 0.55
#: Allows for rounding where an identity is compared with a number of residues.
TOLERANCE = 1e-6


def main_chains(sequences: Sequence[str]) -> list[str]:
    """Return the chains without short peptides, which may be equal in unrelated proteins."""
    longest = max(map(len, sequences), default=0)
    return [s for s in sequences if len(s) >= SHORT or len(s) == longest]


def method() -> str:
    """Return the method that `clusters` uses: "mmseqs" if it is installed, else "built-in"."""
    return "mmseqs" if shutil.which("mmseqs") else "built-in"


def clusters(sequences: Sequence[str], identity: float) -> list[int]:
    """Return the cluster of each sequence, numbered from 0 in order of first appearance.

    Clusters are made by single linkage: two sequences whose identity (equal residues over the
    shorter length) reaches the threshold are in one cluster, and so are all that are linked to
    either. The built-in method aligns pairs that share words of four residues on near diagonals,
    so below an identity of about 0.35 it finds fewer links than a profile search.

    Raises:
        ZooError: If MMseqs2 is installed and fails.
    """
    return _numbered(_mmseqs if method() == "mmseqs" else _built_in, sequences, identity)


def clusters_built_in(sequences: Sequence[str], identity: float) -> list[int]:
    """Return `clusters` by the built-in method, which finds the same on every machine."""
    return _numbered(_built_in, sequences, identity)


def _numbered(
    linked: Callable[[list[str], float], list[int]], sequences: Sequence[str], identity: float
) -> list[int]:
    """Return the cluster of each sequence, from a function that returns the root of each."""
    distinct = {sequence: at for at, sequence in enumerate(dict.fromkeys(sequences))}
    roots = linked(list(distinct), identity) if distinct else []  # MMseqs2 refuses no sequences
    numbers: dict[int, int] = {}
    return [numbers.setdefault(roots[distinct[s]], len(numbers)) for s in sequences]


def near_duplicates(
    train: Sequence[str], test: Sequence[str], identity: float
) -> list[tuple[int, int, float]]:
    """Return (index in train, index in test, identity) of all pairs of at least that identity."""
    at_train, at_test = _positions(train), _positions(test)
    references = list(at_train)
    number = {sequence: at for at, sequence in enumerate(references)}
    index = WordIndex(references)
    open_ = np.ones(len(references), np.bool_)
    found = []
    for query in at_test:
        alike = {at: pair_identity(query, references[at], identity)
                 for at in index.candidates(query, identity, open_).tolist()}  # fmt: skip
        if query in number:  # equal sequences, even if they are too short to contain a word
            alike[number[query]] = 1.0
        for at, same in alike.items():
            if same >= identity:
                pairs = [(i, j) for i in at_train[references[at]] for j in at_test[query]]
                found += [(i, j, same) for i, j in pairs]
    return sorted(found)


def pair_identity(one: str, other: str, least: float = 0.0) -> float:
    """Return the identity: equal residues in the best global alignment over the shorter length.

    It is 0 where it is less than `least`, and this is known without an alignment: none matches more
    residues than the longest common subsequence has, which takes a quarter of the time.
    """
    if one == other:
        return 1.0
    shorter = min(len(one), len(other))
    if least > CHANCE and longest_common(one, other) < least * shorter - TOLERANCE:
        return 0.0
    scoring = gemmi.AlignmentScoring()
    scoring.match, scoring.mismatch, scoring.gapo, scoring.gape = SCORES
    same = gemmi.align_string_sequences(list(one), list(other), [], scoring).match_count
    return float(same) / max(shorter, 1)


def longest_common(one: str, other: str) -> int:
    """Return the length of the longest common subsequence, with a bit a residue (Hyyrö 2004)."""
    places: dict[str, int] = {}
    for at, letter in enumerate(one):
        places[letter] = places.get(letter, 0) | 1 << at
    every = free = (1 << len(one)) - 1
    for letter in other:
        met = free & places.get(letter, 0)
        free = (free + met | free - met) & every
    return len(one) - free.bit_count()


def _positions(sequences: Sequence[str]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for at, sequence in enumerate(sequences):
        found.setdefault(sequence, []).append(at)
    return found


def _built_in(sequences: list[str], identity: float) -> list[int]:
    """Return the root of each sequence's cluster; pairs already in one cluster are not aligned."""
    index = WordIndex(sequences)
    root: NDArray[np.int64] = np.arange(len(sequences))
    for at, sequence in enumerate(sequences):
        apart = root != root[at]
        apart[:at] = False  # these pairs were compared in earlier steps
        if not apart.any():  # looking up the words of all members would be quadratic in a family
            continue
        for other in index.candidates(sequence, identity, apart).tolist():
            linked = root[other] == root[at]
            if not linked and pair_identity(sequence, sequences[other], identity) >= identity:
                root[root == root[other]] = root[at]
    return root.tolist()


def _mmseqs(sequences: list[str], identity: float) -> list[int]:
    """Return the root of each sequence's cluster, from `mmseqs easy-cluster` in linkage mode.

    MMseqs2 fails where no sequence has a word to look up; the built-in method answers then.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        records = (f">{at}\n{sequence}\n" for at, sequence in enumerate(sequences))
        (folder / "in.fasta").write_text("".join(records))
        command = [
            "mmseqs", "easy-cluster", "in.fasta", "out", "tmp", "--min-seq-id", str(identity),
            "-c", str(COVERAGE), "--cov-mode", "5", "--cluster-mode", "1", "--threads", "1",
        ]  # fmt: skip
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        if done.returncode:
            if WITHOUT_WORDS in done.stderr + done.stdout:
                return _built_in(sequences, identity)
            last = (done.stderr or done.stdout).strip().splitlines()[-1:]
            raise ZooError(f"mmseqs easy-cluster failed ({done.returncode}): {' '.join(last)}")
        pairs = (line.split("\t") for line in (folder / "out_cluster.tsv").read_text().splitlines())
        root = list(range(len(sequences)))  # MMseqs2 leaves out short sequences: one cluster each
        for representative, member in pairs:
            root[int(member)] = int(representative)
    return root
