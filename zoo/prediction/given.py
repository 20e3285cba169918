"""What a function is given to predict for: paths, folders, globs, proteins, or a list of these."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator

from zoo.errors import ConfigError, FailedInputsWarning, ZooError
from zoo.prediction.inputs import Outcome
from zoo.prediction.listing import Input
from zoo.prediction.paths import Say, find_inputs, quiet
from zoo.proteins.given import Given, each_given
from zoo.proteins.protein import Protein

VALID = "Valid: a path, folder or glob, the name of a structure, a Protein, or a list of these."


def gather(inputs: Given | Iterable[Given], say: Say = quiet) -> list[Input | Protein]:
    """Return the files and proteins that are meant, each once, in the order of the arguments.

    A text is what it is on the command line of `zoo predict`, see `find_inputs`.

    Args:
        inputs: What was given.
        say: Called with a line on each structure that is fetched by its name.

    Raises:
        StructureError: If a path, folder or glob matches no file.
        FetchError: If a structure is given by name and cannot be fetched.
        ConfigError: If there is nothing, or something that is neither a path nor a protein.
    """
    found: dict[object, Input | Protein] = {}
    for one in each_given(inputs, VALID):
        if isinstance(one, Protein):
            found[id(one)] = one
        else:
            files = find_inputs([os.fspath(one)], say=say)
            found |= {(file.path, file.chains): file for file in files}
    if not found:
        raise ConfigError(f"The list of inputs is empty. {VALID}")
    return list(found.values())


def noted(proteins: Iterable[Protein], names: list[str]) -> Iterator[Protein]:
    """Yield proteins, and add the name of each to `names`: batches are in another order."""
    for protein in proteins:
        names.append(protein.name)
        yield protein


def failures(outcome: Outcome, what: str) -> dict[str, str]:
    """Return the reason of each failure, by input, after a warning that counts them.

    Args:
        outcome: What became of the inputs.
        what: What the inputs did not get, as "predicted".

    Raises:
        ZooError: If every input failed; with the reason, or the first of them.
    """
    failed = {name.strip(): reason for name, reason in outcome.failed.items()}
    if not failed:
        return failed
    first = next(iter(failed.values()))
    if not outcome.written:
        many = f"None of {len(failed)} inputs could be {what}. The first: " * (len(failed) > 1)
        raise ZooError(f"{many}{first}")
    warnings.warn(
        f"{len(failed)} of {outcome.given} inputs could not be {what}. The first: {first}",
        FailedInputsWarning, stacklevel=3,
    )  # fmt: skip
    return failed
