"""Converts a `Protein` to gemmi's structure, which can be written to a file."""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Iterator, Sequence

import gemmi
import numpy as np
from numpy.typing import NDArray

from zoo.errors import StructureError
from zoo.proteins.protein import BACKBONE, Atoms, Chain, Protein

NUMBER = re.compile(r"(-?[0-9]{1,9})([A-Za-z]?)")
"""A residue number that fits into gemmi's 32 bits, and its insertion code."""
ELEMENTS = np.array([gemmi.Element(name[0]).atomic_number for name in BACKBONE], np.uint8)
Scores = NDArray[np.floating]


def to_gemmi(protein: Protein, bfactor: Scores) -> gemmi.Structure:
    """Return gemmi's structure of a protein.

    Args:
        protein: Protein with coordinates; chains without any atom are left out.
        bfactor: (residues,) B-factors over all chains end to end; those of ligands are 0.

    Raises:
        StructureError: If the number of a residue is not a number.
    """
    structure, model = gemmi.Structure(), gemmi.Model(1)
    structure.name = "_".join(protein.name.split()) or "protein"  # CIF allows no blanks in it
    for chain, entity in (*_polymers(protein, bfactor), *_ligands(protein)):
        entity.name = str(len(structure.entities) + 1)
        model.add_chain(chain)
        structure.entities.append(entity)
    structure.add_model(model)
    return structure


def all_atoms(protein: Protein) -> Atoms:
    """Return the atoms of the chains; a residue without atoms gets those of its backbone."""
    table = protein.atoms
    coords = np.concatenate([chain.coords for chain in protein.chains])
    coords[table.residue] = np.nan
    row, column = np.nonzero(np.isfinite(coords).all(-1))
    return Atoms(
        pos=np.concatenate([table.pos, coords[row, column]]),
        element=np.concatenate([table.element, ELEMENTS[column]]),
        name=np.concatenate([table.name, np.array(BACKBONE)[column]]),
        residue=np.concatenate([table.residue, row]),
    )


def _polymers(protein: Protein, bfactor: Scores) -> Iterator[tuple[gemmi.Chain, gemmi.Entity]]:
    atoms, start = all_atoms(protein), 0
    for chain in _labelled(protein.chains):
        written = gemmi.Chain(chain.name)
        for residue in _residues(chain, atoms, start, bfactor):
            written.add_residue(residue)
        start += len(chain)
        if len(written):
            entity = _entity(gemmi.EntityType.Polymer, chain.label)
            entity.polymer_type, entity.full_sequence = gemmi.PolymerType.PeptideL, _names(chain)
            yield written, entity


def _labelled(chains: Sequence[Chain]) -> Iterator[Chain]:
    """Yield the chains with distinct labels; in a damaged file several may share one."""
    seen: set[str] = set()
    for chain in chains:
        names = itertools.chain([chain.label], (f"{chain.label}{n}" for n in itertools.count(2)))
        label = next(name for name in names if name not in seen)
        seen.add(label)
        yield dataclasses.replace(chain, label=label)


def _ligands(protein: Protein) -> Iterator[tuple[gemmi.Chain, gemmi.Entity]]:
    """Yield each ligand as a chain of its own; they follow all proteins, as in the PDB's files."""
    for count, ligand in enumerate(protein.ligands, 1):
        chain, label = gemmi.Chain(ligand.chain), f"{ligand.chain}x{count}"
        what = f"ligand {ligand.name} of chain {ligand.chain}"
        rows = np.arange(len(ligand.atoms))
        residue = _residue(ligand.name, ligand.number, what, ligand.atoms, rows, 0.0)
        residue.entity_type, residue.het_flag = gemmi.EntityType.NonPolymer, "H"
        residue.subchain = label
        chain.add_residue(residue)
        yield chain, _entity(gemmi.EntityType.NonPolymer, label)


def _entity(kind: gemmi.EntityType, label: str) -> gemmi.Entity:
    entity = gemmi.Entity("")
    entity.entity_type, entity.subchains = kind, [label]
    return entity


def _residues(chain: Chain, atoms: Atoms, start: int, bfactor: Scores) -> Iterator[gemmi.Residue]:
    """Yield the residues of a chain that have atoms; its first residue has index `start`."""
    order = np.argsort(atoms.residue, kind="stable")
    ends = np.searchsorted(atoms.residue[order], start + np.arange(len(chain) + 1))
    names = _names(chain)
    for place, number in enumerate(chain.numbers):
        mine = order[ends[place] : ends[place + 1]]
        if len(mine):
            what = f"residue {names[place]} at place {place + 1} of chain {chain.name}"
            residue = _residue(names[place], number, what, atoms, mine, bfactor[start + place])
            residue.entity_type, residue.het_flag = gemmi.EntityType.Polymer, "A"
            residue.subchain, residue.label_seq = chain.label, place + 1
            yield residue


def _residue(
    name: str, number: str, what: str, atoms: Atoms, rows: NDArray[np.int64], bfactor: float
) -> gemmi.Residue:
    residue = gemmi.Residue()
    match = NUMBER.fullmatch(number)
    if match is None:
        raise StructureError(
            f"{what} has the number {number!r}, which is not a whole number of at most nine "
            "digits with at most one insertion code. Renumber the residues, so that they can be "
            "written."
        )
    residue.name, residue.seqid = name, gemmi.SeqId(int(match[1]), match[2] or " ")
    for row in rows:
        # Text of float32 has the digits of the file; widened, 19.594 becomes 19.5939999.
        place = [float(str(value)) for value in atoms.pos[row]]
        atom = gemmi.Atom()
        atom.name, atom.element = str(atoms.name[row]), gemmi.Element(int(atoms.element[row]))
        atom.pos, atom.b_iso = gemmi.Position(*place), bfactor
        residue.add_atom(atom)
    return residue


def _names(chain: Chain) -> list[str]:
    """Return the three-letter code of each residue in the sequence."""
    kind = gemmi.ResidueKind.AA
    return [gemmi.expand_one_letter(letter, kind) or "UNK" for letter in chain.sequence]
