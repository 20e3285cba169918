"""Reads the chains that an entry of a label file describes from its structure file."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from zoo.data.reading.label_files import Entry
from zoo.data.reading.structure_index import Found
from zoo.data.samples import DroppedSample
from zoo.errors import StructureError
from zoo.proteins.protein import Atoms, Protein
from zoo.proteins.structure import read_structure


class Part(NamedTuple):
    """One chain of an entry."""

    chain: str
    model: int
    """Number of its model in the structure file, from 1."""
    rows: list[int]
    """Rows of the entry that label the chain."""


def pdb_id(entry: str) -> str:
    """Return the PDB id that an entry's id begins with: "1a2n_0-A", "4iu2B", "6z3p_ABC"."""
    return entry.split("_")[0] if "_" in entry else entry[:4]


def models_of(entry: str) -> list[int]:
    """Return each chain's model, from 1: [1, 2] for "2p6b_0-A+1-B", [] for "6z3p_ABC"."""
    chains = entry.partition("_")[2].split("+")
    found = [re.fullmatch(r"(\d{1,6})-\S+", chain) for chain in chains]
    return [int(model[1]) + 1 for model in found if model]


def parts_of(entry: Entry) -> list[Part]:
    """Return the chains of an entry, which its rows name; the id only adds their models.

    Raises:
        DroppedSample: If the id and the rows have different numbers of chains.
    """
    models = models_of(entry.id)
    if not models:
        names = dict.fromkeys(entry.chains)
        every = list(enumerate(entry.chains))
        return [Part(name, 1, [at for at, other in every if other == name]) for name in names]
    runs = _runs(entry, len(models))
    pairs = zip(models, runs, strict=False)
    parts = [Part(entry.chains[run[0]], model, run) for model, run in pairs]
    distinct = {(part.chain, part.model) for part in parts}
    if not len(models) == len(runs) == len(distinct):
        raise DroppedSample(
            f"{entry.id}: the id names {len(models)} chains, its rows {len(runs)} "
            f"({entry.file.name}, line {entry.line})"
        )
    return parts


def _runs(entry: Entry, expected: int) -> list[list[int]]:
    """Return the rows of each stretch of one chain name; symmetric copies are separate stretches.

    "0-A+1-A" names chain A twice: its rows are cut into two halves if these have equal letters.
    """
    chains, total = entry.chains, len(entry)
    starts = [at for at in range(total) if not at or chains[at] != chains[at - 1]]
    if len(starts) == 1 and expected > 1 and not total % expected:
        size = total // expected
        if entry.letters == entry.letters[:size] * expected:
            starts = list(range(0, total, size))
    return [list(range(*ends)) for ends in zip(starts, [*starts[1:], total], strict=True)]


def read_parts(
    found: Found, entry: str, parts: list[Part], copy: int
) -> tuple[Protein, tuple[str, ...]]:
    """Return the chains of an entry in the order of the parts, and notes for the report.

    If an id without models is repeated, its copies are the models of an NMR structure in order:
    the second copy is read from model 2.

    Args:
        found: Structure file of the entry.
        entry: Id of the entry.
        parts: Chains of the entry.
        copy: Number of the copy of a repeated id, from 1.

    Raises:
        DroppedSample: If the file cannot be read or lacks a chain.
    """
    models = {part.model for part in parts}
    notes: tuple[str, ...] = ()
    if copy > 1 and not models_of(entry):
        model = copy if _has_model(found.path, copy) else 1
        lacking = "" if model == copy else f", as the file has no model {copy}"
        notes = (f"copy {copy} of a repeated id: model {model} read{lacking}",)
        wanted = [(model, part.chain) for part in parts]
    elif found.extract and len(models) == 1:
        wanted = [(1, part.chain) for part in parts]
    else:
        wanted = [(part.model, part.chain) for part in parts]
    return join([_chain(found, *pair) for pair in wanted]), notes


def _chain(found: Found, model: int, name: str) -> Protein:
    try:
        return read_structure(found.path, [name], model=model)
    except StructureError as error:
        if found.assembly and model > 1:  # mmCIF assemblies have one model with chains like "A-2"
            try:
                return read_structure(found.path, [f"{name}-{model}"])
            except StructureError:
                pass
        hint = " (an assembly file may give its chains other names)" if found.assembly else ""
        raise DroppedSample(f"{error}{hint}") from None


def _has_model(path: Path, model: int) -> bool:
    try:
        read_structure(path, model=model)
    except StructureError:
        return False
    return True


def join(proteins: list[Protein]) -> Protein:
    """Return one protein with the chains of several, end to end."""
    if len(proteins) == 1:
        return proteins[0]
    offsets = np.cumsum([0, *map(len, proteins)])[:-1]
    atoms = [protein.atoms for protein in proteins]
    rows = [part.residue + at for part, at in zip(atoms, offsets, strict=True)]
    return dataclasses.replace(
        proteins[0],
        chains=tuple(chain for protein in proteins for chain in protein.chains),
        ligands=tuple(ligand for protein in proteins for ligand in protein.ligands),
        atoms=Atoms(
            pos=np.concatenate([part.pos for part in atoms]),
            element=np.concatenate([part.element for part in atoms]),
            name=np.concatenate([part.name for part in atoms]),
            residue=np.concatenate(rows),
        ),
    )
