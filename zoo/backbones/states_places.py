"""Where the hidden states of each chain lie in a file, whatever its format."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zoo.errors import ConfigError, DataError, StructureError
from zoo.proteins.files.content import read_bytes
from zoo.proteins.files.fasta import parse_fasta
from zoo.proteins.reading import Reads


@dataclass(frozen=True)
class Place:
    """Where the states of one chain lie.

    Attributes:
        source: Data set in the HDF5 file, column of the table, or file in the folder.
        start: First row.
        stop: Row behind the last one; there is a row for each residue.
        line: Line of a table that holds all rows of the chain; None where each has its own.
        parts: Data sets of the group `source` whose columns stand side by side.
    """

    source: str
    start: int
    stop: int
    line: int | None = None
    parts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Found:
    """What a file says of the states in it.

    Attributes:
        places: The key of each chain, and where its rows lie; a sequence may be there twice.
        widths: Columns of its arrays.
        provenance: What computed the states.
        reads: What they depend on.
    """

    places: Sequence[tuple[str, Place]]
    widths: Set[int]
    provenance: Mapping[str, Any]
    reads: Reads = "sequence"


def key_of(sequence: str) -> str:
    """Return the key of a chain: the hash by which biotrainer names its data sets, too.

    Letters in lower case are those in upper case, as in a FASTA file.
    """
    return hashlib.sha256(f"{sequence.upper()}_{len(sequence)}".encode()).hexdigest()


def text_of(value: Any) -> str:
    """Return the text of an HDF5 attribute, which is a string, bytes, or an array of either.

    Examples:
        >>> text_of(np.array([b"MK", b"V"]))
        'MKV'
    """
    parts = np.ravel(value)
    return "".join(x.decode("utf-8", "replace") if isinstance(x, bytes) else str(x) for x in parts)


def no_layer(path: Path, layer: str | None) -> None:
    """Refuse a layer of a file that has one array for each chain.

    Raises:
        ConfigError: If a layer is named.
    """
    if layer is not None:
        raise ConfigError(
            f"{path} has one array for each chain, and none by the name {layer!r}, which --seq or "
            f"the trained model gives. Take a file that has it, or leave out ::{layer}."
        )


def sequences_of(path: Path) -> dict[str, str]:
    """Return the sequences of a FASTA file by id.

    Raises:
        DataError: If it cannot be read, a record is broken, or an id is there twice.
    """
    if not path.is_file():
        raise DataError(
            f"{path} does not exist. The states beside it are named by id, so it must give the "
            "sequence of each id; states are matched by sequence."
        )
    try:
        data = read_bytes(path)
    except StructureError as error:
        raise DataError(f"{path} {error}") from error
    found: dict[str, str] = {}
    for record in parse_fasta(data, path.stem, str(path)):
        if isinstance(record, StructureError):
            raise DataError(f"{path}: {record}")
        if record.name in found:
            raise DataError(f"{path}: the id {record.name!r} is there twice.")
        found[record.name] = record.chains[0].sequence
    return found


def sequence_of(path: Path, name: str, sequences: Mapping[str, str]) -> str:
    """Return the sequence of an id.

    Raises:
        DataError: If the FASTA file has none.
    """
    if name not in sequences:
        raise DataError(f"{path}: the states of {name!r} have no sequence in the FASTA file.")
    return sequences[name]


def check_rows(path: Path, name: str, rows: int, sequence: str) -> None:
    """Refuse states that have not one row for each residue.

    Raises:
        DataError: If the numbers differ.
    """
    if rows != len(sequence):
        raise DataError(
            f"{path}: {name!r} has {rows} rows for {len(sequence)} residues. Leave out the rows of "
            "special tokens, and do not cut or pad the chain."
        )
