"""Keep results in a file of JSON lines, so that a stopped command need not compute them again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from zoo.errors import ConfigError, ZooError
from zoo.prediction.inputs import sequence_hash, stamp
from zoo.prediction.paths import Input
from zoo.proteins.protein import Protein
from zoo.system.reading import plain_file


class _Place(NamedTuple):
    """The position of a result in the file, with the stamp and hash of its protein."""

    start: int
    stamp: str
    hash: str


class Journal:
    """A file of results by protein name, to which results are added.

    Only complete lines count, so a run that was killed loses only the line that it was writing.

    Args:
        path: file of the results, created if it does not exist.
        description: everything that the results depend on; it is the first line of the file.

    Raises:
        ConfigError: if the file has another description, or cannot be read.
    """

    def __init__(self, path: Path, description: Any) -> None:
        self.path = path
        self._places: dict[str, _Place] = {}
        try:
            if path.exists():
                plain_file(path)
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
                f"{self.path} cannot be continued ({error}). If it is damaged, or another kind "
                "of file, delete it or choose another --out."
            ) from error
        if known is None:
            self._write(description)
        elif known != json.loads(json.dumps(description)):
            raise ConfigError(
                f"{self.path} holds unfinished results of another model. Choose another --out, or "
                "delete the file to start again."
            )

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def has(self, protein: Protein) -> bool:
        """Return whether this protein is done, with the same name, sequence and structure."""
        place = self._places.get(protein.name)
        if place is None or place.hash != sequence_hash(protein):
            return False
        # One sequence can have several structures, so the structure file must be the same too.
        return not protein.has_structure or place.stamp == stamp(protein.source)

    def has_file(self, file: Input) -> bool:
        """Return whether an unchanged structure file was done before, without reading it."""
        place = self._places.get(file.name)
        return place is not None and place.stamp == stamp(file.path)

    def add(self, protein: Protein, result: Any) -> None:
        """Add a protein's result; it replaces that of a protein with the same name."""
        place = _Place(self._file.seek(0, 2), stamp(protein.source), sequence_hash(protein))
        self._write({"id": protein.name, "stamp": place.stamp, "hash": place.hash,
                     "result": result})  # fmt: skip
        self._places[protein.name] = place

    def flush(self) -> None:
        """Write all buffers to the disk."""
        self._file.flush()

    def __getitem__(self, name: str) -> Any:
        self._file.seek(self._places[name].start)
        return json.loads(self._file.readline())["result"]

    def _write(self, value: Any) -> None:
        self._file.write(json.dumps(value, separators=(",", ":")).encode() + b"\n")

    def _scan(self) -> Any:
        """Find all results, cut off an incomplete last line, and return the description."""
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
