"""Writes a protein that has no file as PDB or mmCIF, with a score as each residue's B-factor.

`zoo.proteins.scored` writes one that was read from a file. Here the file holds what the model saw:
the chosen conformer of every residue under the author's chain name and number, the full sequence
(SEQRES, `_entity_poly_seq`), ligands, and no waters. `Protein` keeps one-letter codes, so a
modified residue has the name of its parent (MSE becomes MET, with the atoms of MSE), and an unknown
one is called UNK.
"""

from __future__ import annotations

from pathlib import Path

import gemmi
import numpy as np

from zoo.errors import StructureError
from zoo.proteins.files.to_gemmi import NUMBER, Scores, all_atoms, to_gemmi
from zoo.proteins.protein import Protein
from zoo.system.files import write_whole

PDB_SUFFIXES = (".pdb", ".ent", ".pdb.gz", ".ent.gz")


def write_scored(path: Path, protein: Protein, scores: Scores, scale: float = 100.0) -> None:
    """Write a protein whose B-factors are `scale` times the scores, and 0.00 without a score.

    The default scale puts probabilities in the range from 0 to 100, that of pLDDT, for which PyMOL
    and ChimeraX have colour schemes. The B-factors of ligands are 0.00.

    Args:
        path: Path of the file; its format is PDB if it ends with .pdb, else mmCIF.
        protein: Protein with coordinates.
        scores: (residues,) scores over all chains end to end; NaN where nothing was predicted.
        scale: Factor from scores to B-factors; use 1 for scores that are not probabilities.

    Raises:
        StructureError: If a residue number is not valid, or a value does not fit PDB's columns.
            mmCIF has no such limits.
    """
    bfactor = _bfactors(protein, scores, scale)
    structure = to_gemmi(protein, bfactor)
    if path.suffix.lower() == ".pdb":
        problem = pdb_problem(protein, bfactor)
        if problem:
            raise StructureError(f"{path}: PDB cannot hold {problem}. Write .cif instead.")
        text = structure.make_pdb_string(gemmi.PdbWriteOptions(cryst1_record=False))
    else:
        groups = gemmi.MmcifOutputGroups(True, auth_all=True, cell=False, symmetry=False)
        document = structure.make_mmcif_document(groups)
        names = {name for chain in protein.chains for name in (chain.name, chain.label)}
        if "_" in names | {ligand.chain for ligand in protein.ligands}:
            _quote_blank_chains(document)
        text = document.as_string()
    write_whole(path, text)


def _quote_blank_chains(document: gemmi.cif.Document) -> None:
    """Quote the values "_", a blank chain's name, which a reader takes for the name of a column."""
    for item in document[0]:
        if item.loop is not None:
            for tag in item.loop.tags:
                column = document[0].find_loop(tag)
                for row in [row for row, value in enumerate(column) if value == "_"]:
                    column[row] = "'_'"


def scored_suffix(protein: Protein, scores: Scores, scale: float = 100.0) -> str:
    """Return ".pdb" if the protein was read from PDB and fits PDB with its scores, else ".cif"."""
    from_pdb = protein.source.lower().endswith(PDB_SUFFIXES)
    fits = from_pdb and not pdb_problem(protein, _bfactors(protein, scores, scale))
    return ".pdb" if fits else ".cif"


def pdb_problem(protein: Protein, bfactor: Scores) -> str:
    """Return what of a protein does not fit into the columns of a PDB file, or "" if all fits."""
    ligands = protein.ligands
    tables = [all_atoms(protein), *(ligand.atoms for ligand in ligands)]
    names = {name for table in tables for name in table.name.tolist()}
    chains = {chain.name for chain in protein.chains} | {ligand.chain for ligand in ligands}
    numbers = [number for chain in protein.chains for number in chain.numbers if number]
    numbers += [ligand.number for ligand in ligands]
    pos = np.concatenate([table.pos for table in tables])
    found = {
        "chain names of more than two letters": max(map(len, chains)) > 2,
        "more than 99,999 atoms": len(pos) + len(protein.chains) > 99_999,
        "residue numbers outside -999 to 9999": any(
            not -999 <= int(match[1]) <= 9999 for match in map(NUMBER.fullmatch, numbers) if match
        ),
        "residue names of more than three letters": any(len(ligand.name) > 3 for ligand in ligands),
        "atom names of more than four letters": any(len(name) > 4 for name in names),
        "coordinates of more than eight columns": bool(((pos <= -999) | (pos >= 9999)).any()),
        "B-factors outside -99 to 999": bool(((bfactor <= -99) | (bfactor >= 999)).any()),
    }
    return next((problem for problem, present in found.items() if present), "")


def _bfactors(protein: Protein, scores: Scores, scale: float) -> Scores:
    if len(scores) != len(protein):
        raise ValueError(f"{len(scores)} scores for the {len(protein)} residues of {protein.name}")
    return np.where(np.isnan(scores), 0.0, scale * scores)
