"""Looks up chemical components and elements in gemmi's table of the wwPDB dictionary."""

from __future__ import annotations

import functools
import re
from typing import NamedTuple

import gemmi

#: Names that force fields give to protonation states; the wwPDB dictionary lacks most of them.
FORCE_FIELD_NAMES = {
    **dict.fromkeys(("HID", "HIE", "HIP", "HSD", "HSE", "HSP"), "HIS"),
    **dict.fromkeys(("CYX", "CYM"), "CYS"),
    "ASH": "ASP",
    "GLH": "GLU",
    "LYN": "LYS",
    "ARN": "ARG",
}
#: Groups that cap the ends of a chain and are not residues.
CAPS = frozenset({"ACE", "FOR", "NH2", "NMA", "NME"})
WATERS = frozenset({"SPC", "TIP", "TP3", "T3P", "T4P", "SOL"})


class Component(NamedTuple):
    """The chemical component that a residue name stands for."""

    letter: str
    """One-letter code of the residue or its parent, "" if the table has none."""
    modified: bool
    """Whether the letter is that of the parent."""
    amino: bool
    nucleic: bool
    water: bool


@functools.cache
def component(name: str) -> Component:
    """Return the component of a residue name."""
    info = gemmi.find_tabulated_residue(FORCE_FIELD_NAMES.get(name, name))
    amino = info.is_amino_acid()
    code = info.one_letter_code.strip() if amino else ""
    return Component(
        letter=code.upper(),
        modified=code.islower() or name in FORCE_FIELD_NAMES,
        amino=amino,
        nucleic=info.is_nucleic_acid(),
        water=info.is_water() or name in WATERS,
    )


@functools.cache
def atomic_number(symbol: str, atom_name: str = "") -> int:
    """Return the atomic number, 0 if unknown.

    If the symbol is not valid, the four columns of a PDB atom name decide. An element of one letter
    leaves the first column blank: " CA " is carbon, "CA  " is calcium.
    """
    number = int(gemmi.Element(symbol.strip()).atomic_number)
    if number or not atom_name:
        return number
    name = atom_name.strip().lstrip("0123456789")
    if atom_name[0] in " 0123456789" or len(atom_name.strip()) == 4:
        return atomic_number(name[:1])
    return atomic_number(re.sub("[^A-Za-z]", "", name[:2])) or atomic_number(name[:1])
