"""Hidden states in a Parquet table: a line for each chain, or a line for each residue.

A line for each chain has its `sequence`, or an `id` whose sequence is in a FASTA file of the same
name beside it, and a column of lists: one list of numbers for each residue, or all numbers in one
list, residue after residue. A line for each residue has the `id` of its chain and the `position` in
it, which grow by one, a list of numbers, and the letter `residue` or that FASTA file.

A column of a Parquet file can only be read from its beginning, so it is kept in the memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.backbones.states_places import (
    Found,
    Place,
    check_rows,
    key_of,
    sequence_of,
    sequences_of,
    text_of,
)
from zoo.errors import ConfigError, DataError
from zoo.system.parquet import parquet_file
from zoo.system.reading import plain_file

MAGIC = b"PAR1"
ID, SEQUENCE, POSITION, RESIDUE = "id", "sequence", "position", "residue"
Places = list[tuple[str, Place]]


def is_parquet(path: Path) -> bool:
    """Return whether a file begins as Parquet does."""
    with plain_file(path).open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def open_parquet(path: Path, column: str | None) -> Found:
    """Return where the rows of each chain lie, and what made them.

    Args:
        path: Parquet file.
        column: Column of lists; None for the only one.

    Raises:
        ConfigError: If pyarrow is not installed, or the column must be named.
        DataError: If it cannot be read, or a chain's numbers do not fit its sequence.
    """
    table = _table(path)
    lists = [field.name for field in table.schema if _is_list(field.type) and _numbers(field.type)]
    name = _column(path, lists, column)
    by_residue = POSITION in table.column_names
    found, widths = (_by_residue if by_residue else _by_chain)(path, table, name)
    return Found(found, widths, _made_by(table.schema.metadata or {}) | {"column": name})


def _made_by(metadata: Mapping[bytes, bytes]) -> dict[str, str]:
    """Return what the program that wrote the table said of it; not what libraries keep there."""
    words = {key.decode("utf-8", "replace"): text.decode("utf-8", "replace")
             for key, text in sorted(metadata.items())}  # fmt: skip
    return {key: text for key, text in words.items() if key not in ("pandas", "ARROW:schema")}


def read_parquet(path: Path, places: Iterable[Place]) -> Iterator[NDArray[Any]]:
    """Yield the rows (residues, width) of some chains.

    Raises:
        DataError: If they cannot be read any more.
    """
    for place in places:
        column = _table(path).column(place.source)
        first, stop = (place.start, place.stop) if place.line is None else (
            place.line, place.line + 1
        )  # fmt: skip
        yield _values(column.slice(first, stop - first)).reshape(place.stop - place.start, -1)


def _table(path: Path) -> Any:
    try:
        info = plain_file(path, whole=True).stat()
    except OSError as error:
        raise DataError(f"{path} cannot be read any more: {error}") from error
    return _read(path, info.st_mtime_ns, info.st_size)


@lru_cache(maxsize=2)
def _read(path: Path, changed: int, size: int) -> Any:
    """Return a table; one that was written anew is read anew."""
    with parquet_file(path, lambda cause: DataError(f"{path} {cause}")) as file:
        return file.read()


def _is_list(kind: Any) -> bool:
    import pyarrow.types as types

    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))


def _numbers(kind: Any) -> bool:
    """Return whether a type is of numbers, however many lists are around them."""
    import pyarrow.types as types

    while _is_list(kind):
        kind = kind.value_type
    return bool(types.is_floating(kind) or types.is_integer(kind))


def _column(path: Path, lists: list[str], name: str | None) -> str:
    if not lists:
        raise DataError(
            f"{path} has no column of lists of numbers. Write the states of a chain, or of a "
            "residue, as one list of numbers a line."
        )
    if name is None and len(lists) == 1:
        return lists[0]
    if name not in lists:
        named = ", ".join(f"states:{path}::{one}" for one in lists)
        raise ConfigError(f"{path} has {len(lists)} columns of lists. Name one: {named}.")
    return name


def _by_chain(path: Path, table: Any, name: str) -> tuple[Places, set[int]]:
    """Return the places of a table with a line for each chain."""
    column = table.column(name)
    outer, width = _lengths(path, column)
    found, widths = [], set()
    for line, (label, sequence) in enumerate(_chains(path, table)):
        if width is None:
            columns, rest = divmod(outer[line], len(sequence))
            if rest:
                raise DataError(
                    f"{path}: {label!r} has {outer[line]} numbers for {len(sequence)} residues, "
                    "which are not as many for each. Leave out those of special tokens, and do "
                    "not cut or pad the chain."
                )
            widths.add(columns)
        else:
            check_rows(path, label, outer[line], sequence)
            widths.add(width)
        found.append((key_of(sequence), Place(name, 0, len(sequence), line)))
    return found, widths


def _lengths(path: Path, column: Any) -> tuple[list[int], int | None]:
    """Return the lengths of the lists, and the width of lists in them; None for plain numbers."""
    import pyarrow.compute as pc

    if column.null_count:
        raise DataError(f"{path}: {column.null_count} lines have no states. Leave them out.")
    outer = pc.list_value_length(column).to_pylist()
    if not _is_list(column.type.value_type):
        return outer, None
    inner = set(pc.list_value_length(pc.list_flatten(column)).unique().to_pylist())
    if len(inner) > 1 or None in inner:
        raise DataError(f"{path}: not all residues have the same number of columns.")
    return outer, inner.pop() if inner else 0


def _chains(path: Path, table: Any) -> Iterator[tuple[str, str]]:
    """Yield the name and the sequence of each line."""
    names = table.column_names
    if SEQUENCE in names:
        given = table.column(SEQUENCE).to_pylist()
        labels = table.column(ID).to_pylist() if ID in names else range(1, len(given) + 1)
        for label, sequence in zip(labels, given, strict=True):
            if not sequence:
                raise DataError(f"{path}: {str(label)!r} has no sequence.")
            yield str(label), text_of(sequence)
        return
    sequences = _beside(path, names)
    for label in map(str, table.column(ID).to_pylist()):
        yield label, sequence_of(path, label, sequences)


def _beside(path: Path, names: list[str]) -> Mapping[str, str]:
    """Return the sequences of the FASTA file beside a table that has none itself."""
    if ID not in names:
        raise DataError(
            f"{path} has the columns {', '.join(names)}. Add `{SEQUENCE}`, or `{ID}` and a FASTA "
            "file of the same name."
        )
    return sequences_of(path.with_suffix(".fasta"))


def _by_residue(path: Path, table: Any, name: str) -> tuple[Places, set[int]]:
    """Return the places of a table with a line for each residue."""
    widths, inner = _lengths(path, table.column(name))
    if inner is not None:
        raise DataError(f"{path}: `{name}` has lists of lists, and a line is one residue.")
    names = table.column_names
    known = _beside(path, names) if RESIDUE not in names else None
    if ID not in names:
        raise DataError(f"{path} has no column `{ID}`, which says whose residue a line is.")
    positions = table.column(POSITION).to_pylist()
    letters = table.column(RESIDUE).to_pylist() if known is None else []
    found, seen, first = [], set(), 0
    for label, lines in groupby(map(str, table.column(ID).to_pylist())):
        stop = first + sum(1 for _ in lines)
        _check_positions(path, label, positions[first:stop], label in seen)
        if known is None:
            sequence = "".join(letter or "" for letter in letters[first:stop])
        else:
            sequence = sequence_of(path, label, known)
        check_rows(path, label, stop - first, sequence)
        found.append((key_of(sequence), Place(name, first, stop)))
        seen.add(label)
        first = stop
    return found, set(widths)


def _check_positions(path: Path, label: str, positions: list[Any], again: bool) -> None:
    """Refuse lines of a chain that are not one after the other, from its first residue on."""
    whole = (list(range(first, first + len(positions))) for first in (0, 1))
    if again or positions not in whole:
        raise DataError(
            f"{path}: the lines of {label!r} are not its residues one after the other, with a "
            f"`{POSITION}` from 0 or 1 on that grows by one. Sort the table by `{ID}` and "
            f"`{POSITION}`, and do not leave residues out."
        )


def _values(column: Any) -> NDArray[Any]:
    """Return all numbers of some lines in one row."""
    import pyarrow.compute as pc

    while _is_list(column.type):
        column = pc.list_flatten(column)
    return np.asarray(column.to_numpy())
