"""The folder of a run in parts: its manifest, its parts, and who is at work on one."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
import socket
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from zoo.errors import ConfigError, alike
from zoo.models.checksums import values_hash
from zoo.prediction.folder import FAILED, MANIFEST
from zoo.prediction.listing import Input
from zoo.proteins.files.content import printable
from zoo.system.files import make_folder, read_json, settle, whole_file, write_json
from zoo.system.locks import claimed
from zoo.system.parquet_writer import Field, ParquetWriter, facts_of

LOCKS, FORMAT = ".locks", "zoo parts 1"
HEADER = ("input", "reason")
"""Columns of the table of failures."""
SHOWN = 1000
"""Number of failures that the manifest lists; all are in the table of failures."""
COUNTS = ("written", "complexes", "unsure", "not_predicted")
"""Counts of an outcome that a part keeps."""


@dataclass(frozen=True)
class Plan:
    """What all processes of a run agree on.

    Attributes:
        about: Everything that the numbers depend on; JSON values.
        inputs: Names of the inputs, and a hash of all of them; JSON values.
        size: Number of records in a part.
        columns: Columns of the parts.
        facts: What the schema of each part tells; JSON values.
    """

    about: Mapping[str, Any]
    inputs: Mapping[str, Any]
    size: int
    columns: Sequence[Field]
    facts: Mapping[str, Any]

    @property
    def key(self) -> str:
        """Hash of what the numbers depend on, by which parts of other runs are known.

        The same inputs by other paths are the same.
        """
        facts = {"about": self.about, "inputs": self.inputs["hash"], "size": self.size}
        return values_hash(facts)[:32]


def named_inputs(files: Sequence[Input]) -> dict[str, Any]:
    """Return what tells some inputs from others by their names and chains, and the first of them.

    What is in the files each part knows. The hash is that of {"inputs": [[name, chains], ...]}, as
    `values_hash` gives it, of which one input is held at a time.
    """
    digest, between = hashlib.sha256(b'{"inputs": ['), ""
    for file in files:
        digest.update(f"{between}{json.dumps([file.name, file.chains])}".encode())
        between = ", "
    digest.update(b"]}")
    first = [printable(file.path) for file in files[:20]]
    return {"count": len(files), "hash": digest.hexdigest()[:32], "first": first}


class PartsFolder:
    """The folder of a run; several processes may work in it at once.

    Args:
        path: The folder, which is made if it does not exist.
        plan: What is to be written.

    Raises:
        ConfigError: If it holds something else; nothing is changed then.
        SaveError: If it cannot be made.
    """

    def __init__(self, path: Path, plan: Plan) -> None:
        self.path, self.plan = path, plan
        make_folder(path)
        self._begin()

    def _begin(self) -> None:
        """Write the manifest, unless it is there and is of the same run."""
        if not (self.path / MANIFEST).exists():
            check_empty(self.path)
            self._write_first()
        found = read_manifest(self.path)
        if found["key"] != self.plan.key:
            raise ConfigError(
                f"{self.path} belongs to another run, {_difference(found['run'], self._run())}. "
                "Choose another --out, or delete the folder to start again."
            )

    def _run(self) -> dict[str, Any]:
        plan = self.plan
        return {"about": plan.about, "inputs": plan.inputs, "part_size": plan.size}

    def _write_first(self) -> None:
        """Put a manifest in place whole, and only if no other process was first."""
        mine = self.path / f".{MANIFEST}.{_me()}"
        facts = {"format": FORMAT, "key": self.plan.key, "complete": False, "run": self._run()}
        write_json(mine, facts)
        with suppress(FileExistsError):
            os.link(mine, self.path / MANIFEST)
        mine.unlink()

    def part(self, index: int) -> Path:
        """Return the path of a part."""
        return self.path / f"part-{index:05}.parquet"

    def has(self, index: int) -> bool:
        """Return whether a part is complete."""
        return self.part(index).exists()

    @contextmanager
    def claim(self, index: int) -> Iterator[bool]:
        """Yield whether this process is to make a part, which no other process makes meanwhile."""
        lock = self.path / LOCKS / f"{index:05}"
        with claimed(lock) as mine:
            yield mine and not self.has(index)
            if mine and self.has(index):  # nobody is to make it again, whoever holds the lock next
                with suppress(OSError):
                    lock.unlink()

    @contextmanager
    def writing(self, index: int) -> Iterator[ParquetWriter]:
        """Yield a writer of a part, which is in its place once the block ends without an error."""
        part = self.path / f".{self.part(index).name}.unfinished"
        try:
            with part.open("wb") as file:
                yield from _closing(file, self.plan)
            settle(part, self.part(index))
        finally:
            with suppress(OSError):
                part.unlink()

    def facts(self, index: int) -> dict[str, Any]:
        """Return what a complete part tells of itself.

        Raises:
            ConfigError: If it is damaged, or is of another run.
        """
        path = self.part(index)
        found, rows = facts_of(path, lambda cause: ConfigError(
            f"{path} {cause}. Delete it; the same command makes it again."))  # fmt: skip
        if found.get("key") != self.plan.key:
            raise ConfigError(f"{path} is of another run. Delete it, or choose another --out.")
        return found | {"rows": rows, "bytes": path.stat().st_size}

    def check(self, index: int, facts: Mapping[str, Any], marks: str) -> None:
        """Check that a part is of the records that the inputs have now.

        Raises:
            ConfigError: If it is not.
        """
        if facts["marks"] != marks:
            raise ConfigError(
                f"{self.part(index)} was made of other records than the inputs have now: they "
                "have changed. Choose another --out, or delete the folder to start again."
            )

    def finish(self, marks: Sequence[str], left_out: Counter[str]) -> None:
        """Complete the manifest, after a look at every part.

        Args:
            marks: Hash of the records of each part.
            left_out: Things in the inputs that are no proteins of their own, by the reason.

        Raises:
            ConfigError: If a part is not of this run, or not of these records.
        """
        found = []
        for index, own in enumerate(marks):
            found.append(self.facts(index))
            self.check(index, found[-1], own)
        if self.has(len(marks)):
            raise ConfigError(
                f"{self.part(len(marks))} is of records that the inputs no longer have. Choose "
                "another --out, or delete the folder to start again."
            )
        with claimed(self.path / LOCKS / "sum") as mine:
            if mine:  # else another process is about to write the same
                self._write_failed(found)
                write_json(self.path / MANIFEST, self._sum(found, left_out))
                self._clear()

    def _clear(self) -> None:
        """Delete what killed processes left, of which nobody needs anything now."""
        for left in self.path.glob(f".{MANIFEST}.*"):
            left.unlink(missing_ok=True)
        shutil.rmtree(self.path / LOCKS, ignore_errors=True)

    def _sum(self, found: Sequence[Mapping[str, Any]], left_out: Counter[str]) -> dict[str, Any]:
        failed = [row for facts in found for row in facts["failed"]]
        counts = {name: sum(facts["counts"][name] for facts in found) for name in COUNTS}
        parts = [
            {"name": self.part(index).name, "first_record": index * self.plan.size,
             "records": facts["records"], "rows": facts["rows"], "bytes": facts["bytes"],
             "failed": len(facts["failed"]), "versions": facts["versions"]}
            for index, facts in enumerate(found)
        ]  # fmt: skip
        return {
            "format": FORMAT, "key": self.plan.key, "complete": True, "run": self._run(),
            "records": sum(facts["records"] for facts in found),
            "rows": sum(facts["rows"] for facts in found), **counts,
            "failed": len(failed), "left_out": dict(left_out),
            "reasons": dict(Counter(alike(reason) for _, reason in failed).most_common()),
            "failures": [dict(zip(HEADER, row, strict=True)) for row in failed[:SHOWN]],
            "versions": versions(), "parts": parts,
        }  # fmt: skip

    def _write_failed(self, found: Iterable[Mapping[str, Any]]) -> None:
        rows = [row for facts in found for row in facts["failed"]]
        if rows:
            with whole_file(self.path / FAILED) as file:
                csv.writer(file).writerows([HEADER, *rows])


def _closing(file: IO[bytes], plan: Plan) -> Iterator[ParquetWriter]:
    writer = ParquetWriter(file, plan.columns, {"key": plan.key, **plan.facts})
    try:
        yield writer
    except BaseException:
        writer.drop()
        raise


def check_empty(path: Path) -> None:
    """Check that a folder without a manifest holds nothing that someone needs.

    Raises:
        ConfigError: If it does.
    """
    others = sorted(x.name for x in path.iterdir() if not x.name.startswith("."))
    if others:
        raise ConfigError(
            f"{path} has no {MANIFEST}, and is not empty ({', '.join(others[:3])}): it belongs to "
            "something else. Choose another --out."
        )


def read_manifest(path: Path) -> dict[str, Any]:
    """Return the manifest of a folder.

    Raises:
        ConfigError: If there is none, or it is damaged.
    """
    found = read_json(path / MANIFEST)
    if not isinstance(found, dict) or not {"key", "complete", "run"} <= found.keys():
        raise ConfigError(
            f"{path / MANIFEST} is missing, damaged, or of another program. Choose another --out, "
            "or delete the folder to start again."
        )
    return found


def versions() -> dict[str, str]:
    """Return the versions of what the numbers and the files are made by."""
    import platform
    from importlib.metadata import version

    import torch

    import zoo

    return {"zoo": zoo.__version__, "torch": torch.__version__, "pyarrow": version("pyarrow"),
            "python": platform.python_version()}  # fmt: skip


def _difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Return a clause on the first thing in which two runs differ."""
    if before.get("inputs", {}).get("hash") != now["inputs"]["hash"]:
        return "of other inputs"
    if before.get("part_size") != now["part_size"]:
        return f"in parts of {before.get('part_size')} records (--part-size)"
    about, mine = before.get("about", {}), json.loads(json.dumps(now["about"]))
    differ = [key for key in {**about, **mine} if about.get(key) != mine.get(key)]
    return f"of another model or with other settings ({', '.join(differ)})"


def _me() -> str:
    """Return a name that no other process has."""
    return f"{printable(socket.gethostname())}.{os.getpid()}"
