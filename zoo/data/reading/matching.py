"""Matches labels to the residues of a chain: by residue number where these agree, else by sequence.

Numbers agree if the residues that they name have the letters of the labels. Labels then find their
residues in any order, however few there are. Otherwise the letters are aligned.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from zoo.data.reading.alignment import align
from zoo.data.samples import ChainMatch, DroppedSample
from zoo.proteins.protein import Chain
from zoo.system.counting import counted

#: Smallest share of equal letters; labels that agree with fewer belong to another protein.
MIN_IDENTITY = 0.7
#: Smallest share of the labels that must find a residue when letters are aligned; and of a chain's
#: residues that must have a label where their numbers are wrong, as a few letters fit anywhere.
MIN_COVERAGE = 0.5
#: Letters in a row that nobody finds in a chain by chance, whatever their numbers say.
CERTAIN = 10
#: Smallest share of equal letters with which residue numbers are believed.
MIN_AGREEMENT = 0.9
#: Labels without a residue that a note shows.
SHOWN = 5


class Labels(NamedTuple):
    """The labels of one chain, in the order of their file."""

    letters: str
    values: NDArray[np.float32]
    """(R,) or (R, outputs), NaN where unknown."""
    numbers: tuple[str, ...] = ()
    """Residue numbers as written, such as "52" or "52A"; may repeat. Empty if there are none."""


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
    by_number = _by_number(labels, chain)
    places = _aligned(labels, chain) if by_number is None else by_number
    odd = _odd_numbers(labels, chain) if by_number is None else ""
    found = np.flatnonzero(places >= 0)
    ours = np.array(list(labels.letters), "<U1")[found]
    theirs = np.array(list(chain.sequence), "<U1")[places[found]]
    _check_identity(ours, theirs, labels, chain, odd)
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
        notes=(
            *notes,
            *([f"{odd}, so the letters were aligned"] if odd else []),
            *_homeless(labels, places, known),
        ),
    )
    return Matched(places, values, report)


def usable_residues(chain: Chain) -> NDArray[np.bool_]:
    """Return (L,) which residues can carry a label: the resolved ones, or all if none is."""
    resolved = chain.resolved
    return resolved if resolved.any() else np.ones(len(chain), np.bool_)


def place(labels: Labels, chain: Chain) -> NDArray[np.int64]:
    """Return (R,) the index of each label's residue in the chain's sequence, or -1."""
    found = _by_number(labels, chain)
    return _aligned(labels, chain) if found is None else found


def _aligned(labels: Labels, chain: Chain) -> NDArray[np.int64]:
    """Return (R,) the index of the residue that each label's letter is aligned with, or -1."""
    letters = labels.letters
    if letters == chain.sequence:
        return np.arange(len(letters))
    resolved = np.flatnonzero(chain.resolved)
    if letters == "".join(chain.sequence[at] for at in resolved):
        return resolved
    return _by_letters(labels, chain)


def _by_number(labels: Labels, chain: Chain) -> NDArray[np.int64] | None:
    """Return the residue that each label's number names; None if the numbers do not agree.

    They agree if at least half of the labels name a residue, no two the same one, and the letters
    of nearly all are equal.
    """
    names = chain.numbers if any(chain.numbers) else [str(at + 1) for at in range(len(chain))]
    once = {name: at for at, name in enumerate(names) if name}
    if not labels.numbers or len(once) < sum(map(bool, names)):
        return None
    places = np.array([once.get(number, -1) for number in labels.numbers], np.int64)
    known = np.flatnonzero(places >= 0)
    if len(known) < max(1, len(places) / 2) or len(set(places[known])) < len(known):
        return None
    same = sum(labels.letters[at] == chain.sequence[places[at]] for at in known)
    return places if same >= MIN_AGREEMENT * len(known) else None


def _odd_numbers(labels: Labels, chain: Chain) -> str:
    """Return a sentence about residue numbers that name other residues; "" if there are none."""
    theirs = [name for name in chain.numbers if name]
    ours = [number for number in labels.numbers if number]
    if not ours or not theirs:
        return ""
    letters = dict(zip(chain.numbers, chain.sequence, strict=True))
    same = sum(letters.get(number) == letter
               for number, letter in zip(labels.numbers, labels.letters, strict=True))  # fmt: skip
    return (
        f"the residue numbers of the labels ({ours[0]} to {ours[-1]}) do not fit those of the "
        f"structure ({theirs[0]} to {theirs[-1]}); only {same} of {len(ours)} labels have the "
        "letter that is there"
    )


def _by_letters(labels: Labels, chain: Chain) -> NDArray[np.int64]:
    """Align the labels in the order of their file, and, if that differs, of their numbers."""
    straight = align(labels.letters, chain.sequence, labels.numbers, chain.numbers)
    order = np.array(sorted(range(len(labels.numbers)), key=lambda at: _key(labels.numbers[at])))
    if (order == np.arange(len(order))).all():
        return straight
    letters = "".join(labels.letters[at] for at in order)
    numbers = [labels.numbers[at] for at in order]
    by_number = np.full(len(straight), -1, np.int64)
    by_number[order] = align(letters, chain.sequence, numbers, chain.numbers)
    return max(straight, by_number, key=lambda places: _equal(labels, chain, places))


def _key(number: str) -> tuple[int, str]:
    """Return what sorts "9", "10", "10A", "10B" in this order."""
    found = re.match(r"-?\d+", number)
    return (int(found.group()), number[found.end() :]) if found else (0, "")


def _equal(labels: Labels, chain: Chain, places: NDArray[np.int64]) -> int:
    pairs = zip(labels.letters, places, strict=True)
    return sum(at >= 0 and letter == chain.sequence[at] for letter, at in pairs)


def _homeless(
    labels: Labels, places: NDArray[np.int64], known: NDArray[np.bool_]
) -> tuple[str, ...]:
    """Return a note on the labels that name no residue of the chain, if there are any."""
    rows = np.flatnonzero((places < 0) & known)
    if not len(rows):
        return ()
    names = [
        f"{labels.letters[at]}{labels.numbers[at] if labels.numbers else f' (row {at + 1})'}"
        for at in rows[:SHOWN]
    ]
    more = ", ..." if len(rows) > SHOWN else ""
    which = counted(len(rows), "label names", "labels name")
    return (f"{which} no residue of the chain: {', '.join(names)}{more}",)


def _check_identity(
    ours: NDArray[np.str_], theirs: NDArray[np.str_], labels: Labels, chain: Chain, odd: str
) -> None:
    piece = len(labels.letters) >= CERTAIN and labels.letters in chain.sequence
    few = bool(odd) and not piece and len(ours) < MIN_COVERAGE * len(chain)
    if few and len(labels.letters) < MIN_COVERAGE * len(chain):
        raise DroppedSample(
            f"chain {chain.name}: {odd}, and {len(labels.letters)} letters are too few to find "
            f"their places in a chain of {len(chain)}; at least {MIN_COVERAGE:.0%} of its residues "
            "must have a label then"
        )
    why = f"; {odd}" if odd else ""
    same = float((ours == theirs).mean()) if len(ours) else 0.0
    if same >= MIN_IDENTITY and (few or len(ours) < MIN_COVERAGE * len(labels.letters)):
        need = "of its residues must have a label" if few else "must"
        raise DroppedSample(
            f"chain {chain.name}: only {len(ours)} of {len(labels.letters)} labels find a residue "
            f"in its {len(chain)}; at least {MIN_COVERAGE:.0%} {need}{why}. Are they in the order "
            "of the chain, or do they have its residue numbers?"
        )
    if same < MIN_IDENTITY:
        agree = (
            f"{same:.0%} of the {counted(len(ours), 'aligned residue')} agree"
            if len(ours)
            else "none agrees"
        )
        raise DroppedSample(
            f"chain {chain.name}: the labels are for another sequence: {agree} "
            f"({counted(len(labels.letters), 'label')}, {counted(len(chain), 'residue')}); "
            f"at least {MIN_IDENTITY:.0%} must{why}"
        )
