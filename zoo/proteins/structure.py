"""Reads structure and sequence files into `Protein` records."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zoo.errors import StructureError, unknown
from zoo.proteins.files.content import printable, read_bytes
from zoo.proteins.files.entry import Entry
from zoo.proteins.files.fasta import parse_fasta
from zoo.proteins.files.formats import (
    FASTA_SUFFIXES,
    STRUCTURE_SUFFIXES,
    detect,
    is_readable,
    parse,
    stem,
)
from zoo.proteins.files.left_out import atoms_left_out
from zoo.proteins.files.report import chain_report, file_notes
from zoo.proteins.files.residues import residues
from zoo.proteins.files.roles import roles
from zoo.proteins.files.strands import Contents, Strand, letter, strands
from zoo.proteins.protein import Atoms, Chain, Ligand, Protein

__all__ = ["FASTA_SUFFIXES", "STRUCTURE_SUFFIXES", "is_readable", "read_structure"]

CARBON = 6


def read_structure(
    path: str | Path,
    chains: str | Sequence[str] | None = None,
    *,
    model: int = 1,
    sequence: str = "full",
    chain_names: str = "auth",
) -> Protein:
    """Read the protein chains of a PDB, mmCIF or BinaryCIF file, plain or gzip, or one sequence.

    The content of the file decides its format, not its name. Residues are in the order of the
    deposited sequence (SEQRES or `_entity_poly_seq`) and of the file; residue numbers do not
    matter. Each residue keeps one conformer, that of the highest summed occupancy. Modified
    residues are read as their parents, and residues without a known parent as X. A cap such as ACE
    or NH2 is a residue (X) only if the deposited sequence lists it. Atoms whose coordinates cannot
    be read count as missing, with a note.

    Args:
        path: Path of the file.
        chains: Names of the chains, as "A", "A,B" or a sequence of names; None reads all protein
            chains. Ligands under one of the names are read too, even if it names no protein.
        model: Number of the model, from 1 in the order of the file.
        sequence: "full" for the deposited sequence, "observed" for the residues in the coordinates.
        chain_names: Which names `chains` uses: "auth" for the author's, "label" for mmCIF's.

    Returns:
        The protein, with coordinates in angstrom and a report on each chain.

    Raises:
        StructureError: If the file cannot be read or lacks a chain; names the file and the cause.
        ConfigError: If `sequence` or `chain_names` has another value.
    """
    if sequence not in ("full", "observed"):
        raise unknown("sequence", sequence, ("full", "observed"))
    if chain_names not in ("auth", "label"):
        raise unknown("chain_names", chain_names, ("auth", "label"))
    try:
        data = read_bytes(path)
        if detect(data) == "fasta":
            return _only_sequence(path, data)
        wanted = chains.split(",") if isinstance(chains, str) else chains
        names = None if wanted is None else [name.strip() for name in wanted]
        return of_bytes(path, data, names, model, sequence == "full", chain_names == "label")
    except StructureError as error:
        raise StructureError(f"{printable(path)}: {error}") from None


def _only_sequence(path: str | Path, data: bytes) -> Protein:
    first, *others = parse_fasta(data, stem(path), str(path))
    if others:
        raise StructureError(f"holds {len(others) + 1} sequences; read them with read_proteins")
    if isinstance(first, StructureError):
        raise first
    return first


def of_bytes(
    path: str | Path,
    data: bytes,
    wanted: Sequence[str] | None = None,
    model: int = 1,
    full: bool = True,
    use_label: bool = False,
) -> Protein:
    """Return the protein of a structure file's content; see `read_structure`.

    Raises:
        StructureError: If it cannot be read; the caller adds the file.
    """
    entry, notes = parse(data, model)
    if entry.blocks > 1:
        notes.append(f"{entry.blocks} data blocks with atoms, only the first is read")
    if entry.models > 1:
        notes.append(f"{entry.models} models, model {model} read")
    return assemble(entry, stem(path), str(path), notes, wanted, full=full, use_label=use_label)


def assemble(
    entry: Entry,
    name: str,
    source: str,
    notes: Sequence[str] = (),
    wanted: Sequence[str] | None = None,
    *,
    full: bool = True,
    use_label: bool = False,
) -> Protein:
    """Return the protein of an entry, which may come from a file of any format.

    Args:
        entry: Atoms and sequences of one model.
        name: Name of the protein.
        source: Path of the file.
        notes: Remarks to put before those on the file's content.
        wanted: Names of the chains; None takes all protein chains.
        full: Whether to use the deposited sequence rather than the observed residues.
        use_label: Whether `wanted` holds mmCIF's label names rather than the author's.

    Raises:
        StructureError: If there is no protein in the wanted chains; the caller adds the file.
    """
    content = contents(entry, use_label)
    chosen = strands(content, wanted, full)
    in_chain = rows_of_chains(content, chosen)[:-1] >= 0
    in_ligand = _ligands_of(content, chosen, wanted)
    return Protein(
        name=name,
        chains=tuple(_chain(content, strand) for strand in chosen),
        atoms=_chain_atoms(content, chosen),
        ligands=_ligands(content, in_ligand),
        source=source,
        notes=(*notes, *file_notes(content)),
        left_out=atoms_left_out(content, in_chain | in_ligand),
        plddt=entry.plddt,
    )


def contents(entry: Entry, use_label: bool = False) -> Contents:
    """Return an entry with its residues and their roles.

    Raises:
        StructureError: If there is no protein chain with coordinates.
    """
    found = residues(entry)
    content = Contents(entry, found, np.array(roles(entry, found)), use_label)
    _check(content)
    return content


def _check(content: Contents) -> None:
    protein = content.role == "protein"
    if not protein.any():
        raise StructureError(f"holds no protein chain ({'; '.join(file_notes(content))})")
    if not np.isfinite(content.found.backbone[protein]).any():
        raise StructureError("has no readable backbone coordinates")


def _chain(content: Contents, strand: Strand) -> Chain:
    found, there = content.found, strand.at >= 0
    coords = np.where(there[:, None, None], found.backbone[strand.at], np.nan)
    numbers = [found.groups[at].number if at >= 0 else "" for at in strand.at]
    chain = Chain(
        name=strand.name,
        label=found.groups[strand.at[there][0]].label,
        sequence="".join(letter(content.entry, comp) for comp in strand.comps),
        coords=coords.astype(np.float32),
        bfactor=np.where(there, found.bfactor[strand.at], np.nan).astype(np.float32),
        numbers=tuple(numbers),
    )
    return dataclasses.replace(chain, report=chain_report(content, strand, chain))


def rows_of_chains(content: Contents, chosen: list[Strand]) -> NDArray[np.int64]:
    """Return (R + 1,) where each residue of a file is in the chains, -1 if it is in none.

    Residues of chains are counted end to end. The last value is -1, for atoms without a residue.
    """
    at = np.concatenate([strand.at for strand in chosen])
    row = np.full(len(content.found.groups) + 1, -1)
    row[at[at >= 0]] = np.flatnonzero(at >= 0)
    return row


def _chain_atoms(content: Contents, chosen: list[Strand]) -> Atoms:
    """Return the atoms of the chains, with residues numbered over all chains end to end."""
    residue = rows_of_chains(content, chosen)[content.found.owner]
    atoms = _atoms(content, np.flatnonzero(residue >= 0), residue)
    atoms.element[atoms.name == "CA"] = CARBON  # a name in the wrong columns is read as calcium
    return atoms


def _atoms(content: Contents, rows: NDArray[np.int64], residue: NDArray[np.int64]) -> Atoms:
    table = content.entry.atoms
    rows = rows[np.isfinite(table.pos[rows]).all(1)]
    return Atoms(
        pos=table.pos[rows].astype(np.float32),
        element=table.element[rows],
        name=table.name[rows],
        residue=residue[rows],
    )


def _ligands_of(
    content: Contents, chosen: list[Strand], wanted: Sequence[str] | None
) -> NDArray[np.bool_]:
    """Return (R,) which residues are ligands of the chosen chains; all if no chains were named."""
    groups = content.found.groups
    author = {groups[at].chain for strand in chosen for at in strand.at[strand.at >= 0]}
    found = np.zeros(len(groups), bool)
    for at, group in content.members("ligand"):
        found[at] = wanted is None or group.chain in author or content.name(group) in wanted
    return found


def _ligands(content: Contents, chosen: NDArray[np.bool_]) -> tuple[Ligand, ...]:
    groups, owner = content.found.groups, content.found.owner
    outside = np.full(len(owner), -1)
    # Sorted once: to look for each ligand among all atoms would take quadratic time.
    order = np.argsort(owner, kind="stable")
    stops = np.searchsorted(owner[order], np.arange(len(groups) + 1))
    return tuple(
        Ligand(groups[at].comp, groups[at].chain, groups[at].number,
               _atoms(content, order[stops[at] : stops[at + 1]], outside))
        for at in np.flatnonzero(chosen).tolist()
    )  # fmt: skip
