"""The records of all inputs as one stream, in which each has a number."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain, islice
from typing import NamedTuple

from zoo.errors import StructureError
from zoo.prediction.listing import Input
from zoo.proteins.files.content import printable
from zoo.proteins.files.formats import STRUCTURE_SUFFIXES
from zoo.proteins.protein import Protein
from zoo.proteins.records import holds_many, records
from zoo.system.reading import stamp

LEFT = "The parts that are complete stay. Mend the file, or leave it out and choose another --out."


class Item(NamedTuple):
    """A record of the inputs.

    Attributes:
        label: What its failure is listed under.
        name: Name of the protein.
        mark: What changes when the record does.
        read: Returns the protein, or raises a `StructureError`. Call it before the next record.
    """

    label: str
    name: str
    mark: bytes
    read: Callable[[], Protein]


def items(files: Iterable[Input], left_out: Counter[str]) -> Iterator[Item]:
    """Yield the records of the files, of which none is read.

    Args:
        files: Inputs of the command.
        left_out: Gets the number of things that are no proteins of their own, by the reason.

    Raises:
        StructureError: If a file of many proteins cannot be read to its end: its records could not
            be numbered.
    """
    for file in files:
        label = printable(file.path)
        if file.problem is not None:
            yield Item(label, file.name, b"", partial(_fail, file.problem))
        elif str(file.path).lower().endswith(STRUCTURE_SUFFIXES):
            yield Item(label, file.name, stamp(file.path).encode(), partial(_only, file))
        else:
            yield from _items_of(file, label, left_out)


def _items_of(file: Input, label: str, left_out: Counter[str]) -> Iterator[Item]:
    found = 0
    try:
        for at, record in enumerate(records(file.path, file.chains), start=1):
            if record.left_out:
                left_out[record.left_out] += 1
                continue
            found += 1
            name = record.name or file.name
            own = label if record.name is None else f"{label} record {at}"
            yield Item(own, name, record.mark or stamp(file.path).encode(), record.read)
    except StructureError as error:
        if found or holds_many(file.path):
            raise StructureError(f"{error}. {LEFT}") from None
        yield Item(label, file.name, stamp(file.path).encode(), partial(_fail, str(error)))


def _fail(reason: str) -> Protein:
    raise StructureError(reason)


def _only(file: Input) -> Protein:
    """Return the protein of a structure file, by whose name it was counted as one."""
    found = None
    for record in records(file.path, file.chains):
        if found is not None:
            raise StructureError(
                f"{printable(file.path)} has several proteins, and its name is that of a structure "
                "file; rename it"
            )
        found = record.read()
    assert found is not None
    return found


def check_beginnings(files: Iterable[Input]) -> None:
    """Look at the first record of each file of many proteins, before anything is written.

    Raises:
        StructureError: If one cannot be read, or only once, as a pipe.
        ConfigError: If it is Parquet, and pyarrow is not there.
    """
    for file in files:
        if file.path.exists() and not file.path.is_file():
            raise StructureError(
                f"{printable(file.path)} can be read only once, and parts that are missing are "
                "made by reading the inputs again; name a file, not a pipe"
            )
        if file.problem is None and holds_many(file.path):
            next(records(file.path, file.chains), None)


class Block:
    """The next records of a stream, those of one part.

    Attributes:
        marks: Hash of the names and marks of the records so far.
        count: Number of records so far.
    """

    def __init__(self, taken: Iterable[Item]) -> None:
        self._taken = iter(taken)
        self._digest = hashlib.blake2b(digest_size=16)
        self.count = 0

    @property
    def marks(self) -> str:
        """Hash of the names and marks of the records so far."""
        return self._digest.hexdigest()

    def __iter__(self) -> Iterator[Item]:
        for item in self._taken:
            name = item.name.encode("utf-8", "surrogatepass")
            self._digest.update(b"%d %d " % (len(name), len(item.mark)) + name + item.mark)
            self.count += 1
            yield item

    def pass_over(self) -> None:
        """Go to the end without reading a record."""
        for _ in self:
            pass


def blocks(stream: Iterator[Item], size: int) -> Iterator[Block]:
    """Yield the stream cut into blocks of `size` records; iterate over each before the next."""
    while (first := next(stream, None)) is not None:
        block = Block(chain([first], islice(stream, size - 1)))
        yield block
        block.pass_over()
