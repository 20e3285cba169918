"""Reads FASTA text into proteins without coordinates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

from zoo.errors import StructureError
from zoo.proteins.files.record import Record
from zoo.proteins.protein import Protein, from_sequence

LONGEST = 2**26
"""Largest size in bytes of one record, which is held whole; that of the longest protein is 2**16.
"""
MARK = b"\xef\xbb\xbf"


def parse_fasta(data: bytes, name: str, source: str) -> Iterator[Protein | StructureError]:
    """Yield each record's protein, or what is wrong with it; see `fasta_records`."""
    for record in fasta_records([data], name, source):
        yield record.attempt()


def fasta_records(pieces: Iterable[bytes], name: str, source: str) -> Iterator[Record]:
    """Yield the records of FASTA text, of which one at a time is held.

    A protein is named by the first word of its header. One without a name is called `name`, the
    stem of the file, with its number: "mine_2". A stop ("*") at the end is left out. A record that
    is empty, or has characters other than letters (gaps too), is an error; the records after it are
    read all the same.

    Raises:
        StructureError: If a record has more bytes than any protein.
    """
    for count, raw in enumerate(_split(pieces), start=1):
        header, _, sequence = raw.decode("utf-8", errors="replace").partition("\n")
        title = (header.split() or [f"{name}_{count}"])[0]
        yield Record(title, raw, partial(_protein, count, title, sequence, source))


def _protein(count: int, title: str, sequence: str, source: str) -> Protein:
    try:
        return from_sequence(title, "".join(sequence.split()).removesuffix("*"), source)
    except ValueError as error:
        raise StructureError(f"record {count}: {error}") from None


def _split(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield each record's text after its ">", whose lines end in a line feed."""
    records = _between(pieces)
    next(records)  # what is before the first one: nothing
    return records


def _between(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the text between one line that begins with ">" and the next."""
    begun, rest = False, b"\n"
    for piece in pieces:
        piece = piece.replace(b"\r", b"\n")
        if not begun:
            piece = piece.removeprefix(MARK).lstrip()
            begun = bool(piece)
        # A mark may lie across two pieces: of what is left, the last byte is looked at again.
        *whole, rest = (rest + piece).split(b"\n>")
        yield from whole
        if len(rest) > LONGEST:
            raise StructureError(
                f"has a record of more than {LONGEST:,} bytes, which is no protein; is it the "
                "right file?"
            )
    yield rest
