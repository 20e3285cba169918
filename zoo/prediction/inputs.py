"""Read the proteins of the input files, and join them into batches."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count, islice
from pathlib import Path, PurePosixPath

from zoo.errors import StructureError, ZooError
from zoo.prediction.listing import Input
from zoo.prediction.names import Names
from zoo.proteins.complexes import chains_of, named
from zoo.proteins.files.content import printable
from zoo.proteins.packing import packed
from zoo.proteins.protein import Protein
from zoo.proteins.records import holds_many, records
from zoo.proteins.unsure import without_unsure

WINDOW = 256
"""Number of proteins that are read, sorted by length and held in memory at a time."""
IN_MEMORY = "a protein in memory"
"""What a protein that no file was read for is called in messages."""


@dataclass
class Outcome:
    """The outcome for the inputs of a command.

    Attributes:
        given: number of proteins and unreadable records that the inputs hold, as far as read.
        written: number of proteins that were computed.
        kept: number of proteins that were already there.
        failed: reason of each failure, by input.
        left_out: number of things in the inputs that are no proteins of their own, by the reason.
        partial: reason why a protein that was computed lacks a file, by input.
        complexes: number of structures of several chains among those that were read.
        unsure: number of residues that were left out for their pLDDT.
        not_predicted: number of proteins that were read and have no pLDDT to go by.
        interrupted: whether the user stopped the command.
    """

    given: int = 0
    written: int = 0
    kept: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)
    partial: dict[str, str] = field(default_factory=dict)
    complexes: int = 0
    unsure: int = 0
    not_predicted: int = 0
    interrupted: bool = False

    def fail(self, name: str, reason: str) -> None:
        """Note a failure; a name that failed before gets a number, so that both are listed."""
        names = itertools.chain([name], (f"{name} ({at})" for at in count(2)))
        self.failed[next(key for key in names if key not in self.failed)] = reason

    def add(self, other: Outcome) -> None:
        """Add the outcome for other inputs to this one."""
        for name in ("given", "written", "kept", "complexes", "unsure", "not_predicted"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name, reason in other.failed.items():
            self.fail(name, reason)
        self.left_out.update(other.left_out)

    def refuse(self, protein: Protein, place: Path, owner: str) -> None:
        """Note the failure of a protein whose name another one has in the output."""
        self.fail(
            f"{protein.source} {protein.name}",
            f"{protein.source}: the name {protein.name!r} is taken in {place} by {owner}; rename "
            "one of them, or choose another --out",
        )


def read_all(
    inputs: Iterable[Input | Protein],
    outcome: Outcome,
    is_done: Callable[[Input], bool] = lambda file: False,
    *,
    cut: bool = False,
    min_plddt: float | None = None,
) -> Iterator[Protein]:
    """Yield the proteins of files that are not done yet, and proteins that were read before.

    A file that cannot be read, or a name that is taken, is noted as failed and skipped. With `cut`
    each chain of a complex is a protein of its own, with the chain's name after the file's. Of a
    predicted structure, residues below `min_plddt` are without coordinates; one of which nothing is
    left is noted as failed.
    """
    owners = Names()
    for file in inputs:
        if isinstance(file, Protein):
            outcome.given += 1
            place = Path(file.source or IN_MEMORY)
            for part in parts_of(file, outcome, cut, min_plddt):
                if _is_free(part.name, place, owners, outcome, nested=part.has_structure):
                    yield part
            continue
        if file.problem is not None:
            outcome.given += 1
            outcome.fail(printable(file.path), file.problem)
            continue
        many = holds_many(file.path)
        if not many and is_done(file):
            outcome.given += 1
            outcome.kept += _is_free(file.name, file.path, owners, outcome)
            continue
        try:
            for at, record in enumerate(records(file.path, file.chains), start=1):
                outcome.given += 1
                if record.left_out:
                    outcome.left_out[record.left_out] += 1
                    continue
                protein = record.attempt()
                if isinstance(protein, StructureError):
                    number = f" record {at}" if record.name is not None else ""
                    outcome.fail(f"{printable(file.path)}{number}", str(protein))
                    continue
                whole = dataclasses.replace(protein, name=record.name or file.name)
                for part in parts_of(whole, outcome, cut, min_plddt):
                    nested = part.has_structure or not many
                    if _is_free(part.name, file.path, owners, outcome, nested=nested):
                        yield part
        except ZooError as error:
            outcome.given += 1
            outcome.fail(printable(file.path), str(error))


def parts_of(
    protein: Protein, outcome: Outcome, cut: bool, min_plddt: float | None
) -> list[Protein]:
    """Return the protein, or if it is to be cut its chains under names of their own.

    See `read_all`; what becomes of it is counted.
    """
    if min_plddt is not None:
        sure = _sure(protein, outcome, min_plddt)
        if sure is None:
            return []
        protein = sure
    several = len(protein.chains) > 1
    outcome.complexes += several
    if not (cut and several):
        return [protein]
    parts = [named(part) for part in chains_of(protein)]
    outcome.given += len(parts) - 1
    return parts


def _sure(protein: Protein, outcome: Outcome, least: float) -> Protein | None:
    """Return the protein without the residues below a pLDDT; None if it fails as none is left.

    One that had no coordinates before is returned as it is.
    """
    sure, unsure = without_unsure(protein, least)
    outcome.unsure += unsure
    outcome.not_predicted += not protein.plddt
    if unsure and not sure.has_structure:
        outcome.fail(
            protein.source or protein.name,
            f"{protein.source or protein.name}: no residue has a pLDDT of {least:g} or more; give "
            "a lower --min-plddt",
        )
        return None
    return sure


def _is_free(
    name: str, path: Path, owners: Names, outcome: Outcome, *, nested: bool = True
) -> bool:
    """Return whether a name is new.

    The names of structures are paths, so "t" and "t/native" cannot both be groups of one HDF5
    file. The id of a sequence is a name as a whole: "Q5VST9" and "Q5VST9/1-60" are two.
    """
    parents = PurePosixPath(name).parents if nested else ()
    folders = [str(parent) for parent in parents if str(parent) != "."]
    owner = owners.owner((name, f"{name}/", *folders))
    if owner is not None:
        outcome.fail(
            f"{path} {name}",
            f"{path}: the name {name!r} is taken by {owner}; each result needs its own "
            "name, so rename one of them",
        )
        return False
    owners.add((name, *(f"{folder}/" for folder in folders)), str(path))
    return True


def sequence_hash(protein: Protein) -> str:
    """Return a hash of the protein's chains, in order."""
    text = ":".join(chain.sequence for chain in protein.chains)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def content_hash(protein: Protein) -> str:
    """Return a hash of all that a prediction may depend on: sequences, coordinates, ligands.

    Of a structure with pLDDT also these, by which 3Di letters are hidden.
    """
    digest = hashlib.sha256()
    for chain in protein.chains:
        names = "\0".join((chain.name, chain.sequence, *chain.numbers))
        digest.update(names.encode() + b"\0\0" + chain.coords.tobytes())
        if protein.plddt:
            digest.update(chain.bfactor.tobytes())
    for atoms in (protein.atoms, *(ligand.atoms for ligand in protein.ligands)):
        digest.update(atoms.pos.tobytes() + atoms.element.tobytes() + b"\0")
    return digest.hexdigest()[:32]


def windows(proteins: Iterable[Protein]) -> Iterator[list[Protein]]:
    """Yield lists of at most `WINDOW` proteins, longest first, so that memory fails early."""
    iterator = iter(proteins)
    while window := list(islice(iterator, WINDOW)):
        yield longest_first(window)


def longest_first(proteins: Iterable[Protein]) -> list[Protein]:
    """Return proteins in an order in which memory fails early, and neighbours are alike."""
    return sorted(proteins, key=len, reverse=True)


def batches(window: Sequence[Protein], budget: int) -> Iterator[list[Protein]]:
    """Yield batches of proteins of similar length whose padded tokens stay within the budget.

    A protein above the budget gets a batch of its own: nothing is cut or left out.
    """
    longest = [max(map(len, protein.chains)) for protein in window]
    chains = [len(protein.chains) for protein in window]
    for run in packed(longest, budget, chains):
        yield [window[at] for at in run]
