"""A protein of a file that is found, and read only when it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from zoo.errors import StructureError
from zoo.proteins.protein import Protein


class Record(NamedTuple):
    """One protein of a file.

    Attributes:
        name: Its own name; None for the one protein of a file, which is named after the file.
        mark: What changes when the record does, such as its text.
        read: Returns the protein, or raises a `StructureError`. Call it before the next record.
        left_out: Why it is no protein of its own; "" for one that is read.
    """

    name: str | None
    mark: bytes
    read: Callable[[], Protein]
    left_out: str = ""

    def attempt(self) -> Protein | StructureError:
        """Return the protein, or what is wrong with it."""
        try:
            return self.read()
        except StructureError as error:
            return error
