"""Run a batch of proteins; where that fails, run them one by one, and note those that fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from zoo.errors import ZooError
from zoo.models.headroom import ADVICE
from zoo.prediction.inputs import Outcome
from zoo.proteins.protein import Protein
from zoo.system.memory import out_of_memory

Result = TypeVar("Result")


def attempted(
    proteins: Sequence[Protein], work: Callable[[Sequence[Protein]], Result], outcome: Outcome
) -> Iterator[tuple[Sequence[Protein], Result]]:
    """Yield proteins and what `work` returns for them: one batch, or one by one if that fails.

    A protein that the model refuses, or that memory does not hold, is noted as failed.
    """
    try:
        result = work(proteins)
    except ZooError as error:
        reason = str(error)
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
        reason = f"{proteins[0].name}: memory ran out over {len(proteins[0]):,} residues. {ADVICE}"
    else:
        yield proteins, result
        return
    if len(proteins) == 1:  # outside the handlers, which keep memory of the failure alive
        outcome.fail(f"{proteins[0].source} {proteins[0].name}", reason)
        return
    for protein in proteins:
        yield from attempted([protein], work, outcome)
