"""Reads a file of features in a process of its own: python -P feature_check.py FILE [COPY].

HDF5 does not check most of what it reads: a damaged block makes it loop without end, or ends the
process. So a file is read to its end in a separate process before anything is added, and that
process is ended if it stands still.
"""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

PATIENCE = 60.0
"""Seconds without a line after which the process is ended; one protein is read in far less."""
CHECKSUM, OWN = "checksum", "sequence_hash"
"""Attributes of a protein's group: its checksum, and one that every version has written."""


@dataclass
class Findings:
    """What was found in a file.

    Attributes:
        whole: number of proteins that are what was written.
        damaged: names of the others.
        problem: why the file cannot be read to its end; "" if it can.
    """

    whole: int = 0
    damaged: list[str] = field(default_factory=list)
    problem: str = ""


def check(path: Path, copy: Path | None = None) -> Findings:
    """Read every protein of a file in another process, and compare the checksums.

    Args:
        path: HDF5 file of features.
        copy: New file for the proteins that are whole; None to write none.
    """
    command = [sys.executable, "-P", __file__, str(path), *([] if copy is None else [str(copy)])]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        found = Findings()
        try:
            for name, cause in _lines(process.stdout):
                if name is None:
                    found.problem = cause
                elif cause:
                    found.damaged.append(name)
                else:
                    found.whole += 1
        except queue.Empty:
            process.kill()
            found.problem = f"HDF5 stood still for {PATIENCE:.0f} s"
    if process.returncode and not found.problem:
        code = process.returncode
        found.problem = (
            f"HDF5 was killed by signal {-code}"
            if code < 0
            else f"the check ended with code {code}"
        )
    return found


def _lines(stream: IO[str]) -> Iterator[tuple[str | None, str]]:
    """Yield the lines of a process.

    Raises:
        queue.Empty: If the next one takes longer than `PATIENCE`.
    """
    lines: queue.Queue[str] = queue.Queue()

    def pump() -> None:
        for line in stream:
            lines.put(line)
        lines.put("")

    threading.Thread(target=pump, daemon=True).start()
    while line := lines.get(timeout=PATIENCE):
        name, cause = json.loads(line)
        yield name, cause


def checksum(group: Any) -> int:
    """Return a checksum of a protein's features and of what says which protein it is.

    A protein is a group of data sets, or in biotrainer's layout one data set.
    """
    total = 0
    for name, data in sorted(group.items()) if hasattr(group, "keys") else [("", group)]:
        values = data[()]
        total = zlib.crc32(f"{name} {values.dtype} {values.shape}".encode(), total)
        total = zlib.crc32(values.tobytes(), total)
    for name in sorted(set(group.attrs) - {CHECKSUM}):
        total = zlib.crc32(f"{name} {group.attrs[name]}".encode(), total)
    return total


def proteins(group: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield name and group of each protein; a group without a protein's attributes is a folder."""
    for name in group:
        try:
            own = group[name]
            is_folder = OWN not in own.attrs
        except Exception as error:  # damage can cause any error
            yield prefix + name, error
            continue
        if is_folder:
            yield from proteins(own, f"{prefix}{name}/")
        else:
            yield prefix + name, own


def _problem(group: Any) -> str:
    """Return why a protein's group is not what was written, or "" if it is."""
    if isinstance(group, Exception):
        return str(group) or type(group).__name__
    try:
        found = checksum(group)  # a group of an earlier version has none, and is read all the same
        return "" if int(group.attrs.get(CHECKSUM, found)) == found else "other bytes than written"
    except Exception as error:
        return str(error) or type(error).__name__


def _main(path: str, copy: str | None = None) -> None:
    import h5py

    def tell(name: str | None, cause: str) -> None:
        sys.stdout.write(json.dumps([name, cause]) + "\n")
        sys.stdout.flush()

    try:
        with h5py.File(path, "r") as file:
            made = None if copy is None else h5py.File(copy, "w")
            if made is not None:
                made.attrs.update(file.attrs)
            for name, group in proteins(file):
                problem = _problem(group)
                if made is not None and not problem:
                    made.require_group(name.rpartition("/")[0] or "/")
                    file.copy(group, made, name)
                tell(name, problem)
            if made is not None:
                made.close()
    except Exception as error:
        tell(None, str(error) or type(error).__name__)


if __name__ == "__main__":
    _main(*sys.argv[1:])
