"""Reads mmCIF text, or the tables of BinaryCIF, into an `Entry`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from gemmi import ResidueKind, cif, expand_one_letter
from numpy.typing import NDArray

from zoo.errors import StructureError
from zoo.proteins.files import aligned
from zoo.proteins.files.components import atomic_number
from zoo.proteins.files.copies import copies
from zoo.proteins.files.entry import LARGEST, AtomTable, Entry, Group, first_rows, runs

Column = NDArray[np.generic]
#: Values by category and column: numbers, or strings with "" where the file has "." or "?".
Tables = dict[str, dict[str, Column]]

#: The columns that are read of each small category; of `atom_site` see `NUMERIC` and `TEXT`.
SMALL = {
    "entity": ("id", "type"),
    "entity_poly": ("entity_id", "type", "pdbx_seq_one_letter_code_can"),
    "entity_poly_seq": ("entity_id", "num", "mon_id"),
    "pdbx_poly_seq_scheme": ("asym_id", "pdb_strand_id"),
    "pdbx_struct_mod_residue": ("label_comp_id", "parent_comp_id"),
    "struct_asym": ("id", "entity_id"),
}
CATEGORIES = ("atom_site", *SMALL)
#: Columns of _atom_site that are read as numbers, and as text.
NUMERIC = ("Cartn_x", "Cartn_y", "Cartn_z", "occupancy", "B_iso_or_equiv")
TEXT = (
    "group_PDB", "type_symbol", "label_atom_id", "auth_atom_id", "label_alt_id", "label_comp_id",
    "auth_comp_id", "label_asym_id", "auth_asym_id", "label_entity_id", "label_seq_id",
    "auth_seq_id", "pdbx_PDB_ins_code", "pdbx_PDB_model_num",
)  # fmt: skip
COORDINATES = ("Cartn_x", "Cartn_y", "Cartn_z")


def read_mmcif(data: bytes, model: int = 1) -> Entry:
    """Read one model of ASCII mmCIF text.

    Raises:
        StructureError: If the syntax is broken, or there are no atoms or no such model.
    """
    try:
        cut = _with_cut_atoms(data)
        tables, blocks = (cut, 1) if cut else _tables(cif.read_string(data))
    except (ValueError, RuntimeError) as error:
        raise StructureError(f"is broken or cut mmCIF ({error})") from None
    if not tables:
        raise StructureError("is mmCIF without an _atom_site table, so without coordinates")
    return from_tables(tables, model, blocks)


def _tables(document: cif.Document) -> tuple[Tables, int]:
    """Return the tables of the first block with atoms, and the number of such blocks."""
    blocks = [block for block in document if block.find_mmcif_category("_atom_site.")]
    return {n: _table(block, n) for block in blocks[:1] for n in CATEGORIES}, len(blocks)


def _with_cut_atoms(data: bytes) -> Tables | None:
    """Return the tables of text with one block and aligned atoms; None for other text."""
    cut = aligned.cut_atoms(data, (*NUMERIC, *TEXT))
    if cut is None:
        return None
    columns, rest = cut
    document = cif.read_string(rest)
    if len(document) != 1 or document[0].find_mmcif_category("_atom_site."):
        return None
    tables = {name: _table(document[0], name) for name in CATEGORIES}
    tables["atom_site"] = {
        name: aligned.numbers(column) if name in NUMERIC else aligned.text(column)
        for name, column in columns.items()
    }
    return tables


def _table(block: cif.Block, category: str) -> dict[str, Column]:
    table = block.find_mmcif_category(f"_{category}.")
    names = [tag.split(".", 1)[1] for tag in table.tags]
    if table.loop is None:
        columns = [[row[at] for row in table] for at in range(len(names))]
    else:
        values, width = table.loop.values, len(names)
        columns = [values[at::width] for at in range(width)]
    wanted = SMALL.get(category, names)
    pairs = zip(names, columns, strict=True)
    return {name: _unquoted(column) for name, column in pairs if name in wanted}


def _unquoted(values: Sequence[str]) -> Column:
    """Return the values without quotes, with "" for "." and "?"."""
    plain = {value: cif.as_string(value) for value in set(values) if value[0] in "'\";.?"}
    return np.array([plain.get(value, value) for value in values] if plain else values, np.str_)


def from_tables(tables: Tables, model: int = 1, blocks: int = 1) -> Entry:
    """Build an entry from decoded tables.

    Raises:
        StructureError: If a column is missing, or there is no such model.
    """
    site = tables["atom_site"]
    for needed in (*COORDINATES, "label_atom_id", "label_comp_id"):
        if needed not in site:
            raise StructureError(f"has no column _atom_site.{needed}")
    rows, models = _rows(site, model)
    if len(rows) < len(site["Cartn_x"]):
        site = {name: column[rows] for name, column in site.items()}
    atoms, groups, label_entity = _atoms(site, rows)
    label_entity |= _pairs(tables["struct_asym"], "id", "entity_id")
    by_entity = _listed(tables["entity_poly_seq"])
    kinds = _kinds(tables)
    return Entry(
        atoms,
        groups,
        models,
        "_atom_site row",
        "entity_poly_seq",
        listed={k: by_entity[e] for k, e in label_entity.items() if e in by_entity},
        kinds={k: kinds[e] for k, e in label_entity.items() if e in kinds},
        auth_names=_pairs(tables["pdbx_poly_seq_scheme"], "asym_id", "pdb_strand_id"),
        parents=_canonical(tables["entity_poly"], by_entity) | _parents(tables),
        blocks=blocks,
    )


def _rows(site: dict[str, Column], model: int) -> tuple[NDArray[np.int64], int]:
    """Return the rows of a model, and the number of models."""
    number = site.get("pdbx_PDB_model_num", np.zeros(len(site["Cartn_x"])))
    values, first = np.unique(number, return_index=True)
    if len(values) == 1:
        number = copies(_residue(site), [_atom_name(site), _text(site, "label_alt_id")])
        values, first = np.unique(number, return_index=True)
    if not 1 <= model <= len(values):
        raise StructureError(f"has no model {model}; it has {len(values)}")
    wanted = values[np.argsort(first)[model - 1]]
    return np.flatnonzero(number == wanted), len(values)


def _text(site: dict[str, Column], *names: str) -> NDArray[np.str_]:
    """Return the text of the first named column, with blanks filled from the next ones."""
    size = len(site["Cartn_x"])
    result = np.full(size, "")
    for name in names:
        if name in site and (result == "").any():
            column = site[name] if site[name].dtype.kind == "U" else _str(site[name])
            result = np.where(result == "", column, result)
    return result


def _str(column: Column) -> NDArray[np.str_]:
    """Return numbers as text: whole ones without a decimal point, and NaN as ""."""
    values, inverse = np.unique(column, return_inverse=True)
    texts = ["" if value != value else f"{value:.10g}" for value in values.tolist()]
    return np.array(texts, np.str_)[inverse]


def _numbers(site: dict[str, Column], name: str, default: float) -> NDArray[np.float64]:
    column = site.get(name)
    if column is None:
        return np.full(len(site["Cartn_x"]), default)
    if column.dtype.kind == "U":
        column = np.array([cif.as_number(value) for value in column.tolist()])
    # The comparison is also false for NaN.
    return np.where(np.abs(column) <= LARGEST, column, default).astype(np.float64)


def _residue(site: dict[str, Column]) -> tuple[NDArray[np.str_], ...]:
    """Return the columns that tell residues apart, in the order of the fields of `Group`."""
    return (
        _text(site, "auth_asym_id", "label_asym_id"),
        _text(site, "label_asym_id", "auth_asym_id"),
        _text(site, "label_seq_id"),
        _text(site, "auth_seq_id", "label_seq_id"),
        _text(site, "pdbx_PDB_ins_code"),
        _text(site, "label_comp_id", "auth_comp_id"),
    )


def _atom_name(site: dict[str, Column]) -> NDArray[np.str_]:
    return _text(site, "label_atom_id", "auth_atom_id")


def _atoms(
    site: dict[str, Column], rows: NDArray[np.int64]
) -> tuple[AtomTable, list[Group], dict[str, str]]:
    keys = _residue(site)
    group = runs(*keys)
    first = first_rows(group)
    entity = _text(site, "label_entity_id")[first].tolist()
    het = (_text(site, "group_PDB")[first] == "HETATM").tolist()
    groups = [
        Group(0, chain or "_", label or "_", _place(seq), number + code, comp, is_het)
        for chain, label, seq, number, code, comp, is_het in zip(
            *(key[first].tolist() for key in keys), het, strict=True
        )
    ]
    name = _atom_name(site)
    atoms = AtomTable(
        group=group,
        name=name,
        alt=_text(site, "label_alt_id"),
        pos=np.stack([_numbers(site, axis, np.nan) for axis in COORDINATES], axis=-1),
        occupancy=_numbers(site, "occupancy", 1.0),
        bfactor=_numbers(site, "B_iso_or_equiv", np.nan),
        element=_elements(_text(site, "type_symbol"), name),
        line=rows + 1,
    )
    return atoms, groups, {g.label: e for g, e in zip(groups, entity, strict=True) if e}


def _place(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 10 else 0


def _elements(symbol: NDArray[np.str_], name: NDArray[np.str_]) -> NDArray[np.uint8]:
    """Return atomic numbers from the symbols; if one is blank, the atom's first letter decides."""
    found = np.zeros(len(symbol), np.uint8)
    for each in set(symbol.tolist()) - {""}:
        found[symbol == each] = atomic_number(each)
    for row in np.flatnonzero(symbol == "").tolist():
        found[row] = atomic_number("", f" {name[row]}")
    return found


def _pairs(table: dict[str, Column], key: str, value: str) -> dict[str, str]:
    if key not in table or value not in table:
        return {}
    keys, values = (table[name].astype(str).tolist() for name in (key, value))
    return dict(zip(keys, values, strict=True))


def _listed(table: dict[str, Column]) -> dict[str, list[tuple[str, ...]]]:
    """Return the deposited sequence of each entity; rows with the same number share a position."""
    places: dict[str, dict[str, tuple[str, ...]]] = {}
    if {"entity_id", "num", "mon_id"} <= table.keys():
        columns = (table[name].astype(str).tolist() for name in ("entity_id", "num", "mon_id"))
        for entity, number, name in zip(*columns, strict=True):
            place = places.setdefault(entity, {})
            place[number] = (*place.get(number, ()), name)
    return {entity: list(place.values()) for entity, place in places.items()}


def _kinds(tables: Tables) -> dict[str, str]:
    """Return the kind of each entity; a polymer without a stated type is left out, see `roles`."""
    types = _pairs(tables["entity"], "id", "type")
    kinds = {entity: "none" for entity, kind in types.items() if kind != "polymer"}
    for entity, kind in _pairs(tables["entity_poly"], "entity_id", "type").items():
        if kind:
            protein = "protein" if "polypeptide" in kind else "other"
            kinds[entity] = "nucleic" if "nucleotide" in kind else protein
    return kinds


def _canonical(
    table: dict[str, Column], listed: dict[str, list[tuple[str, ...]]]
) -> dict[str, list[str]]:
    """Return the parents of residues by the canonical sequence, if it has one letter for each."""
    parents: dict[str, list[str]] = {}
    for entity, text in _pairs(table, "entity_id", "pdbx_seq_one_letter_code_can").items():
        letters, names = "".join(text.split()), listed.get(entity, [])
        if len(letters) == len(names):
            pairs = zip(names, letters, strict=True)
            parents |= {n[0]: [expand_one_letter(x, ResidueKind.AA)] for n, x in pairs if x != "X"}
    return parents


def _parents(tables: Tables) -> dict[str, list[str]]:
    found = _pairs(tables["pdbx_struct_mod_residue"], "label_comp_id", "parent_comp_id")
    return {name: names.replace(",", " ").split() for name, names in found.items()}
