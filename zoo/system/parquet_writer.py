"""Writes tables as Parquet files with facts about them, by pyarrow."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple

from zoo.errors import ConfigError, ZooError
from zoo.system.parquet import need_pyarrow, parquet_file

FACTS, PART = b"zoo", b"zoo_part"
"""Keys of the metadata of a file of ours, whose values are JSON: in its schema, and its own."""
Columns = Mapping[str, Any]
"""Columns by name, of one length: lists, or arrays whose first axis are the rows."""


class Field(NamedTuple):
    """A column.

    Attributes:
        name: Its name.
        kind: Type of its values.
        width: Number of values in a row, for a list of fixed size; 0 for one value alone.
    """

    name: str
    kind: Literal["int32", "int64", "string", "float16", "float32"]
    width: int = 0


def need_writer(what: str) -> None:
    """Check that pyarrow can write what `ParquetWriter` writes.

    Args:
        what: What needs it, as the subject of a sentence.

    Raises:
        ConfigError: If it is not there or too old; names the command that helps.
    """
    need_pyarrow(f"{what} needs")
    import pyarrow.parquet as pq

    if not hasattr(pq.ParquetWriter, "add_key_value_metadata"):
        raise ConfigError(f"{what} needs pyarrow 17 or later: `pip install --upgrade pyarrow`.")


class ParquetWriter:
    """Writes rows to an open file in zstd, and facts about them at its end.

    Args:
        file: File to write bytes to.
        fields: The columns.
        facts: What the schema tells of them; JSON values.
    """

    def __init__(self, file: IO[bytes], fields: Sequence[Field], facts: Mapping[str, Any]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self.rows = 0
        columns = [pa.field(field.name, _type(field)) for field in fields]
        self._schema = pa.schema(columns, {FACTS: json.dumps(facts)})
        texts = [field.name for field in fields if field.kind == "string"]
        self._writer = pq.ParquetWriter(
            file, self._schema, compression="zstd", use_dictionary=texts or False
        )

    def add(self, columns: Columns) -> None:
        """Write rows as a group of their own."""
        import pyarrow as pa

        made = [_array(columns[field.name], field.type) for field in self._schema]
        table = pa.Table.from_arrays(made, schema=self._schema)
        if table.num_rows:
            self._writer.write_table(table, row_group_size=table.num_rows)
        self.rows += table.num_rows

    def finish(self, facts: Mapping[str, Any]) -> None:
        """Write what is known only now of the rows, and end the file's content."""
        self._writer.add_key_value_metadata({PART: json.dumps(facts)})
        self._writer.close()

    def drop(self) -> None:
        """End after an error, of which another one may follow as the file cannot be written."""
        with suppress(Exception):
            self._writer.close()


def facts_of(path: Path, error: Callable[[str], ZooError]) -> tuple[dict[str, Any], int]:
    """Return the facts in a file of ours, which are {} if it has none, and its number of rows.

    Args:
        path: Path of the file.
        error: Returns what to raise if it cannot be read, from the cause.
    """
    with parquet_file(path, error) as file:
        found = file.metadata.metadata or {}
        facts = [json.loads(found.get(key, b"{}")) for key in (FACTS, PART)]
        return facts[0] | facts[1], file.metadata.num_rows


def _type(field: Field) -> Any:
    import pyarrow as pa

    kind = {"string": pa.string(), "int32": pa.int32(), "int64": pa.int64(),
            "float16": pa.float16(), "float32": pa.float32()}[field.kind]  # fmt: skip
    return pa.list_(kind, field.width) if field.width else kind


def _array(values: Any, kind: Any) -> Any:
    import numpy as np
    import pyarrow as pa

    if not pa.types.is_fixed_size_list(kind):
        return pa.array(values, kind)
    rows = np.ascontiguousarray(values, dtype=kind.value_type.to_pandas_dtype())
    flat = pa.array(rows.reshape(-1), kind.value_type)
    return pa.FixedSizeListArray.from_arrays(flat, type=kind)
