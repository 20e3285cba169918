"""A reader of ATOM3D's container, an LMDB database of gzipped items that hold tables of atoms.

https://github.com/drorlab/atom3d
"""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from zoo.data.reading.atom3d_tables import to_columns
from zoo.data.reading.lmdb_walk import cut_short, damage
from zoo.data.samples import DroppedSample
from zoo.errors import DataError
from zoo.proteins.files.unpack import gunzip
from zoo.system.reading import plain_file

FILE = "data.mdb"
FORMATS = ("json", "msgpack", "pkl")
#: A process may open an LMDB environment only once at a time.
_OPEN = threading.Lock()


class Container:
    """The items in one folder.

    Args:
        folder: Folder that holds `data.mdb`.
        allow_pickle: Whether a pickled data set is read, which runs any code in it.
    """

    def __init__(self, folder: Path, allow_pickle: bool = False) -> None:
        self.folder = folder
        self.path = folder / FILE
        self.allow_pickle = allow_pickle

    @cached_property
    def format(self) -> str:
        """The format in which items are serialised, one of `FORMATS`.

        Raises:
            DataError: If it is unknown, or if it is pickle and `allow_pickle` is not set.
        """
        found = self._header("serialization_format").decode("ascii", "replace")
        if found not in FORMATS:
            raise DataError(f"{self.path}: unknown serialization_format {found!r}")
        if found == "pkl" and not self.allow_pickle:
            raise DataError(
                f"{self.path} holds pickles, which can run code when read. Convert it to json with "
                "atom3d, or allow it (--allow-pickle) if you trust where it is from."
            )
        return found

    @cached_property
    def ids(self) -> dict[str, int]:
        """The index of each item by its id; of items with equal ids, only the last is included.

        Raises:
            DataError: If the list of ids is damaged.
        """
        try:
            found = _load(self._header("id_to_idx"), self.format)
            return {str(name): int(index) for name, index in found.items()}
        except (ValueError, TypeError, AttributeError) as error:
            raise DataError(f"{self.path}: id_to_idx is damaged ({error})") from None

    def __len__(self) -> int:
        text = self._header("num_examples")
        if not text.isdigit():
            raise DataError(f"{self.path}: num_examples is {text!r}, not a number")
        return int(text)

    def check(self) -> None:
        """Check that every item can be read, in another process, which damage may crash.

        Raises:
            DataError: If the file is damaged.
        """
        if self.path.is_file() and (problem := damage(self.folder)):
            raise _damaged(self.path, problem)

    def item(self, index: int) -> dict[str, Any]:
        """Return an item, with its tables as dicts of columns.

        Raises:
            DroppedSample: If it is missing or cannot be deserialised; names the index.
        """
        kind, packed = self.format, self._get(str(index))
        if packed is None:
            raise DroppedSample(f"{self.path}: item {index} is not there")
        try:
            item = _load(gunzip(packed), kind)
            return {str(key): to_columns(value) for key, value in item.items()}
        except (ValueError, TypeError, AttributeError) as error:
            cause = str(error) or type(error).__name__
        except Exception as error:  # the content of a pickle or msgpack may raise anything
            cause = f"{type(error).__name__}: {error}"
        raise DroppedSample(f"{self.path}: item {index} cannot be read ({cause})")

    def _header(self, key: str) -> bytes:
        value = self._get(key)
        if value is None:
            raise DataError(f"{self.path} is not an ATOM3D data set: it has no {key}")
        return value

    def _get(self, key: str) -> bytes | None:
        with _environment(self.folder, self.path) as environment:
            with environment.begin() as transaction:
                value: bytes | None = transaction.get(key.encode("ascii"))
                return value


@contextmanager
def _environment(folder: Path, path: Path) -> Iterator[Any]:
    import lmdb

    try:
        plain_file(path)
    except FileNotFoundError:
        raise DataError(f"{path} is missing") from None
    except OSError as error:
        raise DataError(f"{path} {error.strerror}") from None
    with _OPEN:
        try:
            with lmdb.open(str(folder), readonly=True, lock=False, readahead=False) as environment:
                if problem := cut_short(path, environment):
                    raise DataError(f"{path} was cut short: {problem}; fetch it again")
                yield environment
        except lmdb.Error as error:
            raise _damaged(path, error) from None


def _damaged(path: Path, problem: object) -> DataError:
    return DataError(f"{path}: damaged or not an LMDB file ({problem}); fetch it again")


def _load(data: bytes, kind: str) -> dict[str, Any]:
    if kind == "json":
        found = json.loads(data)
    elif kind == "msgpack":
        import msgpack

        found = msgpack.unpackb(data, strict_map_key=False)
    else:
        import pandas

        found = pandas.read_pickle(io.BytesIO(data), compression=None)
    if not isinstance(found, dict):
        raise TypeError(f"a {type(found).__name__} where a dict should be")
    return found
