"""Converts ATOM3D's tables to columns, and its tables of atoms to frames."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.data.reading.frames import Frame, elements
from zoo.data.samples import DroppedSample
from zoo.proteins.files.entry import LARGEST


def to_columns(value: Any) -> Any:
    """Return a table as a dict of columns, and any other value unchanged.

    A table is recognised by its keys, because old data sets do not mark it by `types`.
    """
    if isinstance(value, dict) and {"columns", "index", "data"} <= set(value):
        rows, names = value["data"], [str(name) for name in value["columns"]]
        columns = zip(*rows, strict=True) if rows else ((),) * len(names)
        return {name: _column(cells) for name, cells in zip(names, columns, strict=True)}
    if type(value).__name__ == "DataFrame":
        return {str(name): value[name].to_numpy() for name in value.columns}
    return value


def _column(cells: tuple[Any, ...]) -> NDArray[Any]:
    kinds = {type(cell) for cell in cells}
    if kinds <= {int, float, bool, type(None)}:
        return np.array(cells, float if type(None) in kinds else None)
    if kinds == {str}:
        return np.array(cells)
    column = np.empty(len(cells), object)
    column[:] = cells
    return column


def frame(table: Any, what: str) -> Frame:
    """Return a table of atoms as a frame.

    Args:
        table: Columns of the table by name.
        what: Name of the table in error messages.

    Raises:
        DroppedSample: If it is not a table of atoms; names it.
    """
    try:
        return _frame(table)
    except KeyError as error:
        raise DroppedSample(f"{what} lacks the column {error}") from None
    except (ValueError, TypeError, OverflowError, AttributeError) as error:
        raise DroppedSample(f"{what} is not a table of atoms ({error})") from None


def _frame(table: Mapping[str, NDArray[Any]]) -> Frame:
    name = _text(table["name"])
    number = np.array([str(int(cell)) for cell in table["residue"].tolist()], np.str_)
    return Frame(
        name=name,
        comp=_text(table["resname"]),
        chain=_text(table["chain"]),
        number=np.strings.add(number, _text(table["insertion_code"])),
        element=elements(_text(table["element"]), name),
        pos=np.stack([_numbers(table[axis], np.nan) for axis in "xyz"], axis=1),
        het=_text(table["hetero"]) != "",
        alt=_text(table["altloc"]) if "altloc" in table else None,
        occupancy=_numbers(table["occupancy"], 1.0) if "occupancy" in table else None,
        bfactor=_numbers(table["bfactor"], np.nan) if "bfactor" in table else None,
    )


def _numbers(column: NDArray[Any], default: float) -> NDArray[np.float64]:
    """Return a column's numbers, and the default for those that are damage."""
    values = column.astype(np.float64)
    return np.where(np.abs(values) <= LARGEST, values, default)


def _text(column: NDArray[Any]) -> NDArray[np.str_]:
    cells = ("" if cell is None else str(cell) for cell in column.tolist())
    return np.array([cell.strip() for cell in cells], np.str_)
