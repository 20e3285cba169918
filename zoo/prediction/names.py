"""The names that are taken, in little memory however many there are."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence


class Names:
    """Names with what has each; beyond a few megabytes they are in a file that ends with them.

    The file has no name, and lies in the system's folder for such (TMPDIR).
    """

    def __init__(self) -> None:
        self._base = sqlite3.connect("", isolation_level=None)
        for line in ("journal_mode = off", "synchronous = off", "cache_size = -4096"):
            self._base.execute(f"PRAGMA {line}")
        self._base.execute("CREATE TABLE taken (name BLOB PRIMARY KEY, owner TEXT) WITHOUT ROWID")
        self._base.execute("BEGIN")

    def __del__(self) -> None:
        self._base.close()

    def owner(self, names: Sequence[str]) -> str | None:
        """Return what has the first of some names that is taken; None if all are free."""
        for name in names:
            found = self._base.execute("SELECT owner FROM taken WHERE name = ?", (_key(name),))
            if (row := found.fetchone()) is not None:
                return str(row[0])
        return None

    def add(self, names: Sequence[str], owner: str) -> None:
        """Note what has some names; a name that is taken goes to the new one."""
        rows = [(_key(name), owner.encode("utf-8", "replace").decode()) for name in names]
        self._base.executemany("INSERT OR REPLACE INTO taken VALUES (?, ?)", rows)


def _key(name: str) -> bytes:
    return name.encode("utf-8", "surrogatepass")
