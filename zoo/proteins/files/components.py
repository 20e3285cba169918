"""Chemical components and elements: what gemmi's table of the wwPDB dictionary says of a name."""

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
#: Groups that close a chain's ends and are no residues of their own.
CAPS = frozenset({"ACE", "FOR", "NH2", "NMA", "NME"})
WATERS = frozenset({"SPC", "TIP", "TP3", "T3P", "T4P", "SOL"})


class Component(NamedTuple):
    """What a residue name stands for."""

    letter: str
    """One-letter code of the residue or its parent, "" where the table knows none."""
    modified: bool
    """Whether the letter is the parent's."""
    amino: bool
    nucleic: bool
    water: bool


@functools.cache
def component(name: str) -> Component:
    """Look up a residue name."""
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

    Without a valid symbol the four columns of a PDB atom name decide: an element of one letter
    leaves the first column blank (" CA " is carbon, "CA  " calcium).
    """
    number = int(gemmi.Element(symbol.strip()).atomic_number)
    if number or not atom_name:
        return number
    name = atom_name.strip().lstrip("0123456789")
    if atom_name[0] in " 0123456789" or len(atom_name.strip()) == 4:
        return atomic_number(name[:1])
    return atomic_number(re.sub("[^A-Za-z]", "", name[:2])) or atomic_number(name[:1])
