"""Aligned mmCIF text cut by columns is what the tokenizer reads, or it is left to the tokenizer."""

from __future__ import annotations

import gzip
import math

import numpy as np
import pytest
from gemmi import cif

from tests.conftest import REPOSITORY
from zoo.proteins.files import aligned, mmcif

EXAMPLE = gzip.decompress((REPOSITORY / "zoo/examples/1a8o.cif.gz").read_bytes())
HEAD = "data_x\nloop_\n_atom_site.id\n_atom_site.label_atom_id\n_atom_site.Cartn_x\n"


def cut(rows: str, after: str = "#\n") -> dict[str, list[object]] | None:
    found = aligned.cut_atoms((HEAD + rows + after).encode(), ("label_atom_id", "Cartn_x"))
    if found is None:
        return None
    columns = found[0]
    return {
        "name": aligned.text(columns["label_atom_id"]).tolist(),
        "x": aligned.numbers(columns["Cartn_x"]).tolist(),
    }


def test_the_example_is_read_as_by_the_tokenizer() -> None:
    fast, slow = mmcif._with_cut_atoms(EXAMPLE), mmcif._tables(cif.read_string(EXAMPLE))[0]
    assert fast is not None and len(fast["atom_site"]["Cartn_x"]) == 644
    for name, column in fast["atom_site"].items():
        expected = slow["atom_site"][name]
        if name in mmcif.NUMERIC:
            expected = np.array([cif.as_number(value) for value in expected.tolist()])
        assert column.tolist() == expected.tolist(), name
    assert set(fast["atom_site"]) == set(slow["atom_site"]) & {*mmcif.NUMERIC, *mmcif.TEXT}
    del fast["atom_site"], slow["atom_site"]
    assert all((fast[k][n] == slow[k][n]).all() for k in slow for n in slow[k])


def test_values_may_be_quoted_blank_or_odd_numbers() -> None:
    rows = "1  \"O5'\" -0.125  \n2  .     12.5(3) \n3  'N'   1e2     \n4  ?     ?       \n"
    found = cut(rows)
    assert found is not None
    assert found["name"] == ["O5'", "", "N", ""]
    assert found["x"][:3] == [-0.125, 12.5, 100.0] and math.isnan(found["x"][3])  # type: ignore[arg-type]


@pytest.mark.parametrize("after", ["#\n", "_x.y 1\n", "loop_\n_x.y\n1\n", "data_y\n", ""])
def test_the_table_ends_where_something_else_begins(after: str) -> None:
    assert cut("1 N  1.5 \n2 CA 22.5\n", after) == {"name": ["N", "CA"], "x": [1.5, 22.5]}


@pytest.mark.parametrize(
    "rows",
    [
        "1 N 1.5\n2 CA 22.5\n",  # not aligned
        "1 N  1.5 \n2 CA\n 22.5\n",  # a row of two lines
        "1 'N A' 1.5\n2 CA    2.5\n",  # a blank inside a value
        "1 N  1.5\n 2 CA 2.5\n"[:-1],  # cut off
    ],
)
def test_other_text_is_left_to_the_tokenizer(rows: str) -> None:
    assert cut(rows) is None


def test_a_second_block_or_table_is_left_to_the_tokenizer() -> None:
    text = (HEAD + "1 N  1.5 \n2 CA 22.5\n#\n").encode()
    assert mmcif._with_cut_atoms(text) is not None
    assert mmcif._with_cut_atoms(text + b"data_y\n_x.y 1\n") is None
