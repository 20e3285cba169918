"""A private PostgreSQL server, as several machines would share; stopped and removed afterwards."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy

NAMES = ("initdb", "pg_ctl", "postgres")
OPTIONS = "-c listen_addresses='' -c fsync=off -c shared_buffers=16MB -c jit=off"


def missing() -> str | None:
    """Return what a server, or a connection to it, lacks here."""
    lacking = [name for name in NAMES if program(name) is None]
    if lacking:
        return f"no PostgreSQL: {', '.join(lacking)} not found"
    try:
        sqlalchemy.create_engine("postgresql://")
    except ImportError as error:
        return f"no driver for postgresql:// ({error}): pip install 'psycopg[binary]'"
    return None


def program(name: str) -> str | None:
    """Return the path of a program of PostgreSQL; Debian keeps those of servers out of PATH."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), *map(str, debian)]))


def nobody() -> pwd.struct_passwd | None:
    """Return who runs the server where that cannot be this user: PostgreSQL refuses root."""
    if os.geteuid():
        return None
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """Start a server in an empty folder, which its user can enter; yield its address."""
    data, log, user = folder / "data", folder / "log", nobody()
    who: dict[str, Any] = {"cwd": folder}
    if user is not None:
        os.chown(folder, user.pw_uid, user.pw_gid)
        who |= {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    _call("initdb", "-D", data, "-U", "zoo", "-A", "trust", "-E", "UTF8", "--locale=C", "-N", **who)
    try:
        _call("pg_ctl", "start", "-w", "-t", "60", "-D", data, "-l", log,
              "-o", f"{OPTIONS} -k '{folder}'", **who)  # fmt: skip
        yield f"postgresql://zoo@/postgres?host={folder}"
    finally:
        if (data / "postmaster.pid").exists():
            _call("pg_ctl", "stop", "-w", "-m", "immediate", "-D", data, **who)


def _call(name: str, *given: object, **who: Any) -> None:
    command = [program(name) or name, *map(str, given)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, **who)
    if done.returncode:
        logs = [path.read_text() for path in who["cwd"].glob("log")]
        raise RuntimeError("\n".join([f"{name} failed:", done.stdout, done.stderr, *logs]))


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The address of a server that lives as long as the tests do."""
    reason = missing()
    if reason is not None:
        pytest.skip(reason)
    # Out of pytest's folder, which only its owner enters; short, as a socket's path has to be.
    with tempfile.TemporaryDirectory(prefix="zoo-pg-") as folder, server(Path(folder)) as url:
        yield url
