"""Keep results in a file of JSON lines, so that a stopped command need not compute them again."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from zoo.errors import ConfigError, ZooError
from zoo.prediction.inputs import content_hash, sequence_hash
from zoo.prediction.listing import Input
from zoo.proteins.protein import Protein
from zoo.system.files import whole_file
from zoo.system.reading import plain_file, stamp


class _Place(NamedTuple):
    """The position of a result in the file, and what tells its protein from others.

    Journals of earlier versions have neither the file nor the content; these are then "".
    """

    start: int
    stamp: str
    hash: str
    source: str = ""
    content: str = ""


class Journal:
    """A file of results by protein name, to which results are added.

    Only complete lines count, so a run that was killed loses only the line that it was writing.

    Args:
        path: file of the results, created if it does not exist.
        description: everything that the results depend on; it is the first line of the file.
        former: the same as an earlier version described it; a file that has it is continued, and
            gets the new description when it is rewritten.

    Raises:
        ConfigError: if the file has another description, or cannot be read.
    """

    def __init__(self, path: Path, description: Any, former: Any = None) -> None:
        self.path, self._description = path, description
        self._places: dict[str, _Place] = {}
        try:
            if path.exists():
                plain_file(path)
            self._file = open(path, "a+b")
        except OSError as error:
            raise ConfigError(f"{path} cannot be written: {error.strerror}.") from error
        try:
            self._is_former = self._go_on(former)
        except ZooError:
            self._file.close()
            raise

    def _go_on(self, former: Any) -> bool:
        """Read what is there; return whether it has the former description."""
        try:
            known = self._scan()
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigError(
                f"{self.path} cannot be continued ({error}). If it is damaged, or another kind "
                "of file, delete it or choose another --out."
            ) from error
        if known is None:
            self._write(self._description)
        elif known not in (_plain(self._description), _plain(former)):
            raise ConfigError(
                f"{self.path.parent} holds predictions of another model, or with another --as or "
                f"--min-plddt, as {self.path} tells. Choose another --out, or delete that folder "
                "to start again."
            )
        return known is not None and known != _plain(self._description)

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def has(self, protein: Protein) -> bool:
        """Return whether this protein is done: its name, sequences and coordinates are the same."""
        place = self._places.get(protein.name)
        if place is None or place.hash != sequence_hash(protein):
            return False
        if place.content:
            return place.content == content_hash(protein)
        return not protein.has_structure or place.stamp == stamp(protein.source)

    def has_file(self, file: Input) -> bool:
        """Return whether an unchanged structure file was done before, without reading it."""
        place = self._places.get(file.name)
        if place is None or place.stamp != stamp(file.path):
            return False
        return place.source in ("", os.path.abspath(file.path))

    def owner(self, protein: Protein) -> str:
        """Return what another protein that has this protein's name is; "" if there is none.

        Another sequence is another protein; so are other coordinates from another file. Other
        coordinates from the same file are the same protein, whose file has changed.
        """
        place = self._places.get(protein.name)
        if place is None or self.has(protein):
            return ""
        named = f" ({place.source})" if place.source else ""
        if place.hash != sequence_hash(protein):
            return f"a protein of another sequence{named}"
        if place.source not in ("", os.path.abspath(protein.source)):
            return f"a protein with other coordinates{named}"
        return ""

    def names(self) -> list[str]:
        """Return the names of all proteins that are done."""
        return list(self._places)

    def source(self, name: str) -> Path | None:
        """Return the file that a result is of; None if it is gone or changed, or is not known."""
        place = self._places[name]
        unchanged = place.source and place.stamp and place.stamp == stamp(place.source)
        return Path(place.source) if unchanged else None

    def add(self, protein: Protein, result: Any) -> None:
        """Add a protein's result; it replaces that of a protein with the same name."""
        place = _Place(
            self._file.seek(0, 2), stamp(protein.source), sequence_hash(protein),
            os.path.abspath(protein.source), content_hash(protein),
        )  # fmt: skip
        facts = place._asdict()
        del facts["start"]
        self._write({"id": protein.name, **facts, "result": result})
        self._places[protein.name] = place

    def keep(self, names: Iterable[str]) -> None:
        """Rewrite the file with these results only, in this order."""
        wanted = list(names)
        if wanted == self.names() and not self._is_former:
            return
        with whole_file(self.path, "wb") as file:
            file.write(_line(self._description))
            for name in wanted:
                self._file.seek(self._places[name].start)
                file.write(self._file.readline())
            self._file.close()
        self._file, self._is_former = open(self.path, "a+b"), False
        self._places.clear()
        self._scan()

    def flush(self) -> None:
        """Write all buffers to the disk."""
        self._file.flush()

    def __getitem__(self, name: str) -> Any:
        self._file.seek(self._places[name].start)
        return json.loads(self._file.readline())["result"]

    def _write(self, value: Any) -> None:
        self._file.write(_line(value))

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
                facts = (str(value.get(key, "")) for key in ("source", "content"))
                self._places[value["id"]] = _Place(start, value["stamp"], value["hash"], *facts)
            start += len(line)
        return first


def _line(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode() + b"\n"


def _plain(value: Any) -> Any:
    """Return a value as it is once it was written to JSON and read."""
    return json.loads(json.dumps(value))
