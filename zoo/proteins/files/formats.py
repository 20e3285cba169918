"""Reads a file of any structure format into an `Entry`; its content decides what it is."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from zoo.errors import StructureError
from zoo.proteins.files.bcif import read_bcif
from zoo.proteins.files.content import printable
from zoo.proteins.files.entry import Entry
from zoo.proteins.files.mmcif import read_mmcif
from zoo.proteins.files.pdb import read_pdb
from zoo.proteins.files.predicted import holds_plddt

_PLAIN_STRUCTURE = (".pdb", ".ent", ".cif", ".mmcif", ".bcif")
_PLAIN_FASTA = (".fasta", ".fa", ".faa")
PLAIN_SUFFIXES = _PLAIN_STRUCTURE + _PLAIN_FASTA
STRUCTURE_SUFFIXES = (*_PLAIN_STRUCTURE, *(f"{suffix}.gz" for suffix in _PLAIN_STRUCTURE))
FASTA_SUFFIXES = (*_PLAIN_FASTA, *(f"{suffix}.gz" for suffix in _PLAIN_FASTA))

READERS = {"pdb": read_pdb, "mmcif": read_mmcif, "bcif": read_bcif}
ASCII_OR_MARK = bytes(range(128)) + b"?" * 128
OTHER_CONTENT = {
    b"<": "is an HTML or XML page, often the error page of a download; fetch the file again",
    b"{": "is JSON, not a structure; save the structure as PDB, mmCIF or BinaryCIF",
    b"[": "is JSON, not a structure; save the structure as PDB, mmCIF or BinaryCIF",
    b"PK\x03\x04": "is a zip archive; unpack it first",
    b"BZh": "is compressed by bzip2; unpack it, or use gzip",
    b"\xfd7zXZ": "is compressed by xz; unpack it, or use gzip",
    b"\x28\xb5\x2f\xfd": "is compressed by zstd; unpack it, or use gzip",
}


def is_readable(path: str | Path) -> bool:
    """Return whether a name ends like that of a structure or FASTA file, without opening it."""
    return str(path).lower().endswith(STRUCTURE_SUFFIXES + FASTA_SUFFIXES)


def stem(path: str | Path) -> str:
    """Return the file name without its suffixes: "1abc" for "1abc.cif.gz"."""
    name = printable(Path(path).name)
    for suffix in (".gz", *_PLAIN_STRUCTURE, *_PLAIN_FASTA):
        if name.lower().endswith(suffix) and len(name) > len(suffix):
            name = name[: -len(suffix)]
    return name


#: A PDB file's atom. A serial number of six digits takes the sixth column of the record's name.
ATOM_RECORD = re.compile(rb"^(?:ATOM[ \d]{2}|HETATM)", re.MULTILINE)


def detect(data: bytes) -> str:
    """Return the format of some content: "pdb", "mmcif", "bcif" or "fasta".

    Raises:
        StructureError: If it is something else, such as HTML; says what, if that is known.
    """
    if 0x80 <= data[0] <= 0x8F or data[0] in (0xDE, 0xDF):  # a msgpack map
        return "bcif"
    text = data.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith(b">"):
        return "fasta"
    for mark, cause in OTHER_CONTENT.items():
        if text.startswith(mark):
            raise StructureError(cause)
    if re.match(rb"(?:#[^\n]*\n\s*)*data_", text, re.IGNORECASE):
        return "mmcif"
    if ATOM_RECORD.search(text):
        return "pdb"
    if text.startswith((b"HEADER", b"TITLE ", b"REMARK", b"SEQRES", b"CRYST1", b"MODEL ")):
        raise StructureError("is a PDB file without ATOM records, so without coordinates")
    raise StructureError("is not a PDB, mmCIF, BinaryCIF or FASTA file")


def as_ascii(data: bytes) -> bytes:
    """Return text with "?" for other bytes, and without the mark that some editors begin with."""
    return data.removeprefix(b"\xef\xbb\xbf").translate(ASCII_OR_MARK)


def parse(data: bytes, model: int) -> tuple[Entry, list[str]]:
    """Return the entry in some content, and notes on its bytes.

    Raises:
        StructureError: If the content is damaged, is not a structure, or lacks the model.
    """
    kind, notes = detect(data), []
    if kind == "fasta":
        raise StructureError("holds sequences, not a structure")
    if kind != "bcif" and not data.isascii():
        data = as_ascii(data)
        notes.append("bytes that are not ASCII were read as '?'")
    entry = replace(READERS[kind](data, model), plddt=holds_plddt(data))
    return entry, [*notes, *entry.notes]
