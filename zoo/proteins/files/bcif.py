"""Decodes BinaryCIF into the tables that mmCIF text gives, so that the same code reads both.

Source: Sehnal et al., PLoS Comput. Biol. 2020, 10.1371/journal.pcbi.1008247; the encodings are
those of its specification, version 0.3. gemmi does not read the format.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgpack
import numpy as np
from numpy.typing import NDArray

from zoo.errors import StructureError
from zoo.proteins.files.entry import Entry
from zoo.proteins.files.mmcif import CATEGORIES, Column, Tables, from_tables

Array = NDArray[Any]
#: NumPy types by their numbers in the specification.
TYPES = {1: "<i1", 2: "<i2", 3: "<i4", 4: "<u1", 5: "<u2", 6: "<u4", 32: "<f4", 33: "<f8"}
#: Largest number of values in a column; a larger one is a damaged count.
MAX_VALUES = 50_000_000
#: Errors that decoding damaged bytes can raise.
DAMAGE = (
    ArithmeticError, AttributeError, LookupError, MemoryError, RecursionError, TypeError, ValueError
)  # fmt: skip


def read_bcif(data: bytes, model: int = 1) -> Entry:
    """Read one model of a BinaryCIF file.

    Raises:
        StructureError: If the file is damaged, or there are no atoms or no such model.
    """
    tables, blocks = read_tables(data)
    return from_tables(tables, model, blocks)


def read_tables(data: bytes) -> tuple[Tables, int]:
    """Decode the categories that structures are built from; masked text becomes "".

    Those of the first block with atoms are returned, with the number of such blocks.

    Raises:
        StructureError: If the container or an encoding is damaged, or there are no atoms.
    """
    try:
        with np.errstate(all="raise"):
            tables, count = _tables(msgpack.unpackb(data)["dataBlocks"])
    except (*DAMAGE, msgpack.exceptions.UnpackException) as error:
        cause = f"{type(error).__name__}: {error}"
        raise StructureError(f"is damaged BinaryCIF ({cause})") from None
    if not count:
        raise StructureError("is BinaryCIF without an _atom_site table, so without coordinates")
    return tables, count


def _tables(blocks: list[dict[str, Any]]) -> tuple[Tables, int]:
    """Return the tables of the first block with atoms, and the number of such blocks."""
    named = [{c["name"].lstrip("_").lower(): c for c in b["categories"]} for b in blocks]
    found = [categories for categories in named if "atom_site" in categories]
    return {n: _table(c[n]) if n in c else {} for c in found[:1] for n in CATEGORIES}, len(found)


def _table(category: dict[str, Any]) -> dict[str, Column]:
    rows = category["rowCount"]
    return {column["name"]: _column(column, rows) for column in category["columns"]}


def _column(column: dict[str, Any], rows: int) -> Column:
    values, mask = column_values(column, rows)
    if mask is None:
        return values
    masked = mask != 0
    if values.dtype.kind == "U":
        return np.where(masked, "", values)
    return np.where(masked, np.nan, values) if masked.any() else values


def column_values(column: dict[str, Any], rows: int) -> tuple[Array, Array | None]:
    """Return the decoded values of a column, and its mask: 0 present, 1 absent, 2 unknown."""
    values = _decode(column["data"])
    _expect(len(values) == rows, f"column {column['name']} has {len(values)} of {rows} rows")
    return values, None if column.get("mask") is None else _decode(column["mask"])


def _expect(holds: bool, otherwise: str) -> None:
    if not holds:
        raise ValueError(otherwise)


def _decode(encoded: dict[str, Any]) -> Array:
    """Return the decoded values; the encodings are undone from the last to the first."""
    return np.asarray(_undo(encoded["data"], encoded["encoding"]))


def _undo(values: Any, encodings: Sequence[dict[str, Any]]) -> Any:
    for encoding in reversed(encodings):
        values = DECODERS[encoding["kind"]](values, encoding)
    return values


def _byte_array(data: bytes, encoding: dict[str, Any]) -> Array:
    return np.frombuffer(data, TYPES[encoding["type"]])


def _fixed_point(values: Array, encoding: dict[str, Any]) -> Array:
    return np.asarray(values / float(encoding["factor"]))


def _interval(values: Array, encoding: dict[str, Any]) -> Array:
    low, high, steps = encoding["min"], encoding["max"], encoding["numSteps"]
    return np.asarray(low + values * ((high - low) / (steps - 1)))


def _run_length(values: Array, encoding: dict[str, Any]) -> Array:
    values, counts = values[::2], values[1::2]
    _expect(bool((counts >= 0).all()) and counts.sum() <= MAX_VALUES, "run lengths out of range")
    return np.repeat(values, counts)


def _delta(values: Array, encoding: dict[str, Any]) -> Array:
    return np.cumsum(values, dtype=np.int64) + encoding["origin"]


def _integer_packing(values: Array, encoding: dict[str, Any]) -> Array:
    """Join integers split into pieces: a piece at the limit of its type continues in the next."""
    signed = not encoding["isUnsigned"]
    high = 2 ** (8 * encoding["byteCount"] - signed) - 1
    values = values.astype(np.int64)
    ends = np.flatnonzero((values != high) & (values != (-high - 1 if signed else high)))
    totals = np.cumsum(values)[ends]
    return np.diff(totals, prepend=0)


def _strings(data: bytes, encoding: dict[str, Any]) -> Array:
    """Return the strings cut from the joined text at its offsets; index -1 is the empty string."""
    offsets = _undo(encoding["offsets"], encoding["offsetEncoding"]).tolist()
    text = encoding["stringData"]
    unique = [text[a:b] for a, b in zip(offsets[:-1], offsets[1:], strict=True)]
    index = _undo(data, encoding["dataEncoding"])
    _expect(bool(((index >= -1) & (index < len(unique))).all()), "string index out of range")
    return np.array([*unique, ""], np.str_)[index]


DECODERS: dict[str, Callable[[Any, dict[str, Any]], Array]] = {
    "ByteArray": _byte_array,
    "FixedPoint": _fixed_point,
    "IntervalQuantization": _interval,
    "RunLength": _run_length,
    "Delta": _delta,
    "IntegerPacking": _integer_packing,
    "StringArray": _strings,
}
