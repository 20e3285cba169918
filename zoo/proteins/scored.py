"""Writes the structure of a protein with scores of its residues: beside it, or as B-factors."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zoo.proteins.files.scores import scored_suffix, write_scored
from zoo.proteins.original import original, with_bfactors
from zoo.proteins.protein import Protein
from zoo.system.files import whole_file, write_whole

Scores = NDArray[np.floating]
#: Suffix of the scores beside a structure, which ChimeraX opens.
BESIDE = ".defattr"


def write_structure(
    stem: Path, protein: Protein, scores: Mapping[str, Scores], bfactor: Scores | None = None
) -> list[Path]:
    """Write a protein's structure with scores, and return the files that were written.

    The structure is the text of the protein's own file (BinaryCIF becomes mmCIF): waters, ligands,
    modified residues and all digits stay. A protein without a file is written from its record.
    The scores are written beside it, as residue attributes of ChimeraX, unless `bfactor` is given.

    Args:
        stem: Path without a suffix.
        protein: Protein with coordinates.
        scores: (residues,) values over all chains end to end by their name; NaN if there is none.
        bfactor: (residues,) B-factors to write in place of the file's own, 0 where they are NaN.

    Raises:
        StructureError: If the protein or a B-factor cannot be written in the file's format.
    """
    structure = _write(stem, protein, None if bfactor is None else np.nan_to_num(bfactor))
    beside = stem.with_name(f"{stem.name}{BESIDE}")
    if bfactor is not None:
        beside.unlink(missing_ok=True)  # of an earlier call
        return [structure]
    write_whole(beside, attributes(protein, scores))
    return [structure, beside]


def _write(stem: Path, protein: Protein, bfactor: Scores | None) -> Path:
    found = original(protein)
    if found is None:
        own = np.concatenate([chain.bfactor for chain in protein.chains])
        values = own if bfactor is None else bfactor
        path = stem.with_name(f"{stem.name}{scored_suffix(protein, values, 1.0)}")
        write_scored(path, protein, values, 1.0)
        return path
    path = stem.with_name(f"{stem.name}{found.suffix}")
    with whole_file(path, "wb") as file:
        file.write(found.text if bfactor is None else with_bfactors(found, bfactor))
    return path


def attributes(protein: Protein, scores: Mapping[str, Scores]) -> str:
    """Return scores as an attribute file of ChimeraX, in which each name begins with "zoo_".

    Residues without coordinates or without a score are left out.
    """
    # A name without a chain means that residue of all chains, and the last value stays.
    places = sorted(_places(protein), key=lambda place: place[0].startswith("/"))
    text = f"# Scores of the residues of {' '.join(protein.name.split())}\n"
    for name, values in scores.items():
        text += f"attribute: {attribute(name)}\nrecipient: residues\n"
        known = [(spec, values[at]) for spec, at in places if np.isfinite(values[at])]
        text += "".join(f"\t{spec}\t{value:.6g}\n" for spec, value in known)
    return text


def attribute(name: str) -> str:
    """Return what a score is called in ChimeraX."""
    return f"zoo_{re.sub('[^A-Za-z0-9]', '_', name)}"


def _places(protein: Protein) -> Iterator[tuple[str, int]]:
    """Yield the specification and index of each residue that has a number.

    A blank chain has no name in ChimeraX; its residues are named without one.
    """
    at = 0
    for chain in protein.chains:
        name = "" if chain.name == "_" else f"/{chain.name}"
        for number in chain.numbers:
            if number:
                yield f"{name}:{number}", at
            at += 1
