"""Opens Parquet files, for which pyarrow is an optional library."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from zoo.errors import ConfigError, ZooError
from zoo.system.reading import plain_file


def need_pyarrow(what: str) -> None:
    """Check that pyarrow is there.

    Args:
        what: A clause on what needs it: "reading it needs".

    Raises:
        ConfigError: If it is not; names the command that installs it.
    """
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError:
        raise ConfigError(f"{what} pyarrow: `pip install pyarrow`.") from None


@contextmanager
def parquet_file(path: Path, error: Callable[[str], ZooError]) -> Iterator[Any]:
    """Yield a `pyarrow.parquet.ParquetFile`, which is closed at the end.

    Args:
        path: Path of the file.
        error: Returns what to raise if it cannot be read, from the cause: "cannot be read ...".

    Raises:
        ConfigError: If pyarrow is not installed.
    """
    need_pyarrow(f"{path} is a Parquet file, and reading it needs")
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(plain_file(path)) as file:
            yield file
    except (pa.ArrowException, OSError) as cause:
        first = str(cause).splitlines()[0]
        raise error(f"cannot be read as a Parquet file: {first}") from cause
