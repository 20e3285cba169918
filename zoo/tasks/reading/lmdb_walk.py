"""Walk an LMDB file from end to end: python -P lmdb_walk.py FOLDER.

LMDB believes its pages: a size that is damaged leads it beyond the file, which the system answers
with a signal. So what comes from elsewhere is walked in a process that may die of it.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path


def damage(folder: Path) -> str | None:
    """Return what is wrong with the LMDB file of a folder, or None if all of it can be reached."""
    command = [sys.executable, "-P", __file__, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    if done.returncode < 0:
        return f"LMDB died on it of {signal.Signals(-done.returncode).name}"
    return done.stderr.strip() or None


def walk(folder: str) -> None:
    """Touch the two ends of every value; what lies between them is then in the file too."""
    import lmdb

    with lmdb.open(folder, readonly=True, lock=False, readahead=False) as environment:
        with environment.begin(buffers=True) as transaction:
            for _, value in transaction.cursor():
                bytes(value[:1]), bytes(value[-1:])


if __name__ == "__main__":
    try:
        walk(sys.argv[1])
    except Exception as error:  # lmdb.Error, and what it raises for a file that is none
        sys.exit(str(error))
