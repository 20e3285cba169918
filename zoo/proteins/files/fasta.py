"""Reads FASTA text into proteins without coordinates."""

from __future__ import annotations

from collections.abc import Iterator

from zoo.errors import StructureError
from zoo.proteins.protein import Protein, from_sequence


def parse_fasta(data: bytes, name: str, source: str) -> Iterator[Protein | StructureError]:
    """Yield each record's protein, named by the first word of its header, or what is wrong with it.

    A record without a name is called `name`, the stem of the file, with its number: "mine_2". A
    stop ("*") at the end is left out. A record that is empty, or has characters other than letters
    (gaps too), is an error; the records after it are read all the same.
    """
    for count, (header, sequence) in enumerate(_records(data), start=1):
        title = (header.split() or [f"{name}_{count}"])[0]
        try:
            yield from_sequence(title, sequence.removesuffix("*"), source)
        except ValueError as error:
            yield StructureError(f"record {count}: {error}")


def _records(data: bytes) -> Iterator[tuple[str, str]]:
    text = data.decode("utf-8", errors="replace").removeprefix("\ufeff").lstrip()
    for record in f"\n{text}".replace("\r", "\n").split("\n>")[1:]:
        header, _, sequence = record.partition("\n")
        yield header.strip(), "".join(sequence.split())
