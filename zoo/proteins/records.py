"""The proteins of a file of any kind, one after the other: none but the one at hand is held.

FASTA, tar archives, Foldcomp databases and tables hold many proteins under names of their own; a
structure file holds one, which is named after the file. What a file is, its content decides, but
for CSV.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path, PurePosixPath

from zoo.errors import StructureError
from zoo.proteins.files import foldcomp, tables
from zoo.proteins.files.archive import Member, is_tar, members, streamed_members
from zoo.proteins.files.content import (
    GZIP_MARK,
    pieces_of,
    printable,
    read_bytes,
    told,
    unpacked_bytes,
)
from zoo.proteins.files.fasta import MARK, fasta_records
from zoo.proteins.files.formats import FASTA_SUFFIXES, STRUCTURE_SUFFIXES, is_readable, stem
from zoo.proteins.files.record import Record
from zoo.proteins.protein import Protein, from_sequence
from zoo.proteins.structure import of_bytes
from zoo.system.reading import opened, stamp

COLLECTIONS = (
    *FASTA_SUFFIXES, ".tar", ".tar.gz", ".tgz", ".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet",
)  # fmt: skip
"""Ends of the names of files that hold many proteins."""
NO_CHAINS = "a sequence has no chains to choose from"
NO_STRUCTURE = "a member of a tar archive whose name is not that of a structure file"


def holds_many(path: Path) -> bool:
    """Return whether a file holds many proteins under names of their own.

    Its name says so, or an index beside it.
    """
    if path.name.lower().endswith(COLLECTIONS):
        return True
    return not is_readable(path) and foldcomp.is_database(path)


def read_proteins(path: str | Path) -> Iterator[Protein]:
    """Yield each protein of a FASTA file, archive, database or table, or that of a structure file.

    Raises:
        StructureError: If the file, or a record, cannot be read; names the file and the cause.
    """
    for record in read_records(path):
        if isinstance(record, StructureError):
            raise record
        yield record


def read_records(
    path: str | Path, chains: Sequence[str] | None = None
) -> Iterator[Protein | StructureError]:
    """Yield what `read_proteins` yields, and for a bad record its error instead of raising it.

    Args:
        path: Path of the file.
        chains: Names of the chains of a structure to read; None for all.

    Raises:
        StructureError: If the file cannot be read; names the file and the cause.
    """
    for record in records(path, chains):
        if not record.left_out:
            yield record.attempt()


def records(path: str | Path, chains: Sequence[str] | None = None) -> Iterator[Record]:
    """Yield the proteins of a file, each to be read or not before the next; see `Record`.

    Raises:
        StructureError: If the file cannot be read; names the file and the cause.
    """
    try:
        with pieces_of(path) as (head, pieces):
            for record in _records(Path(path), head, pieces, chains):
                yield record._replace(read=partial(_named, path, record))
    except StructureError as error:
        raise StructureError(f"{printable(path)}: {error}") from None


def _named(path: str | Path, record: Record) -> Protein:
    try:
        with told():  # a member of an archive is read only here
            return record.read()
    except StructureError as error:
        raise StructureError(f"{printable(path)}: {error}") from None


def _records(
    path: Path, head: bytes, pieces: Iterator[bytes], chains: Sequence[str] | None
) -> Iterator[Record]:
    if head.startswith(tables.PARQUET):
        return _of_rows(path, tables.parquet_rows(path), chains)
    if tables.is_csv(path):
        return _of_rows(path, tables.csv_rows(pieces), chains)
    if is_tar(head):
        return _of_archive(path, pieces, chains)
    if head.startswith(foldcomp.MARK):
        return _of_database(path, chains)
    if head.removeprefix(MARK).lstrip().startswith(b">"):
        if chains is not None:
            raise StructureError("a FASTA file has sequences and no chains to choose from")
        return fasta_records(pieces, stem(path), str(path))
    data = read_bytes(path) if path.is_file() else b"".join(pieces)  # a pipe is read only once
    return iter([Record(None, b"", lambda: of_bytes(path, data, chains))])


def _of_archive(
    path: Path, pieces: Iterator[bytes], chains: Sequence[str] | None
) -> Iterator[Record]:
    if not path.is_file():
        yield from _of_members(path, streamed_members(pieces), chains)
        return
    with opened(path) as file:
        packed = file.read(len(GZIP_MARK)) == GZIP_MARK
        file.seek(0)
        found = streamed_members(pieces) if packed else members(file)
        yield from _of_members(path, found, chains)


def _of_members(
    path: Path, found: Iterator[Member], chains: Sequence[str] | None
) -> Iterator[Record]:
    """Yield the structures; one that an archive has in several formats is read from the first.

    AlphaFold DB has each as mmCIF and as PDB, one after the other.
    """
    before, count = "", 0
    for member in found:
        count += 1
        name = printable(str(PurePosixPath(member.name).parent / stem(member.name)))
        if not member.name.lower().endswith(STRUCTURE_SUFFIXES):
            yield Record(printable(member.name), member.mark, _nothing, NO_STRUCTURE)
        elif name == before:
            yield Record(name, member.mark, _nothing, "the same structure in another format")
        else:
            yield Record(name, member.mark, partial(_of_member, name, path, member, chains))
        before = name
    if not count:
        raise StructureError("is a tar archive without files")


def _of_database(path: Path, chains: Sequence[str] | None) -> Iterator[Record]:
    for member in foldcomp.entries(path):
        name = printable(stem(member.name))
        yield Record(name, member.mark, partial(_of_member, name, path, member, chains))


def _nothing() -> Protein:
    raise StructureError("was left out")


def _of_member(name: str, path: Path, member: Member, chains: Sequence[str] | None) -> Protein:
    try:
        found = of_bytes(path / member.name, unpacked_bytes(member.read()), chains)
    except StructureError as error:
        raise StructureError(f"member {printable(member.name)}: {error}") from None
    return dataclasses.replace(found, name=name)


def _of_rows(
    path: Path, rows: Iterator[tables.Row], chains: Sequence[str] | None
) -> Iterator[Record]:
    for at, row in enumerate(rows, start=1):
        name = str(row.get(tables.ID, "")) or f"{stem(path)}_{at}"
        mark = repr(sorted(row.items())).encode(errors="replace")
        if (cell := row.get(tables.STRUCTURE)) and is_path(cell):
            mark += stamp(path.parent / str(cell)).encode()
        yield Record(name, mark, partial(_of_row, path, at, row, chains))


def _of_row(path: Path, at: int, row: tables.Row, chains: Sequence[str] | None) -> Protein:
    try:
        if not row.get(tables.ID):
            raise StructureError("it has no id, or not as many cells as there are columns")
        name = str(row[tables.ID])
        return protein_of_row(name, row, path, chains)
    except (StructureError, ValueError) as error:
        raise StructureError(f"row {at}: {error}") from None


def protein_of_row(
    name: str, row: tables.Row, path: Path, chains: Sequence[str] | None = None
) -> Protein:
    """Return the protein of a row of a table: of its structure if it has one, or its sequence.

    Args:
        name: Name of the protein.
        row: Cells by column. A structure is the path of a file, relative to the folder of the
            table, or the text of one.
        path: Path of the table.
        chains: Names of the chains to read where the row names none.

    Raises:
        StructureError: If it has neither, or it cannot be read.
        ValueError: If the sequence has characters that are not residues.
    """
    if own := str(row.get(tables.CHAIN, "")).strip():
        chains = [chain.strip() for chain in own.split(",")]
    if structure := row.get(tables.STRUCTURE):
        source, data = _structure(path, structure)
        return dataclasses.replace(of_bytes(source, data, chains), name=name)
    if chains is not None:
        raise StructureError(NO_CHAINS)
    return from_sequence(name, str(row.get(tables.SEQUENCE, "")), str(path))


def is_path(cell: str | bytes) -> bool:
    """Return whether a table's cell names a file with a structure, and does not hold one."""
    return isinstance(cell, str) and "\n" not in cell


def _structure(path: Path, cell: str | bytes) -> tuple[Path, bytes]:
    """Return the path of the structure in a table's cell, and its bytes."""
    if isinstance(cell, bytes):
        return path / "row", unpacked_bytes(cell)
    if not is_path(cell):
        return path / "row", cell.encode()
    source = path.parent / cell
    try:
        return source, read_bytes(source)
    except StructureError as error:
        raise StructureError(f"{printable(source)}: {error}") from None
