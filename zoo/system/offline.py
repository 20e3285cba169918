"""Whether other machines may be asked for anything."""

from __future__ import annotations

import os

LOCAL = ("localhost", "127.0.0.1", "::1")
"""Names of this machine, from which things may also come over http, such as from a test's server.
"""


def offline() -> str | None:
    """Return why no host may be asked for anything, or None."""
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        return "HF_HUB_OFFLINE is set, as by --offline"
    return None


def stay_offline() -> None:
    """Ask no host for anything from now on, in this process and those that it starts."""
    os.environ["HF_HUB_OFFLINE"] = "1"
