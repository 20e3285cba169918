"""Opens Parquet files, for which pyarrow is an optional library."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from zoo.errors import ConfigError, ZooError
from zoo.system.reading import plain_file


@contextmanager
def parquet_file(path: Path, error: Callable[[str], ZooError]) -> Iterator[Any]:
    """Yield a `pyarrow.parquet.ParquetFile`, which is closed at the end.

    Args:
        path: Path of the file.
        error: Returns what to raise if it cannot be read, from the cause: "cannot be read ...".

    Raises:
        ConfigError: If pyarrow is not installed.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise ConfigError(
            f"{path} is a Parquet file, and reading it needs pyarrow: `pip install pyarrow`."
        ) from None
    try:
        with pq.ParquetFile(plain_file(path)) as file:
            yield file
    except (pa.ArrowException, OSError) as cause:
        first = str(cause).splitlines()[0]
        raise error(f"cannot be read as a Parquet file: {first}") from cause
