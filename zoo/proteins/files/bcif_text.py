"""Writes BinaryCIF as mmCIF text, with all its categories."""

from __future__ import annotations

from typing import Any

import msgpack
import numpy as np
from gemmi import cif

from zoo.errors import StructureError
from zoo.proteins.files.bcif import DAMAGE, column_values

#: Masks of a value that does not apply, "." in text, and of one that is unknown, "?".
ABSENT = {1: False, 2: None}


def bcif_as_text(data: bytes) -> bytes:
    """Return mmCIF text with the blocks, categories and values of a BinaryCIF file.

    Raises:
        StructureError: If the container or an encoding is damaged.
    """
    document = cif.Document()
    try:
        with np.errstate(all="raise"):
            for block in msgpack.unpackb(data)["dataBlocks"]:
                _add(document.add_new_block(block["header"] or "model"), block["categories"])
    except (*DAMAGE, msgpack.exceptions.UnpackException) as error:
        cause = f"{type(error).__name__}: {error}"
        raise StructureError(f"is damaged BinaryCIF ({cause})") from None
    return str(document.as_string()).encode()


def _add(block: cif.Block, categories: list[dict[str, Any]]) -> None:
    for category in categories:
        columns = {x["name"]: _texts(x, category["rowCount"]) for x in category["columns"]}
        if category["rowCount"] and columns:
            block.set_mmcif_category(f"_{category['name'].lstrip('_')}.", columns)


def _texts(column: dict[str, Any], rows: int) -> list[str | bool | None]:
    """Return the values as text; numbers have the fewest digits that tell them apart."""
    values, mask = column_values(column, rows)
    if values.dtype == np.float32:
        values = values.astype(str)  # as a list of floats they would have the digits of float64
    texts: list[str | bool | None] = list(map(str, values.tolist()))
    if mask is not None:
        for row in np.flatnonzero(mask).tolist():
            texts[row] = ABSENT.get(int(mask[row]))
    return texts
