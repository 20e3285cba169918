"""Parts sequences into those to train on and those to score, without homologs of test chains."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from zoo.errors import ConfigError
from zoo.pretraining.homology import families, kin
from zoo.system.reading import content

Named = Mapping[str, str]
Thing = TypeVar("Thing")


def divide(
    sequences: Named, tests: Iterable[str], chosen: Callable[[Named, Mapping[str, int]], set[int]]
) -> tuple[list[str], list[str], dict[str, int]]:
    """Return the names to train on and to score, and how many are neither for which reason.

    Homologs of test chains are left out with all of their families. Whole families are scored, and
    homologs of what is scored are not trained on.

    Args:
        sequences: Sequences by name.
        tests: Sequences of the test chains.
        chosen: Returns the families to score, from the sequences that are left and the number of
            each sequence's family.

    Raises:
        ConfigError: If MMseqs2 is not installed.
        ZooError: If MMseqs2 fails.
    """
    family = families(sequences) if sequences else {}
    near = kin(numbered(tests), sequences)
    lost = {family[name] for name in near}
    left = {name: s for name, s in sequences.items() if family[name] not in lost}
    scored = chosen(left, family)
    validation = {name: s for name, s in left.items() if family[name] in scored}
    train = {name: s for name, s in left.items() if family[name] not in scored}
    beside = kin(validation, train)
    counts = {"kin of a test chain": len(near),
              "of such a family": len(sequences) - len(left) - len(near),
              "kin of validation": len(beside)}  # fmt: skip
    return [name for name in train if name not in beside], [*validation], counts


def facts_before(path: Path, given: Mapping[str, Any], what: str) -> dict[str, Any] | None:
    """Return the facts that were written with an earlier choice; None if there was none.

    Args:
        path: File of the facts, in the folder of the choice.
        given: Hashes of what is to be chosen from.
        what: What the folder must have been made from, for the message.

    Raises:
        ConfigError: If it was made from something else.
    """
    if not path.is_file():
        return None
    facts: dict[str, Any] = json.loads(content(path))
    if facts["given"] != given:
        raise ConfigError(f"{path.parent} holds {what}. Give another --out, or delete that folder.")
    return facts


def numbered(things: Iterable[Thing]) -> dict[str, Thing]:
    """Return things by their place, for where names are asked for."""
    return {str(at): thing for at, thing in enumerate(things)}
