"""Turns the groups of atoms in a file into residues, and chooses one conformer of each."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zoo.proteins.files.components import component
from zoo.proteins.files.entry import AtomTable, Entry, Group
from zoo.proteins.protein import BACKBONE


@dataclass(frozen=True, eq=False)
class Residues:
    """R residues, ligands and waters in the order of the file, each in one conformer."""

    groups: list[Group]
    """(R) names and numbers of the conformer that is kept."""
    names: list[tuple[str, ...]]
    """(R) all residue names at the position; several names are microheterogeneity."""
    owner: NDArray[np.int64]
    """(A,) index of each atom's residue, -1 for atoms of other conformers."""
    place: NDArray[np.int64]
    """(A,) index of each atom's residue, in whichever conformer."""
    altlocs: NDArray[np.bool_]
    """(R,) whether the residue has alternate locations."""
    backbone: NDArray[np.float64]
    """(R, 4, 3) coordinates of N CA C O in angstrom, NaN for an atom that is missing."""
    bfactor: NDArray[np.float64]
    """(R,) B-factor of the CA."""


def residues(entry: Entry) -> Residues:
    """Return the residues of an entry, after joining and splitting groups and choosing conformers.

    The conformers of one residue may be two groups, and two residues may share one name and number.
    """
    at, groups, names = _places(entry)
    at, groups, names = _split_repeats(entry.atoms, at, groups, names)
    keep, altlocs = _conformers(entry.atoms, at, len(groups))
    for place in [place for place, several in enumerate(names) if len(several) > 1]:
        # Atoms without an alternate location belong to every name, so they do not decide it.
        own = (at == place) & keep & (entry.atoms.alt != "")
        groups[place] = entry.groups[entry.atoms.group[own][0]]
    owner = np.where(keep, at, -1)
    return Residues(groups, names, owner, at, altlocs, *_backbone(entry.atoms, owner, groups))


def _one_place(group: Group, other: Group) -> bool:
    """Return whether two groups agree in all but the residue name."""
    return group.number == other.number and group[:5] == other[:5]


def _places(entry: Entry) -> tuple[NDArray[np.int64], list[Group], list[tuple[str, ...]]]:
    """Join neighbouring groups with one residue number.

    These are conformers with different names (one residue), or names whose atoms are interleaved
    (one residue for each name).
    """
    if not any(map(_one_place, entry.groups, entry.groups[1:])):
        return entry.atoms.group, list(entry.groups), [(group.comp,) for group in entry.groups]
    groups: list[Group] = []
    names: list[tuple[str, ...]] = []
    place = np.empty(len(entry.groups), np.int64)
    for members in _neighbours(entry.groups):
        comps = tuple(dict.fromkeys(entry.groups[at].comp for at in members))
        together = len(comps) > 1 and _alternate(entry, members)
        for comp in comps[:1] if together else comps:
            mine = [at for at in members if together or entry.groups[at].comp == comp]
            place[mine] = len(groups)
            groups.append(entry.groups[mine[0]])
            names.append(comps if together else (comp,))
    return place[entry.atoms.group], groups, names


def _neighbours(groups: list[Group]) -> Iterator[list[int]]:
    """Yield runs of indices whose groups agree in all but the residue name."""
    run = [0]
    for at in range(1, len(groups)):
        if not _one_place(groups[at - 1], groups[at]):
            yield run
            run = []
        run.append(at)
    yield run


def _alternate(entry: Entry, members: list[int]) -> bool:
    """Return whether groups of several names are conformers of one residue.

    Each name has alternate locations then. Atoms that the conformers share, often N alone, have
    none and are listed under one name only.
    """
    start, stop = np.searchsorted(entry.atoms.group, [members[0], members[-1] + 1])
    alternate: dict[str, set[bool]] = defaultdict(set)
    groups, alts = entry.atoms.group[start:stop].tolist(), entry.atoms.alt[start:stop].tolist()
    for group, alt in zip(groups, alts, strict=True):
        alternate[entry.groups[group].comp].add(alt != "")
    sharing = sum(False in kinds for kinds in alternate.values())
    return sharing <= 1 and all(True in kinds for kinds in alternate.values())


def _split_repeats(
    atoms: AtomTable, owner: NDArray[np.int64], groups: list[Group], names: list[tuple[str, ...]]
) -> tuple[NDArray[np.int64], list[Group], list[tuple[str, ...]]]:
    """Split residues with a second CA, which are two neighbours with the same name and number."""
    ca = np.flatnonzero(atoms.name == "CA")
    counts = Counter(zip(owner[ca].tolist(), atoms.alt[ca].tolist(), strict=True))
    doubled = {place for (place, _), count in counts.items() if count > 1}
    if not doubled:
        return owner, groups, names
    seen: Counter[tuple[int, str, str]] = Counter()
    copies: dict[tuple[int, int], int] = {}
    new = np.empty_like(owner)
    rows = zip(owner.tolist(), atoms.name.tolist(), atoms.alt.tolist(), strict=True)
    for row, atom in enumerate(rows):
        copy = seen[atom] if atom[0] in doubled else 0
        seen[atom] += 1
        new[row] = copies.setdefault((atom[0], copy), len(copies))
    order = [place for place, _ in copies]
    return new, [groups[at] for at in order], [names[at] for at in order]


def _conformers(
    atoms: AtomTable, owner: NDArray[np.int64], size: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return (A,) which atoms are kept, and (R,) which residues have alternate locations.

    Of each residue the conformer of highest summed occupancy is kept; of equal ones, the first.
    """
    rows = np.flatnonzero(atoms.alt != "")
    sums: dict[int, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    places, alts = owner[rows].tolist(), atoms.alt[rows].tolist()
    for place, alt, occupancy in zip(places, alts, atoms.occupancy[rows].tolist(), strict=True):
        sums[place][alt] += occupancy
    best = {place: _highest(occupancies) for place, occupancies in sums.items()}
    keep = np.ones(len(owner), bool)
    keep[rows] = [best[place] == alt for place, alt in zip(places, alts, strict=True)]
    altlocs = np.zeros(size, bool)
    altlocs[[place for place, occupancies in sums.items() if len(occupancies) > 1]] = True
    return keep, altlocs


def _highest(occupancies: dict[str, float]) -> str:
    """Return the first name with the highest sum; rounding keeps equal sums equal."""
    return max(occupancies, key=lambda alt: round(occupancies[alt], 4))


def _backbone(
    atoms: AtomTable, owner: NDArray[np.int64], groups: list[Group]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the coordinates of N CA C O and the B-factor of CA.

    An atom called CA counts if it is a carbon or in an amino acid, so that calcium does not.
    """
    table, bfactor = np.full((len(groups), 4, 3), np.nan), np.full(len(groups), np.nan)
    amino = np.array([component(group.comp).amino for group in groups], bool)
    for column, name in enumerate(BACKBONE):
        rows = np.flatnonzero((atoms.name == name) & (owner >= 0))[::-1]
        if name == "CA":
            rows = rows[np.isin(atoms.element[rows], (0, 6)) | amino[owner[rows]]]
            bfactor[owner[rows]] = atoms.bfactor[rows]
        table[owner[rows], column] = atoms.pos[rows]  # rows are reversed, so the first atom stays
    table[~np.isfinite(table).all(-1)] = np.nan
    return table, np.where(np.isfinite(table[:, 1, 0]), bfactor, np.nan)
