from __future__ import annotations

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.proteins.files import BYTES, bcif, int32, peptide
from zoo.errors import StructureError
from zoo.proteins.files.bcif import read_bcif, read_tables
from zoo.proteins.files.bcif_text import bcif_as_text


def column(encoding, data, rows, mask=None):
    data = {"encoding": encoding, "data": data}
    columns = [{"name": "Cartn_x", "data": data, "mask": mask}]
    category = {"name": "_atom_site", "rowCount": rows, "columns": columns}
    content = {"dataBlocks": [{"header": "T", "categories": [category]}]}
    return read_tables(msgpack.packb(content))[0]["atom_site"]["Cartn_x"]


@pytest.mark.parametrize(
    ("encoding", "data", "expected"),
    [
        ([{"kind": "ByteArray", "type": 33}], np.array([1.5, -2.0]).tobytes(), [1.5, -2.0]),
        ([{"kind": "FixedPoint", "factor": 100, "srcType": 33}, *BYTES], int32([125]), [1.25]),
        ([{"kind": "Delta", "origin": 1000, "srcType": 3}, *BYTES], int32([0, 3, 2]),
         [1000, 1003, 1005]),
        ([{"kind": "RunLength", "srcType": 3, "srcSize": 5}, *BYTES], int32([7, 2, 9, 3]),
         [7, 7, 9, 9, 9]),
        ([{"kind": "IntervalQuantization", "min": 1, "max": 2, "numSteps": 3, "srcType": 33},
          *BYTES], int32([0, 1, 2]), [1.0, 1.5, 2.0]),
        ([{"kind": "IntegerPacking", "byteCount": 1, "isUnsigned": False, "srcSize": 6},
          {"kind": "ByteArray", "type": 1}], np.array([1, 2, 127, 1, -128, -5, -3], "i1").tobytes(),
         [1, 2, 128, -133, -3]),
        ([{"kind": "IntegerPacking", "byteCount": 1, "isUnsigned": True, "srcSize": 3},
          {"kind": "ByteArray", "type": 4}], np.array([255, 255, 3, 0, 254], "u1").tobytes(),
         [513, 0, 254]),
    ],
    ids=["bytes", "fixed", "delta", "runs", "interval", "signed", "unsigned"],
)  # fmt: skip
def test_each_encoding_is_undone(encoding, data, expected):
    assert column(encoding, data, len(expected)).tolist() == pytest.approx(expected)


def test_masked_numbers_are_nan():
    mask = {"encoding": BYTES, "data": int32([0, 2])}
    values = column(BYTES, int32([4, 0]), 2, mask)
    assert values[0] == 4 and np.isnan(values[1])


def test_a_count_that_would_fill_the_memory_is_an_error():
    runs = [{"kind": "RunLength", "srcType": 3, "srcSize": 2}, *BYTES]
    with pytest.raises(StructureError, match="run lengths"):
        column(runs, int32([7, 2_000_000_000]), 2)


def test_rows_and_values_must_agree():
    with pytest.raises(StructureError, match="has 2 of 3 rows"):
        column(BYTES, int32([1, 2]), 3)


def test_a_file_without_atoms_says_so():
    with pytest.raises(StructureError, match="_atom_site"):
        read_tables(msgpack.packb({"dataBlocks": [{"header": "T", "categories": []}]}))


@settings(derandomize=True, max_examples=150, deadline=None, database=None)
@given(st.data())
def test_damaged_bytes_raise_only_structure_errors(data):
    content = bytearray(bcif(peptide("ALA", "GLY")))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(0, 2 * len(content)))]
    try:
        read_bcif(bytes(content))
    except StructureError as error:
        assert "\n" not in str(error)


def test_text_has_the_digits_of_the_numbers_and_the_marks_of_masked_ones():
    float32 = [{"kind": "ByteArray", "type": 32}]
    columns = [
        {"name": "x", "data": {"encoding": float32, "data": np.array([19.594, 2], "<f4").tobytes()},
         "mask": {"encoding": BYTES, "data": int32([0, 2])}},
        {"name": "n", "data": {"encoding": BYTES, "data": int32([7, 8])},
         "mask": {"encoding": BYTES, "data": int32([1, 0])}},
    ]  # fmt: skip
    block = {"header": "T", "categories": [{"name": "_t", "rowCount": 2, "columns": columns}]}
    text = bcif_as_text(msgpack.packb({"dataBlocks": [block]})).decode().split()
    assert text == ["data_T", "loop_", "_t.x", "_t.n", "19.594", ".", "?", "8"]
