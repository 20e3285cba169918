"""Collects the residues of each protein chain, at their positions in its sequence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from zoo.errors import StructureError
from zoo.proteins.files.components import component
from zoo.proteins.files.entry import Entry, Group
from zoo.proteins.files.placing import place
from zoo.proteins.files.residues import Residues
from zoo.proteins.files.roles import bonded


@dataclass(frozen=True, eq=False)
class Contents:
    """One model of a file, with its residues and the role of each."""

    entry: Entry
    found: Residues
    role: NDArray[np.str_]
    """(R,) role of each residue, one of those that `roles` returns."""
    use_label: bool
    """Whether chains are identified by mmCIF's label names instead of the author's."""

    def members(self, role: str) -> list[tuple[int, Group]]:
        """Return index and group of all residues with a role."""
        rows = np.flatnonzero(self.role == role).tolist()
        return [(at, self.found.groups[at]) for at in rows]

    def name(self, group: Group) -> str:
        """Return the chain name of a group: the label or the author's, as `use_label` says."""
        return group.label if self.use_label else group.chain


@dataclass(frozen=True, eq=False)
class Strand:
    """One protein chain whose sequence has L positions."""

    name: str
    listed: list[tuple[str, ...]]
    """(L) residue names of the deposited sequence at each position, or else those found."""
    at: NDArray[np.int64]
    """(L,) index of the residue found at each position, -1 if there is none."""
    comps: list[str]
    """(L) chemical component that each position is read as."""
    source: str
    """Source of the sequence, as in `ChainReport.sequence_source`."""
    unfit: list[str]
    """Label names of chains whose deposited sequence does not fit their residues."""
    misnumbered: dict[str, int]
    """Number of residues that `label_seq_id` misplaces, by the label name of their chain."""


def letter(entry: Entry, comp: str) -> str:
    """Return the one-letter code of a component or its parent, or X if neither is known."""
    known = component(comp).letter
    if known and known != "X":
        return known
    parents = [component(parent).letter for parent in entry.parents.get(comp, ())]
    return next((code for code in parents if code), "X")


def strands(content: Contents, wanted: Sequence[str] | None, full: bool) -> list[Strand]:
    """Return the wanted protein chains, or for None all of them in the order of the file.

    Args:
        content: One model of a file.
        wanted: Names of the chains.
        full: Whether to use the deposited sequence rather than the observed residues.

    Raises:
        StructureError: If a wanted chain is not in the file, or none of them is a protein.
    """
    chains: dict[str, list[int]] = {}
    for at, group in content.members("protein"):
        chains.setdefault(content.name(group), []).append(at)
    names = list(chains) if wanted is None else list(dict.fromkeys(wanted))
    present = {content.name(group) for group in content.found.groups}
    for name in names:
        if name not in present:
            raise StructureError(f"has no chain {name!r}; {_choices(content)}")
    chosen = [name for name in names if name in chains]
    if not chosen:
        raise StructureError(f"has no protein in chain {', '.join(names)}; {_choices(content)}")
    return [_strand(content, name, chains[name], full) for name in chosen]


def _choices(content: Contents) -> str:
    groups = [group for _, group in content.members("protein")]
    author = ", ".join(dict.fromkeys(group.chain for group in groups))
    label = ", ".join(dict.fromkeys(group.label for group in groups))
    return f"protein chains by author name: {author}; by label name: {label}"


def _strand(content: Contents, name: str, members: list[int], full: bool) -> Strand:
    """Return the polymers of one chain name joined, each matched to its own sequence."""
    entry, groups = content.entry, content.found.groups
    listed: list[tuple[str, ...]] = []
    at: list[int] = []
    sources, unfit, misnumbered = set(), [], {}
    for label, run in groupby(_in_order(groups, members), lambda index: groups[index].label):
        part = list(run)
        deposited = entry.listed.get(label) if full else None
        placing = place(
            deposited,
            [content.found.names[index] for index in part],
            [groups[index].seq for index in part],
            bonded(content.found.backbone[part]).tolist(),
        )
        index_at = dict(zip(placing.place, part, strict=True))
        at += [index_at.get(row, -1) for row in range(len(placing.names))]
        listed += placing.names
        sources.add(entry.sequence_source if placing.listed else "observed")
        unfit += [label] if deposited and not placing.listed else []
        if placing.listed and placing.misnumbered:
            misnumbered[label] = placing.misnumbered
    comps = [_comp(content.found, *pair) for pair in zip(listed, at, strict=True)]
    source = " and ".join(sorted(sources))
    return Strand(name, listed, np.array(at), comps, source, unfit, misnumbered)


def _in_order(groups: list[Group], members: list[int]) -> list[int]:
    """Return residues sorted by their mmCIF numbers; in the order of the file if one has none."""
    if not all(groups[at].seq for at in members):
        return members
    labels = list(dict.fromkeys(groups[at].label for at in members))
    return sorted(members, key=lambda at: (labels.index(groups[at].label), groups[at].seq))


def _comp(found: Residues, listed: tuple[str, ...], at: int) -> str:
    """Return the component found if the sequence lists it there, or else the listed one."""
    agrees = at >= 0 and not set(found.names[at]).isdisjoint(listed)
    return found.groups[at].comp if agrees else listed[0]
