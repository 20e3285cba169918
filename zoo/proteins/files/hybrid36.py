"""Residue numbers beyond 9999 in the four columns of PDB: A000 stands for 10,000, A001 for 10,001.

Source: R. W. Grosse-Kunstleve, "Hybrid-36", 2007, in cctbx's library iotbx. gemmi, PyMOL and
ChimeraX read such numbers.
"""

from __future__ import annotations

import re

HYBRID_36 = re.compile("[A-Z][0-9A-Z]{3}|[a-z][0-9a-z]{3}")
DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#: A line of an atom whose number of five digits fills the column of the insertion code too.
FIVE_DIGITS = re.compile(rb"^(?=ATOM|HETATM|ANISOU|TER)(.{22})(\d{5})", re.MULTILINE)
FIRST, FIRST_CODE = 10_000, 10 * 36**3


def decimal(number: str) -> str:
    """Return a residue number of five columns, with its insertion code, without hybrid-36."""
    if HYBRID_36.match(number):
        offset = FIRST - FIRST_CODE if number[0].isupper() else FIRST + 16 * 36**3
        return f"{int(number[:4], 36) + offset}{number[4:].strip()}"
    return number.replace(" ", "")


def four_columns(text: bytes) -> bytes:
    """Return PDB text whose residue numbers of five digits are in hybrid-36.

    Other programs take the fifth digit for an insertion code.
    """
    return FIVE_DIGITS.sub(lambda found: found[1] + _encoded(int(found[2])) + b" ", text)


def _encoded(number: int) -> bytes:
    """Return the four columns of a number of five digits."""
    rest, digits = number - FIRST + FIRST_CODE, ""
    for _ in range(4):
        rest, digit = divmod(rest, 36)
        digits = DIGITS[digit] + digits
    return digits.encode() if number >= FIRST else b"%4d" % number
