"""Results as they come, a JSON object a line: what is there is not computed again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from zoo.errors import ConfigError, ZooError
from zoo.inputs import sequence_hash, stamp
from zoo.paths import Input
from zoo.proteins.protein import Protein


class _Place(NamedTuple):
    """Where a result lies in the file, and what it is of."""

    start: int
    stamp: str
    hash: str


class Journal:
    """A file to add results to, by the names of proteins.

    Only whole lines count, so a run that was killed loses what it was writing and no more.

    Args:
        path: of the file, made if it is not there.
        description: of all that results depend on; its first line.

    Raises:
        ConfigError: if the file was begun under another description, or cannot be read.
    """

    def __init__(self, path: Path, description: Any) -> None:
        self.path = path
        self._places: dict[str, _Place] = {}
        try:
            self._file = open(path, "a+b")
        except OSError as error:
            raise ConfigError(f"{path} cannot be written: {error.strerror}.") from error
        try:
            self._go_on(description)
        except ZooError:
            self._file.close()
            raise

    def _go_on(self, description: Any) -> None:
        try:
            known = self._scan()
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigError(
                f"{self.path} cannot be gone on with ({error}). If it is damaged, or something "
                "else, delete it or choose another --out."
            ) from error
        if known is None:
            self._write(description)
        elif known != json.loads(json.dumps(description)):
            raise ConfigError(
                f"{self.path} holds what another model left unfinished. Choose another --out, or "
                "delete the file to start anew."
            )

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def has(self, protein: Protein) -> bool:
        """Return whether this very protein is done under this name."""
        place = self._places.get(protein.name)
        if place is None or place.hash != sequence_hash(protein):
            return False
        # One sequence can have several structures: a file must also be the one that was done.
        return not protein.has_structure or place.stamp == stamp(protein.source)

    def has_file(self, file: Input) -> bool:
        """Return whether a structure file, unchanged since, was done; without reading it."""
        place = self._places.get(file.name)
        return place is not None and place.stamp == stamp(file.path)

    def add(self, protein: Protein, result: Any) -> None:
        """Add a protein's result, in the place of any of that name."""
        place = _Place(self._file.seek(0, 2), stamp(protein.source), sequence_hash(protein))
        self._write({"id": protein.name, "stamp": place.stamp, "hash": place.hash,
                     "result": result})  # fmt: skip
        self._places[protein.name] = place

    def flush(self) -> None:
        """Bring what was added to the disk."""
        self._file.flush()

    def __getitem__(self, name: str) -> Any:
        self._file.seek(self._places[name].start)
        return json.loads(self._file.readline())["result"]

    def _write(self, value: Any) -> None:
        self._file.write(json.dumps(value, separators=(",", ":")).encode() + b"\n")

    def _scan(self) -> Any:
        """Find all results and cut off a line that was not written to its end; the first line."""
        self._file.seek(0)
        first, start = None, 0
        for line in self._file:
            if not line.endswith(b"\n"):
                self._file.truncate(start)
                break
            value = json.loads(line)
            if start == 0:
                first = value
            else:
                self._places[value["id"]] = _Place(start, value["stamp"], value["hash"])
            start += len(line)
        return first
