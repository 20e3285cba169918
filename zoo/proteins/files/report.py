"""Writes the report on each chain of a file, and the notes on the rest of its content."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from zoo.proteins.files.components import component
from zoo.proteins.files.entry import Group
from zoo.proteins.files.strands import Contents, Strand, letter
from zoo.proteins.protein import BACKBONE, Chain, ChainReport
from zoo.system.counting import counted

#: Largest number of cases that a note names; it counts the rest.
MOST_CASES = 10


def chain_report(content: Contents, strand: Strand, chain: Chain) -> ChainReport:
    """Return the report on a chain, from its residues in the file and its finished record."""
    found, present = content.found, strand.at >= 0
    members = strand.at[present]
    resolved = chain.resolved
    finite = np.all(np.isfinite(chain.coords), axis=-1)
    ca_only = bool(resolved.any() and not finite[:, [0, 2, 3]].any())
    author = {found.groups[at].chain for at in members}
    owned = found.owner[(content.entry.atoms.element == 1) & (found.owner >= 0)]
    lacking = [] if ca_only else np.flatnonzero(resolved & ~np.all(finite, axis=1)).tolist()
    without_ca = np.flatnonzero(present & ~resolved).tolist()
    modified, unknown = _unusual(content, strand)
    return ChainReport(
        resolved=int(resolved.sum()),
        unresolved=tuple(_ranges(np.flatnonzero(~present))),
        breaks=max(int(chain.segments.max()), 0),
        modified=modified,
        unknown=unknown,
        missing_atoms=tuple(f"{_at(content, strand, p)}: {_lacking(finite[p])}" for p in lacking),
        without_ca=tuple(_at(content, strand, p) for p in without_ca),
        altlocs=int(found.altlocs[members].sum()),
        insertions=sum(found.groups[at].number[-1:].isalpha() for at in members),
        hydrogens=int(np.isin(owned, members).sum()),
        waters=sum(group.chain in author for _, group in content.members("water")),
        ligands=tuple(_name(g) for _, g in content.members("ligand") if g.chain in author),
        ca_only=ca_only,
        sequence_source=strand.source,
        notes=tuple(_chain_notes(content, strand, author)),
    )


def _unusual(content: Contents, strand: Strand) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the modified residues with their parents, and the residues read as X."""
    modified, unknown = [], []
    for row, comp in enumerate(strand.comps):
        code = letter(content.entry, comp)
        if code == "X":
            unknown.append(_at(content, strand, row))
        elif component(comp).modified or not component(comp).letter:
            modified.append(f"{_at(content, strand, row)} -> {code}")
    return tuple(modified), tuple(unknown)


def _at(content: Contents, strand: Strand, row: int) -> str:
    """Return a residue's name with the author's number, or its position from 1 if unresolved."""
    index = strand.at[row]
    where = content.found.groups[index].number if index >= 0 else f"(place {row + 1})"
    return f"{strand.comps[row]} {where}"


def _name(group: Group) -> str:
    return f"{group.comp} {group.number}".strip()


def _lacking(finite: NDArray[np.bool_]) -> str:
    return " ".join(name for name, is_there in zip(BACKBONE, finite, strict=True) if not is_there)


def _ranges(places: NDArray[np.int64]) -> Iterator[str]:
    """Yield runs of successive positions, counted from 1, as "1-5"."""
    for run in np.split(places, np.flatnonzero(np.diff(places) > 1) + 1):
        if len(run):
            yield f"{run[0] + 1}-{run[-1] + 1}" if len(run) > 1 else f"{run[0] + 1}"


def _some(cases: Iterable[str]) -> str:
    """Return the distinct cases in one line; it names the first ones and counts the others."""
    distinct = list(dict.fromkeys(cases))
    more = len(distinct) - MOST_CASES
    return ", ".join(distinct[:MOST_CASES]) + (f" and {more} more" if more > 0 else "")


def _chain_notes(content: Contents, strand: Strand, author: set[str]) -> Iterator[str]:
    found, entry = content.found, content.entry
    pairs = [(p, int(at)) for p, at in enumerate(strand.at) if at >= 0]
    groups = [found.groups[at] for _, at in pairs]
    pieces = {(group.part, group.label) for group in groups}
    if len(pieces) > 1:
        yield f"{len(pieces)} pieces apart (TER or polymer) carry this name and are joined"
    if strand.unfit:
        yield f"the listed sequence of chain {', '.join(strand.unfit)} does not fit and is not used"
    for label, count in strand.misnumbered.items():
        residues = counted(count, "residue")
        yield (
            f"label_seq_id of chain {label} contradicts {entry.sequence_source} at {residues}, so "
            "the residues are placed by alignment"
        )
    wrong = [
        f"place {p + 1} lists {strand.listed[p][0]}, the coordinates have {_name(found.groups[at])}"
        for p, at in pairs
        if set(found.names[at]).isdisjoint(strand.listed[p])
    ]
    if wrong:
        yield f"sequence and coordinates disagree, the sequence is kept: {_some(wrong)}"
    for _, at in pairs:
        if len(found.names[at]) > 1:
            others = ", ".join(n for n in found.names[at] if n != found.groups[at].comp)
            yield f"{_name(found.groups[at])} stands for several residues; {others} left out"
    for comp in dict.fromkeys(strand.comps):
        if len(entry.parents.get(comp, ())) > 1:
            code = letter(entry, comp)
            yield f"{comp} is made of {' '.join(entry.parents[comp])} and read as {code}"
    caps = [_name(group) for _, group in content.members("cap") if group.chain in author]
    if caps:
        yield f"caps are no residues and left out: {_some(caps)}"


def file_notes(content: Contents) -> Iterator[str]:
    """Yield notes on what a file holds beside its protein chains."""
    yield from _other_polymers(content)
    if "protein" not in content.role:
        for role in ("ligand", "water"):
            names = [_name(group) for _, group in content.members(role)]
            if names:
                yield f"{counted(len(names), role)}: {_some(names)}"
        return
    proteins = {group.chain for _, group in content.members("protein")}
    apart = [
        f"{_name(g)} in {g.chain}" for _, g in content.members("ligand") if g.chain not in proteins
    ]
    if apart:
        yield f"ligands under names without protein: {_some(apart)}"
    waters = sum(group.chain not in proteins for _, group in content.members("water"))
    if waters:
        yield f"{counted(waters, 'water')} under names without protein"
    yield from _without_coordinates(content)
    yield from _unreadable(content)


def _other_polymers(content: Contents) -> Iterator[str]:
    for role, thing in (("nucleic", "nucleic acid chain"), ("other", "other polymer")):
        chains = list(dict.fromkeys(content.name(group) for _, group in content.members(role)))
        if chains:
            yield f"{counted(len(chains), thing)}, not read: {_some(chains)}"


def _without_coordinates(content: Contents) -> Iterator[str]:
    entry = content.entry
    found = {(group.label, group.comp) for group in content.found.groups}
    for label, names in entry.listed.items():
        if not any((label, name) in found for place in names for name in place):
            name = label if content.use_label else entry.auth_names.get(label, label)
            size = counted(len(names), "residue")
            yield f"chain {name} is in {entry.sequence_source} ({size}) but has no coordinates"


def _unreadable(content: Contents) -> Iterator[str]:
    atoms, entry = content.entry.atoms, content.entry
    bad = np.flatnonzero(~np.isfinite(atoms.pos).all(1))
    if len(bad):
        cases = (
            f"{entry.groups[atoms.group[row]].chain} {_name(entry.groups[atoms.group[row]])} "
            f"{atoms.name[row]} ({entry.line_word} {atoms.line[row]})"
            for row in bad.tolist()
        )
        atom = counted(len(bad), "atom")
        yield f"{atom} without readable coordinates, read as missing: {_some(cases)}"
