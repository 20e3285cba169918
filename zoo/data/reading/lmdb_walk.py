"""Reads an LMDB file from end to end in a process of its own: python -P lmdb_walk.py FOLDER.

LMDB does not check the sizes in a file. A damaged one makes it read past the end of the file, for
which the system kills the process. So downloaded files are first read in a separate process.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path


def damage(folder: Path) -> str | None:
    """Return what is wrong with the LMDB file in a folder, or None if all of it can be read."""
    command = [sys.executable, "-P", __file__, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    if done.returncode < 0:
        return f"LMDB was killed by {signal.Signals(-done.returncode).name} while reading it"
    return done.stderr.strip() or None


def walk(folder: str) -> None:
    """Read the first and last byte of every value, which shows that all of it is in the file."""
    import lmdb

    with lmdb.open(folder, readonly=True, lock=False, readahead=False) as environment:
        with environment.begin(buffers=True) as transaction:
            for _, value in transaction.cursor():
                bytes(value[:1]), bytes(value[-1:])


if __name__ == "__main__":
    try:
        walk(sys.argv[1])
    except Exception as error:  # lmdb.Error, or another error for a file that is not LMDB
        sys.exit(str(error))
