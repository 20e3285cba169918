"""Proteins of the files that a command line names, in batches."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path, PurePosixPath

from zoo.errors import ZooError
from zoo.paths import Input
from zoo.proteins.files.formats import printable
from zoo.proteins.protein import Protein
from zoo.proteins.structure import FASTA_SUFFIXES, read_proteins

WINDOW = 256
"""Proteins read ahead and sorted by length; what is held in memory at a time."""


@dataclass
class Outcome:
    """What became of the inputs."""

    written: int = 0
    kept: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    interrupted: bool = False


def read_all(
    inputs: Iterable[Input], outcome: Outcome, is_done: Callable[[Input], bool]
) -> Iterator[Protein]:
    """Yield the proteins of files not done yet.

    A file that cannot be read, or a name that came before, is noted and not fatal.
    """
    owners: dict[str, str] = {}
    for file in inputs:
        fasta = is_fasta(file.path)
        if not fasta and is_done(file):
            outcome.kept += _is_free(file.name, file.path, owners, outcome)
            continue
        try:
            for protein in read_proteins(file.path):
                name = protein.name if fasta else file.name
                if _is_free(name, file.path, owners, outcome):
                    yield dataclasses.replace(protein, name=name)
        except ZooError as error:
            outcome.failed[printable(file.path)] = str(error)


def _is_free(name: str, path: Path, owners: dict[str, str], outcome: Outcome) -> bool:
    """Return whether a name is new; "t" and "t/native" cannot both be keys of one file."""
    folders = [str(parent) for parent in PurePosixPath(name).parents if str(parent) != "."]
    taken = next((key for key in (name, f"{name}/", *folders) if key in owners), None)
    if taken is not None:
        outcome.failed[f"{path} {name}"] = (
            f"{path}: the name {name!r} is taken by {owners[taken]}; names tell results apart, "
            "so rename one"
        )
        return False
    owners.update({key: str(path) for key in (name, *(f"{folder}/" for folder in folders))})
    return True


def is_fasta(path: Path) -> bool:
    """Return whether a file holds sequences and not one structure."""
    name = path.name.lower().removesuffix(".gz")
    return name.endswith(tuple(FASTA_SUFFIXES))


def sequence_hash(protein: Protein) -> str:
    """Return a hash of the protein's chains, in order."""
    text = ":".join(chain.sequence for chain in protein.chains)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def stamp(path: str | Path) -> str:
    """Return the size and time of a file, which tell whether it is still the same; "" for none."""
    try:
        stat = Path(path).stat()
    except OSError:
        return ""
    return f"{stat.st_size} {stat.st_mtime_ns}"


def windows(proteins: Iterable[Protein]) -> Iterator[list[Protein]]:
    """Yield lists of at most `WINDOW` proteins, longest first: memory runs out early or never."""
    iterator = iter(proteins)
    while window := list(islice(iterator, WINDOW)):
        yield sorted(window, key=len, reverse=True)


def batches(window: Sequence[Protein], budget: int) -> Iterator[list[Protein]]:
    """Yield runs of proteins of like length whose padded tokens stay within the budget.

    A protein above the budget makes a batch of its own: nothing is cut or left out.
    """
    batch: list[Protein] = []
    for protein in window:
        longest = max(len(chain) for p in [*batch, protein] for chain in p.chains)
        chains = sum(len(p.chains) for p in [*batch, protein])
        if batch and longest * chains > budget:
            yield batch
            batch = []
        batch.append(protein)
    if batch:
        yield batch
