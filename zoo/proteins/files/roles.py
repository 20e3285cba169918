"""Decides the role of each residue: part of a protein chain, water, ligand, nucleic acid, cap."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from zoo.proteins.files.components import CAPS, component
from zoo.proteins.files.entry import Entry, Group
from zoo.proteins.files.residues import Residues
from zoo.proteins.protein import MAX_CA_STEP

#: Largest C-N distance in angstrom of bonded residues; it is 1.33, but unrelaxed models stretch it.
MAX_PEPTIDE_BOND = 2.0


def roles(entry: Entry, found: Residues) -> list[str]:
    """Return the role of each residue: protein, nucleic, other (polymer), water, cap or ligand.

    mmCIF states the type of each polymer. In other files a residue is part of a protein chain if it
    looks like an amino acid or is listed in SEQRES, and if its record is ATOM, or it lies between
    such residues or is bonded to them. So a free amino acid after the chain is a ligand. A cap such
    as ACE or NH2 is a residue only if the deposited sequence lists it.
    """
    result: list[str] = []
    for start, stop in _segments(found.groups):
        kind = entry.kinds.get(found.groups[start].label)
        if kind in (None, "none"):
            result += _guess(entry, found, start, stop, may_chain=kind is None)
        else:
            result += [kind or ""] * (stop - start)
    return result


def bonded(backbone: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return (R - 1,) whether each residue of (R, 4, 3) is bonded to the next."""
    bond = np.linalg.norm(backbone[1:, 0] - backbone[:-1, 2], axis=-1)
    step = np.linalg.norm(np.diff(backbone[:, 1], axis=0), axis=-1)
    near: NDArray[np.bool_] = np.where(
        np.isfinite(bond), bond <= MAX_PEPTIDE_BOND, step <= MAX_CA_STEP
    )
    return near


def _segments(groups: list[Group]) -> Iterator[tuple[int, int]]:
    """Yield start and stop of each run of residues under one chain name without a TER between."""
    start = 0
    for _, run in groupby(groups, key=lambda group: (group.part, group.chain, group.label)):
        stop = start + sum(1 for _ in run)
        yield start, stop
        start = stop


def _guess(entry: Entry, found: Residues, start: int, stop: int, may_chain: bool) -> list[str]:
    groups = found.groups[start:stop]
    result = [_alone(group) for group in groups]
    if not may_chain:
        return result
    bases = [at for at, group in enumerate(groups) if _is_base(group.comp, entry)]
    if len(bases) > 1:
        for at in bases:
            result[at] = "nucleic"
    for at in _chain_members(entry, found, start, stop):
        result[at] = "protein"
    return result


def _alone(group: Group) -> str:
    if component(group.comp).water:
        return "water"
    return "cap" if group.comp in CAPS else "ligand"


def _chain_members(entry: Entry, found: Residues, start: int, stop: int) -> list[int]:
    groups, backbone = found.groups[start:stop], found.backbone[start:stop]
    listed = {name for names in entry.listed.get(groups[0].label, ()) for name in names}
    complete = np.all(np.isfinite(backbone[:, :3]), axis=(1, 2)).tolist()
    looks = [_is_residue(g.comp, full, entry) for g, full in zip(groups, complete, strict=True)]
    if not any(looks):
        return []
    able = [
        at
        for at, group in enumerate(groups)
        if looks[at] or (group.comp in listed and not _is_base(group.comp, entry))
    ]
    sure = [not groups[at].het or _only_in_chains(groups[at].comp, listed) for at in able]
    return _grow(able, sure, bonded(backbone[able]).tolist())


def _is_residue(comp: str, complete: bool, entry: Entry) -> bool:
    known = component(comp)
    possible = complete and not (known.water or known.nucleic)
    parents = map(component, entry.parents.get(comp, ()))
    return known.amino or any(parent.amino for parent in parents) or possible


def _is_base(comp: str, entry: Entry) -> bool:
    """Return whether a residue is a nucleotide, or has one as its parent in MODRES."""
    parents = map(component, entry.parents.get(comp, ()))
    return component(comp).nucleic or any(parent.nucleic for parent in parents)


def _only_in_chains(comp: str, listed: set[str]) -> bool:
    """Return whether SEQRES lists a residue that is not a standard one, which may be a ligand."""
    return comp in listed and (not component(comp).amino or component(comp).modified)


def _grow(able: list[int], sure: list[bool], bond: list[bool]) -> list[int]:
    """Return all residues from the first sure one to the last, and those bonded to either end."""
    if any(sure):
        first, last = sure.index(True), len(sure) - 1 - sure[::-1].index(True)
    elif any(bond):  # a chain of HETATM records only
        first = bond.index(True)
        last = first + 1
    else:
        return []
    while first > 0 and bond[first - 1]:
        first -= 1
    while last < len(able) - 1 and bond[last]:
        last += 1
    return able[first : last + 1]
