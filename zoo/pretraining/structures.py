"""Chooses chains with known structures to train on, and some of other families to score."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from zoo.errors import DataError, StructureError
from zoo.pretraining.carrying import carried
from zoo.pretraining.corpus import SHORTEST, Corpus, hashed
from zoo.pretraining.homology import kin
from zoo.pretraining.letters import Lettered, lettered
from zoo.pretraining.parting import divide, facts_before, numbered
from zoo.proteins.protein import Protein
from zoo.proteins.records import read_records
from zoo.system.files import write_json
from zoo.system.reading import content

CHAINS, FACTS = "chains.json", "structures.json"
Named = dict[str, Lettered]


@dataclass(frozen=True)
class Structures:
    """Chains with their letters to train on, relatives among them, and to score; the choice."""

    train: list[Lettered]
    validation: list[Lettered]
    facts: dict[str, Any]

    @property
    def stamp(self) -> str:
        """Hash of what they were chosen from: other chains have another one."""
        return hashed(json.dumps(self.facts["given"], sort_keys=True).encode())


def choose(files: Sequence[Path], tests: Sequence[str], corpus: Corpus, out: Path) -> Structures:
    """Return the chains of some structure files, and choose them first if that was not done yet.

    Homologs of test chains (E <= 0.001) are left out with all of their families, as from a corpus.
    Homologs of the corpus's validation sequences, with their families, are scored and not trained
    on; chains that are related to these are left out. Relatives of the chains in the corpus take
    their letters.

    Args:
        files: Structure files.
        tests: Sequences of the test chains.
        corpus: The sequences that are trained on as well.
        out: Folder for the chains and the counts.

    Raises:
        ConfigError: If MMseqs2 is not installed, or the folder holds chains of other files.
        DataError: If no chain is left to train on.
    """
    sequences = [*corpus.train, "", *corpus.validation]
    texts = {"files": map(_hash_of, files), "tests": tests, "corpus": sequences}
    given = {name: hashed("\n".join(lines).encode()) for name, lines in texts.items()}
    before = facts_before(
        out / FACTS, given, "the chains of other structures, other test chains or another corpus"
    )
    if before is not None:
        return _read(out, before)
    chains, counts = _usable(_records(files))
    train, validation, lost = _parted(chains, tests, corpus.validation)
    counts |= lost
    if not train:
        told = ", ".join(f"{count:,} {reason}" for reason, count in counts.items() if count)
        raise DataError(
            f"Of {len(files):,} structure files, no chain is left to train on ({told}). Name files "
            f"of the whole backbone, with {SHORTEST} residues or more that are not related to "
            "the test chains."
        )
    scored = {name: chain.sequence for name, chain in validation.items()}
    relatives = numbered(carried(train, numbered(corpus.train), scored))
    parts = {"train": train, "relatives": relatives, "validation": validation}
    return _write(out, {"given": given, "counts": counts}, parts)


def _hash_of(file: Path) -> str:
    try:
        return hashed(content(file, most=None))
    except OSError:  # `read_records` says what is wrong
        return ""


def _records(files: Iterable[Path]) -> Iterator[Protein | StructureError]:
    """Yield the proteins of each file, or the reason why it cannot be read."""
    for file in files:
        try:
            yield from read_records(file)
        except StructureError as error:
            yield error


def _usable(records: Iterable[Protein | StructureError]) -> tuple[Named, dict[str, int]]:
    """Return the distinct usable chains by name, and how many were left out for which reason."""
    found: dict[str, tuple[str, Lettered]] = {}
    counts = {"read": 0, "cannot be read": 0, "short": 0, "no whole backbone": 0, "repeated": 0}
    for record in records:
        if isinstance(record, StructureError):
            counts["read"] += 1
            counts["cannot be read"] += 1
            continue
        for chain, own in zip(record.chains, lettered(record), strict=True):
            counts["read"] += 1
            if len(chain) < SHORTEST:
                counts["short"] += 1
            elif own.known < SHORTEST:
                counts["no whole backbone"] += 1
            elif chain.sequence in found:
                counts["repeated"] += 1
            else:
                found[chain.sequence] = f"{len(found)}|{record.name}_{chain.name}", own
    return dict(found.values()), counts


def _parted(
    chains: Named, tests: Sequence[str], held_out: Sequence[str]
) -> tuple[Named, Named, dict[str, int]]:
    """Return the chains to train on and to score, and how many are neither and why."""
    train, validation, counts = divide(
        {name: chain.sequence for name, chain in chains.items()}, tests,
        lambda left, family: {family[name] for name in kin(numbered(held_out), left)},
    )  # fmt: skip
    own, scored = ({name: chains[name] for name in names} for names in (train, validation))
    return own, scored, counts


def _write(out: Path, facts: dict[str, Any], parts: Mapping[str, Named]) -> Structures:
    out.mkdir(parents=True, exist_ok=True)
    facts |= {
        part: {"chains": len(own), "residues": sum(x.known for x in own.values())}
        for part, own in parts.items()
    }
    write_json(out / CHAINS, {
        part: {name: asdict(chain) for name, chain in own.items()} for part, own in parts.items()
    })  # fmt: skip
    write_json(out / FACTS, facts)  # last: it marks the folder as complete
    return _structures(parts, facts)


def _read(out: Path, facts: dict[str, Any]) -> Structures:
    held = json.loads(content(out / CHAINS, most=None))
    return _structures(
        {
            part: {name: Lettered(**chain) for name, chain in own.items()}
            for part, own in held.items()
        },
        facts,
    )


def _structures(parts: Mapping[str, Named], facts: dict[str, Any]) -> Structures:
    train = [*parts["train"].values(), *parts["relatives"].values()]
    return Structures(train, [*parts["validation"].values()], facts)
