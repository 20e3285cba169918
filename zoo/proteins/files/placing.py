"""Finds the position of each residue with coordinates in the deposited sequence."""

from __future__ import annotations

import re
from typing import NamedTuple

import gemmi

#: Smallest share of equal residues; with fewer, the sequence belongs to another molecule.
MIN_IDENTITY = 0.5
#: Share of residues with the name at their mmCIF number below which the numbers may be wrong.
MIN_NUMBERED_IDENTITY = 0.9


class Placing(NamedTuple):
    """A sequence of L positions, and the position of each of the R residues found."""

    names: list[tuple[str, ...]]
    """(L) residue names at each position."""
    place: list[int]
    """(R) position of each residue, from 0."""
    listed: bool
    """Whether the deposited sequence was used."""
    same: int
    """Number of residues that the sequence lists at their position."""
    misnumbered: int = 0
    """Number of residues that it does not list at their mmCIF number, if those are not believed."""


def place(
    listed: list[tuple[str, ...]] | None,
    found: list[tuple[str, ...]],
    numbers: list[int],
    bonds: list[bool],
) -> Placing:
    """Return the positions of residues: their mmCIF sequence numbers, or else by alignment.

    Numbers are held against the names, because some programs count modelled residues only.

    Args:
        listed: (L) residue names at each position of the deposited sequence; None if there is none.
        found: (R) names of each residue with coordinates.
        numbers: (R) mmCIF sequence number of each residue, from 1; 0 if unknown.
        bonds: (R - 1) whether each residue is bonded to the next; gaps are cheap where it is not.
    """
    if not listed:
        return _observed(found)
    ascending = all(a < b for a, b in zip([0, *numbers], numbers, strict=False))
    if not ascending or numbers[-1] > len(listed):
        return _align(listed, found, bonds)
    numbered = _numbered(listed, found, numbers)
    if not _doubtful(numbers, numbered.same):
        return numbered
    aligned = _align(listed, found, bonds)
    fits = numbered.same >= MIN_IDENTITY * len(found)
    if aligned.same <= numbered.same and (aligned.listed or fits):
        return numbered
    return aligned._replace(misnumbered=len(found) - numbered.same)


def _numbered(
    listed: list[tuple[str, ...]], found: list[tuple[str, ...]], numbers: list[int]
) -> Placing:
    pairs = zip(numbers, found, strict=True)
    same = sum(not set(listed[number - 1]).isdisjoint(names) for number, names in pairs)
    return Placing(listed, [number - 1 for number in numbers], True, same)


def _doubtful(numbers: list[int], same: int) -> bool:
    """Return whether an alignment is tried, and believed if more names agree with it.

    Numbers that skip nothing know of no residue without coordinates. Others do, and a few
    residues with another name are point mutations.
    """
    if same == len(numbers):
        return False
    skips_nothing = numbers[-1] - numbers[0] + 1 == len(numbers)
    return skips_nothing or same < MIN_NUMBERED_IDENTITY * len(numbers)


def _observed(found: list[tuple[str, ...]]) -> Placing:
    return Placing(found, list(range(len(found))), False, 0)


def _align(
    listed: list[tuple[str, ...]], found: list[tuple[str, ...]], bonds: list[bool]
) -> Placing:
    """Align with gemmi; a residue that is not in the sequence gets a position of its own."""
    scoring = gemmi.AlignmentScoring("p")
    scoring.mismatch, scoring.gapo, scoring.gape = -60, -250, -1
    gaps = [0, *(scoring.bad_gapo if bond else scoring.good_gapo for bond in bonds), 0]
    heads = [names[0] for names in listed], [names[0] for names in found]
    cigar = gemmi.align_string_sequences(*heads, gaps, scoring).cigar_str()
    names: list[tuple[str, ...]] = []
    places: list[int] = []
    same = at = 0
    for count, step in re.findall(r"(\d+)([MID])", cigar):
        for _ in range(int(count)):
            extra = step == "D"
            if step != "I":
                same += not extra and listed[at][0] in found[len(places)]
                places.append(len(names))
            names.append(found[len(places) - 1] if extra else listed[at])
            at += not extra
    if same < MIN_IDENTITY * len(found):
        return _observed(found)
    return Placing(names, places, True, same)
