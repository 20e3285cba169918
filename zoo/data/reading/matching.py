"""Matches labels to the residues of a chain, by order and sequence and not by residue number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from zoo.data.reading.alignment import align
from zoo.data.samples import ChainMatch, DroppedSample
from zoo.proteins.protein import Chain

#: Smallest share of equal letters; labels that agree with fewer belong to another protein.
MIN_IDENTITY = 0.7


class Labels(NamedTuple):
    """The labels of one chain, in the order of their file."""

    letters: str
    values: NDArray[np.float32]
    """(R,) or (R, outputs), NaN where unknown."""
    numbers: tuple[str, ...] = ()
    """Residue numbers as written, without insertion codes; may repeat. Empty if there are none."""


class Matched(NamedTuple):
    """The labels matched to a chain of L residues."""

    places: NDArray[np.int64]
    """(R,) index of each label's residue in the chain's sequence, -1 if it has none."""
    values: NDArray[np.float32]
    """(L,) or (L, outputs) label of each residue, NaN where it has no label or no coordinates."""
    report: ChainMatch


def match(labels: Labels, chain: Chain, notes: Sequence[str] = ()) -> Matched:
    """Match each label to a residue of the chain.

    If the chain has coordinates, a label whose residue has none is counted as missing. A chain
    without any coordinates (only a sequence) keeps all labels.

    Args:
        labels: Labels in the order of their file.
        chain: Chain that they belong to.
        notes: Notes for the report.

    Raises:
        DroppedSample: If the aligned letters differ too often; names the chain and the identity.
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
    """Return (L,) which residues can carry a label: the resolved ones, or all if none is."""
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
