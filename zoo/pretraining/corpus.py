"""Makes a corpus of training sequences without homologs of the chains that models are tested on."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zoo.data.store import Store
from zoo.errors import DataError
from zoo.pretraining.parting import divide, facts_before
from zoo.system.files import write_json, write_whole
from zoo.system.reading import content, plain_file

SHORTEST = 30
"""Smallest number of residues; shorter fragments say little, and are most of the duplicates."""
VALIDATION = 0.03
"""Share of the families that is held out for validation."""
LETTERS = set("ACDEFGHIKLMNPQRSTVWYXBUZO")
TRAIN_FILE, VALIDATION_FILE, FACTS = "train.fasta", "validation.fasta", "corpus.json"


@dataclass(frozen=True)
class Corpus:
    """The training and validation sequences, and the facts about how they were chosen."""

    train: list[str]
    validation: list[str]
    facts: dict[str, Any]


def make(fasta: Path, prepared: Sequence[Path], out: Path, seed: int = 0) -> Corpus:
    """Return the corpus of a FASTA file, and make it first if it does not exist yet.

    Duplicates and short sequences are left out, and so are homologs of test chains (E <= 0.001)
    with all of their families (30 % identity). Whole families are held out for validation, and
    homologs of validation sequences are not trained on.

    Args:
        fasta: FASTA file of sequences, plain or gzip.
        prepared: Folders that `zoo.prepare` wrote; the chains in their test splits, or in all
            folds, are the test chains.
        out: Folder for the two FASTA files and the counts.
        seed: Seed of the random choice of validation families.

    Raises:
        ConfigError: If MMseqs2 is not installed, or the folder holds a corpus of other data.
        DataError: If the file has no usable sequence.
    """
    tests = held_out_chains(prepared)
    given = {"fasta": hashed(content(fasta, most=None)), "seed": seed,
             "tests": hashed("\n".join(tests).encode())}  # fmt: skip
    before = facts_before(
        out / FACTS, given, "a corpus of other sequences or other test chains, or of another seed"
    )
    if before is not None:
        return _read(out, before)
    found, counts = distinct(read_fasta(fasta))
    sequences = {f"{at}|{names[0]}": s for at, (s, names) in enumerate(found.items())}
    if not sequences:
        raise DataError(f"{fasta} has no sequence of {SHORTEST} residues or more.")
    train, validation, lost = divide(
        sequences, tests, lambda left, family: _choose({family[name] for name in left}, seed)
    )
    parts = ({name: sequences[name] for name in names} for names in (train, validation))
    return _write(out, given, counts | lost, *parts)


def held_out_chains(prepared: Iterable[Path]) -> list[str]:
    """Return the distinct sequences of the test chains in prepared data, sorted."""
    found: set[str] = set()
    for folder in prepared:
        with Store(folder / "store") as store:
            for fact in store.index().values():
                if fact.get("split") not in ("train", "validation"):
                    found.update(fact.get("sequences", ()))
    return sorted(found)


def read_fasta(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the first word of each header and its sequence, from a plain or gzip file."""
    plain_file(path, whole=True)
    opened = gzip.open(path, "rt") if path.suffix == ".gz" else path.open()
    name, parts = "", list[str]()
    with opened as file:
        for line in file:
            if line.startswith(">"):
                if parts:
                    yield name, "".join(parts)
                name, parts = (line[1:].split() or [""])[0], []
            else:
                parts.append(line.strip())
    if parts:
        yield name, "".join(parts)


def distinct(
    records: Iterable[tuple[str, str]],
) -> tuple[dict[str, list[str]], dict[str, int]]:
    """Return the names of each distinct usable sequence, and how many were left out for what.

    Args:
        records: Name and sequence of each record.
    """
    found: dict[str, list[str]] = {}
    counts = {"read": 0, "short": 0, "odd letters": 0, "repeated": 0}
    for name, text in records:
        sequence = text.upper().rstrip("*")
        counts["read"] += 1
        if len(sequence) < SHORTEST:
            counts["short"] += 1
        elif not set(sequence) <= LETTERS:
            counts["odd letters"] += 1
        else:
            counts["repeated"] += sequence in found
            found.setdefault(sequence, []).append(name)
    return found, counts


def _choose(groups: Iterable[int], seed: int) -> set[int]:
    names = sorted(groups)
    order = np.random.default_rng(seed).permutation(len(names))
    return {names[at] for at in order[: max(1, round(VALIDATION * len(names)))]}


def _write(
    out: Path, given: Mapping[str, Any], counts: Mapping[str, int],
    train: Mapping[str, str], validation: Mapping[str, str],
) -> Corpus:  # fmt: skip
    out.mkdir(parents=True, exist_ok=True)
    facts: dict[str, Any] = {"given": dict(given), "counts": dict(counts)}
    for file, part, sequences in (
        (TRAIN_FILE, "train", train), (VALIDATION_FILE, "validation", validation),
    ):  # fmt: skip
        write_whole(out / file, "".join(f">{n}\n{s}\n" for n, s in sequences.items()))
        facts[part] = {"sequences": len(sequences), "residues": sum(map(len, sequences.values()))}
    write_json(out / FACTS, facts)  # last: it marks the folder as complete
    return Corpus(list(train.values()), list(validation.values()), facts)


def _read(out: Path, facts: dict[str, Any]) -> Corpus:
    train, validation = (
        [sequence for _, sequence in read_fasta(out / file)]
        for file in (TRAIN_FILE, VALIDATION_FILE)
    )
    return Corpus(train, validation, facts)


def hashed(data: bytes) -> str:
    """Return the first quarter of the SHA-256 of some bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()[:16]
