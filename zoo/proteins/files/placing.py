"""Finds the position of each residue with coordinates in the deposited sequence."""

from __future__ import annotations

import re
from typing import NamedTuple

import gemmi

#: Smallest share of equal residues; with fewer, the sequence belongs to another molecule.
MIN_IDENTITY = 0.5


class Placing(NamedTuple):
    """A sequence of L positions, and the position of each of the R residues found."""

    names: list[tuple[str, ...]]
    """(L) residue names at each position."""
    place: list[int]
    """(R) position of each residue, from 0."""
    listed: bool
    """Whether the deposited sequence was used."""


def place(
    listed: list[tuple[str, ...]] | None,
    found: list[tuple[str, ...]],
    numbers: list[int],
    bonds: list[bool],
) -> Placing:
    """Return the positions of residues: their mmCIF sequence numbers, or else by alignment.

    Args:
        listed: (L) residue names at each position of the deposited sequence; None if there is none.
        found: (R) names of each residue with coordinates.
        numbers: (R) mmCIF sequence number of each residue, from 1; 0 if unknown.
        bonds: (R - 1) whether each residue is bonded to the next; gaps are cheap where it is not.
    """
    if not listed:
        return Placing(found, list(range(len(found))), False)
    ascending = all(a < b for a, b in zip([0, *numbers], numbers, strict=False))
    if ascending and numbers[-1] <= len(listed):
        return Placing(listed, [number - 1 for number in numbers], True)
    return _align(listed, found, bonds)


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
        return Placing(found, list(range(len(found))), False)
    return Placing(names, places, True)
