"""Which residue of a chain each label belongs to: by order and sequence, not by number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from zoo.proteins.protein import Chain
from zoo.tasks.reading.alignment import align
from zoo.tasks.samples import ChainMatch, DroppedSample

#: Labels that fit worse than this belong to another protein.
MIN_IDENTITY = 0.7


class Labels(NamedTuple):
    """The labels of one chain, in the order of their file."""

    letters: str
    values: NDArray[np.float32]
    """(R,) or (R, outputs), NaN where unknown."""
    numbers: tuple[str, ...] = ()
    """As written, without insertion codes; may repeat. Empty where the source has none."""


class Matched(NamedTuple):
    """Labels laid out along a chain of L residues."""

    places: NDArray[np.int64]
    """(R,) index into the chain's sequence, -1 for a label that is nowhere in it."""
    values: NDArray[np.float32]
    """(L,) or (L, outputs), NaN where there is no label or no coordinates."""
    report: ChainMatch


def match(labels: Labels, chain: Chain, notes: Sequence[str] = ()) -> Matched:
    """Give each label its residue.

    A chain without any coordinates (a sequence) keeps every label; elsewhere a label whose
    residue has none is counted as missing.

    Raises:
        DroppedSample: if the aligned letters differ too often; names the chain and the identity.
    """
    places = place(labels, chain)
    found = np.flatnonzero(places >= 0)
    ours = np.array(list(labels.letters), "<U1")[found]
    theirs = np.array(list(chain.sequence), "<U1")[places[found]]
    _check_identity(ours, theirs, labels, chain)
    usable = usable_residues(chain)
    kept = usable[places[found]]
    values = np.full((len(chain), *labels.values.shape[1:]), np.nan, np.float32)
    values[places[found][kept]] = labels.values[found][kept]
    finite = np.isfinite(labels.values.reshape(len(places), -1))
    known: NDArray[np.bool_] = np.any(finite, axis=1)
    labelled, taken = int(known.sum()), int(known[found][kept].sum())
    report = ChainMatch(
        chain=chain.name,
        labelled=labelled,
        matched=taken,
        missing=labelled - taken,
        unlabelled=int(usable.sum()) - taken,
        mutated=int((ours != theirs)[kept].sum()),
        modified=len(chain.report.modified),
        notes=tuple(notes),
    )
    return Matched(places, values, report)


def usable_residues(chain: Chain) -> NDArray[np.bool_]:
    """Return (L,) the residues that can carry a label: the resolved, or all of a sequence."""
    resolved = chain.resolved
    return resolved if resolved.any() else np.ones(len(chain), np.bool_)


def place(labels: Labels, chain: Chain) -> NDArray[np.int64]:
    """Return (R,) the index of each label's residue in the chain's sequence, or -1."""
    letters = labels.letters
    if letters == chain.sequence:
        return np.arange(len(letters))
    resolved = np.flatnonzero(chain.resolved)
    if letters == "".join(chain.sequence[at] for at in resolved):
        return resolved
    return align(letters, chain.sequence, labels.numbers, chain.numbers)


def _check_identity(
    ours: NDArray[np.str_], theirs: NDArray[np.str_], labels: Labels, chain: Chain
) -> None:
    same = float((ours == theirs).mean()) if len(ours) else 0.0
    if same < MIN_IDENTITY:
        raise DroppedSample(
            f"chain {chain.name}: the labels are for another sequence: {same:.0%} of the "
            f"{len(ours)} aligned residues agree ({len(labels.letters)} labels, "
            f"{len(chain)} residues); at least {MIN_IDENTITY:.0%} must"
        )
