"""Looks up chemical components and elements in gemmi's table of the wwPDB dictionary."""

from __future__ import annotations

import functools
import re
from typing import NamedTuple

import gemmi

#: Names that force fields give to protonation states; the wwPDB dictionary lacks most of them.
FORCE_FIELD_NAMES = {
    **dict.fromkeys(("HID", "HIE", "HIP", "HIN", "HSD", "HSE", "HSP"), "HIS"),
    **dict.fromkeys(("HISA", "HISB", "HISD", "HISE", "HISH", "HIS1", "HIS2"), "HIS"),
    **dict.fromkeys(("CYX", "CYM", "CYN", "CYS1", "CYS2", "CYSH"), "CYS"),
    **dict.fromkeys(("ASH", "ASPH", "ASPP"), "ASP"),
    **dict.fromkeys(("GLH", "GLP", "GLUH", "GLUP"), "GLU"),
    **dict.fromkeys(("LYN", "LYP", "LYSH", "LYSN"), "LYS"),
    **dict.fromkeys(("ARN", "ARGN"), "ARG"),
    "TYM": "TYR",
}
#: Letters ahead of a name, for a residue at an end of its chain: NLYS, CHID.
ENDS = ("N", "C")
#: Groups that cap the ends of a chain and are not residues.
CAPS = frozenset({"ACE", "FOR", "NH2", "NMA", "NME"})
WATERS = frozenset({"SPC", "TIP", "TIP3", "TIP4", "TIP5", "TP3", "T3P", "T4P", "SOL"})


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
    of = _dictionary_name(name)
    info = gemmi.find_tabulated_residue(of)
    amino = info.is_amino_acid()
    code = info.one_letter_code.strip() if amino else ""
    return Component(
        letter=code.upper(),
        modified=code.islower() or of != name,
        amino=amino,
        nucleic=info.is_nucleic_acid(),
        water=info.is_water() or name in WATERS,
    )


def _dictionary_name(name: str) -> str:
    """Return the name of the wwPDB dictionary, which has none of four letters."""
    if name not in FORCE_FIELD_NAMES and len(name) == 4 and name.startswith(ENDS):
        name = name[1:]
    return FORCE_FIELD_NAMES.get(name, name)


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
