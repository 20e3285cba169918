"""Reads an LMDB file from end to end in a process of its own: python -P lmdb_walk.py FOLDER NAMES.

LMDB does not check the sizes in a file. A damaged one makes it read past the end of the file, for
which the system kills the process. So downloaded files are first read in a separate process.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def cut_short(path: Path, environment: Any) -> str | None:
    """Return how many bytes an open LMDB file lacks by its header, or None if it lacks none."""
    needed = (environment.info()["last_pgno"] + 1) * environment.stat()["psize"]
    size = path.stat().st_size
    return f"{size:,} of {needed:,} bytes are there" if size < needed else None


def damage(folder: Path, names: Sequence[str] = ()) -> str | None:
    """Return what is wrong with the LMDB file in a folder, or None if all of it can be read.

    Args:
        folder: Folder of the file.
        names: Names of the databases in the file; without names it holds one.
    """
    command = [sys.executable, "-P", __file__, str(folder), *names]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    if done.returncode < 0:
        return f"LMDB was killed by {signal.Signals(-done.returncode).name} while reading it"
    return done.stderr.strip() or None


def walk(folder: str, *names: str) -> None:
    """Read the first and last byte of every value, which shows that all of it is in the file."""
    import lmdb

    with lmdb.open(
        folder, readonly=True, lock=False, readahead=False, max_dbs=len(names)
    ) as environment:
        databases: list[Any] = [environment.open_db(name.encode(), create=False) for name in names]
        with environment.begin(buffers=True) as transaction:
            for database in databases or [None]:
                for _, value in transaction.cursor(database):
                    bytes(value[:1]), bytes(value[-1:])


if __name__ == "__main__":
    try:
        walk(*sys.argv[1:])
    except Exception as error:  # lmdb.Error, or another error for a file that is not LMDB
        sys.exit(str(error))
