"""Reads PDB text into an `Entry`; its fixed columns are cut with NumPy.

gemmi's own PDB reader is not used: it joins residues of one name and number wherever they are in a
chain, and silently reads coordinates that are not numbers as 0.0 (docs/explanation/parser.md).
"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from zoo.errors import StructureError
from zoo.proteins.files.components import atomic_number
from zoo.proteins.files.copies import copies
from zoo.proteins.files.entry import LARGEST, AtomTable, Entry, Group, first_rows, runs
from zoo.proteins.files.hybrid36 import decimal
from zoo.proteins.files.roles import MAX_PEPTIDE_BOND
from zoo.system.counting import counted

Columns = NDArray[np.uint8]
NUMBER = re.compile(rb" *[-+]?(\d+\.?\d*|\.\d+) *")
#: Characters of a blank or a digit; 0 stands where a line has ended.
SERIAL = list(b"\0 0123456789")
#: Last column of the coordinates; a shorter line was cut off.
COORDINATES_END = 54


def read_pdb(data: bytes, model: int = 1) -> Entry:
    """Read model number `model` (from 1, in the order of the file) of ASCII PDB text.

    Raises:
        StructureError: If there are no atoms or no such model, or a line is cut off.
    """
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    lines = np.array(data.split(b"\n"), "S80")
    kind = lines.astype("S6")
    is_atom, notes = _atom_lines(kind)
    _check_lengths(lines, is_atom)
    rows = np.flatnonzero(is_atom)
    models = np.cumsum(kind.astype("S5") == b"MODEL")[rows]
    if rows.size and models[0] == models[-1]:
        models = _copies(lines[rows])
    present = np.unique(models)
    if not 1 <= model <= len(present):
        raise StructureError(f"has no model {model}; it has {len(present)}")
    rows = rows[models == present[model - 1]]
    part = np.cumsum(kind.astype("S3") == b"TER")[rows]
    atoms, groups = _atoms(lines, rows, part)
    listed, parents = _listed(lines[kind == b"SEQRES"]), _parents(lines[kind == b"MODRES"])
    return Entry(
        atoms, groups, len(present), "line", "SEQRES", listed=listed, parents=parents, notes=notes
    )


def _atom_lines(kind: NDArray[np.bytes_]) -> tuple[NDArray[np.bool_], tuple[str, ...]]:
    """Return which lines are atoms, and a note on those that only begin like one.

    A serial number beyond 99,999 may begin in the fifth or sixth column, "ATOM 100000".
    """
    begins = (kind.astype("S4") == b"ATOM") | (kind == b"HETATM")
    columns = np.ascontiguousarray(kind).view(np.uint8).reshape(-1, 6)[:, 4:]
    is_atom = begins & (np.isin(columns, SERIAL).all(1) | (kind == b"HETATM"))
    other = np.flatnonzero(begins & ~is_atom)
    if not len(other):
        return is_atom, ()
    lines = counted(len(other), "line begins", "lines begin")
    return is_atom, (
        f"{lines} with ATOM and cannot be read, the first is line {other[0] + 1}: its columns 5 "
        "and 6 hold neither blanks nor digits of a serial number",
    )


def _copies(atoms: NDArray[np.bytes_]) -> NDArray[np.int64]:
    """Return of each atom the model that it belongs to, in a file without MODEL lines."""
    columns = atoms.view(np.uint8).reshape(-1, 80)
    residue, atom = (_bytes(columns[:, start:stop]) for start, stop in ((17, 27), (12, 17)))
    return copies([residue], [atom])


def _bytes(columns: Columns) -> NDArray[np.bytes_]:
    return np.ascontiguousarray(columns).view(f"S{columns.shape[1]}")[:, 0]


def _check_lengths(lines: NDArray[np.bytes_], is_atom: NDArray[np.bool_]) -> None:
    short = np.flatnonzero(is_atom & (np.strings.str_len(lines) < COORDINATES_END))
    if len(short):
        raise StructureError(f"line {short[0] + 1} is cut off before its coordinates end")


def _atoms(
    lines: NDArray[np.bytes_], rows: NDArray[np.int64], part: NDArray[np.int64]
) -> tuple[AtomTable, list[Group]]:
    columns = lines[rows].view(np.uint8).reshape(-1, 80)
    columns[columns < ord(" ")] = ord(" ")
    group = runs(columns[:, 17:27], part)
    first = first_rows(group)
    occupancy = decimals(columns[:, 54:60], 2)
    atoms = AtomTable(
        group=group,
        name=np.strings.strip(_text(columns, 12, 16)),
        alt=np.strings.strip(_text(columns, 16, 17)),
        pos=decimals(columns[:, 30:54].reshape(-1, 8), 3).reshape(-1, 3),
        occupancy=np.where(np.isfinite(occupancy), occupancy, 1.0),
        bfactor=decimals(columns[:, 60:66], 2),
        element=_elements(columns),
        line=rows + 1,
    )
    four = _of_four_letters(columns[first, 20], runs(columns[first, 21], part[first]), atoms)
    return atoms, _groups(columns[first], part[first].tolist(), four)


def _of_four_letters(
    letter: NDArray[np.uint8], segment: NDArray[np.int64], atoms: AtomTable
) -> NDArray[np.bool_]:
    """Return (groups,) whether column 21 is the fourth letter of a name, such as "LYSH" or "NLYS".

    It is the first letter of the chain's name in most files, but a chain's name does not change
    between two bonded residues. If it does so once, column 21 is a letter of all names from one TER
    to the next.
    """
    change = (letter[1:] != letter[:-1]) & (segment[1:] == segment[:-1])
    if not change.any():
        return np.zeros(len(letter), bool)
    n, c = (_places(atoms, name, len(letter)) for name in ("N", "C"))
    bonded = np.linalg.norm(n[1:] - c[:-1], axis=-1) <= MAX_PEPTIDE_BOND
    return np.isin(segment, segment[1:][change & bonded])


def _places(atoms: AtomTable, name: str, groups: int) -> NDArray[np.float64]:
    """Return (groups, 3) coordinates of the first atom of a name in each group; NaN without it."""
    rows = np.flatnonzero(atoms.name == name)[::-1]  # of several, the first is set last
    places = np.full((groups, 3), np.nan)
    places[atoms.group[rows]] = atoms.pos[rows]
    return places


def _groups(columns: Columns, part: list[int], four: NDArray[np.bool_]) -> list[Group]:
    number, record = (
        np.strings.strip(_text(columns, start, stop)).tolist() for start, stop in ((22, 27), (0, 1))
    )
    chain, comp = (
        np.strings.strip(np.where(four, _text(columns, *own), _text(columns, *usual))).tolist()
        for own, usual in (((21, 22), (20, 22)), ((17, 21), (17, 20)))
    )
    return [
        Group(before, name or "_", name or "_", 0, decimal(place), of, kind == "H")
        for before, name, place, of, kind in zip(part, chain, number, comp, record, strict=True)
    ]


def _text(columns: Columns, start: int, stop: int) -> NDArray[np.str_]:
    """Return columns `start:stop` as (A,) strings with their blanks.

    ASCII codes equal Unicode code points, so the bytes need only be widened.
    """
    return columns[:, start:stop].astype(np.uint32).view(f"U{stop - start}")[:, 0]


def _elements(columns: Columns) -> NDArray[np.uint8]:
    """Return (A,) atomic numbers, looked up once for each pair of symbol and atom name."""
    pair = np.concatenate([columns[:, 76:80], columns[:, 12:16]], axis=1).view(np.uint64)[:, 0]
    codes, inverse = np.unique(pair, return_inverse=True)
    texts = [code.tobytes().decode("ascii") for code in codes]
    numbers = [atomic_number(text[:2], text[4:]) for text in texts]
    return np.array(numbers, np.uint8)[inverse]


def decimals(field: Columns, places: int) -> NDArray[np.float64]:
    """Return (A,) numbers from (A, width) right-aligned digits with `places` decimals.

    Numbers in another form are read one by one, and anything else becomes NaN, so that nothing
    becomes 0 silently.
    """
    dot = field.shape[1] - places - 1
    digit = (field >= ord("0")) & (field <= ord("9"))
    blank, minus = field == ord(" "), field == ord("-")
    before = np.ones_like(blank[:, :dot])
    before[:, 1:] = blank[:, : dot - 1]
    plain = (field[:, dot] == ord(".")) & digit[:, dot - 1] & digit[:, dot + 1 :].all(1)
    plain &= (digit[:, :dot] | ((blank | minus)[:, :dot] & before)).all(1)
    weights = np.array([10.0 ** (dot - 1 - at + (at > dot)) for at in range(field.shape[1])])
    value = ((field - ord("0")) * digit).astype(float) @ (weights * 10.0**places) / 10.0**places
    value[minus[:, :dot].any(1)] *= -1
    for row in np.flatnonzero(~plain):
        text = field[row].tobytes()
        value[row] = float(text) if NUMBER.fullmatch(text) else np.nan
    return np.where(np.abs(value) <= LARGEST, value, np.nan)


def _listed(lines: NDArray[np.bytes_]) -> dict[str, list[tuple[str, ...]]]:
    listed: dict[str, list[tuple[str, ...]]] = {}
    for line in lines.astype("U80").tolist():
        names = listed.setdefault(line[10:12].strip() or "_", [])
        names.extend((name,) for name in line[19:70].split())
    return listed


def _parents(lines: NDArray[np.bytes_]) -> dict[str, list[str]]:
    parents: dict[str, list[str]] = {}
    for line in lines.astype("U80").tolist():
        names = parents.setdefault(line[12:15].strip(), [])
        if line[24:27].strip() not in ("", *names):
            names.append(line[24:27].strip())
    return parents
