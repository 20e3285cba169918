"""Predict proteins batch by batch, with a reason for each one that cannot be predicted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from zoo.models.headroom import Headroom
from zoo.prediction.attempts import attempted
from zoo.prediction.ensemble import Ensemble, Estimate
from zoo.prediction.inputs import Outcome, batches, windows
from zoo.proteins.protein import Protein

Estimates = Mapping[str, Estimate]


class Estimator:
    """Models that predict, as far as memory holds the proteins.

    Args:
        ensemble: Models that predict.
        outcome: Counts to add failures to.
    """

    def __init__(self, ensemble: Ensemble, outcome: Outcome) -> None:
        self._ensemble, self._outcome = ensemble, outcome
        self._headroom = Headroom(ensemble.models[0], ensemble.device)

    def estimate(self, proteins: Sequence[Protein]) -> Iterator[tuple[Protein, Estimates]]:
        """Yield the proteins of a batch with their estimates; those that fail are noted."""
        for some, found in attempted(proteins, self._predict, self._outcome):
            yield from zip(some, found, strict=True)

    def _predict(self, proteins: Sequence[Protein]) -> Sequence[Estimates]:
        self._headroom.check(proteins)
        return self._ensemble.predict(proteins)


def batched(proteins: Iterable[Protein], tokens: int) -> Iterator[list[Protein]]:
    """Yield the batches of all windows, see `windows` and `batches`."""
    for window in windows(proteins):
        yield from batches(window, tokens)
