"""The Hugging Face hub: whether it can be used now, and whether what came from it is whole."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from zoo.errors import WeightsError
from zoo.system.offline import LOCAL, offline

HUB_TIMEOUT = 3.0
"""Seconds; left alone, a look-up without network retries for most of a minute."""


def hub_problem() -> str | None:
    """Return why the Hugging Face hub cannot be used now, or None; takes `HUB_TIMEOUT` at most."""
    if reason := offline():
        return reason
    address = urlsplit(_endpoint())
    if address.scheme != "https" and address.hostname not in LOCAL:
        return f"HF_ENDPOINT is {_endpoint()}, and weights are fetched over https alone"
    answer: list[str | None] = []
    # In a thread, because the timeout of a request does not cover its name look-up.
    probe = threading.Thread(target=lambda: answer.append(_ask_hub()), daemon=True)
    probe.start()
    probe.join(HUB_TIMEOUT)
    return answer[0] if answer else f"the hub did not answer within {HUB_TIMEOUT:.0f} s"


def _endpoint() -> str:
    return os.environ.get("HF_ENDPOINT") or "https://huggingface.co"


def _ask_hub() -> str | None:
    import urllib.error
    import urllib.request  # takes a tenth of what `zoo list` may

    endpoint = _endpoint()
    request = urllib.request.Request(endpoint, method="HEAD")
    try:
        urllib.request.urlopen(request, timeout=HUB_TIMEOUT).close()
    except urllib.error.HTTPError as error:
        # A client's error still shows that a hub is there; a proxy's refusal does not.
        refused = error.code in (403, 407) or error.code >= 500
        return f"{endpoint} answered {error.code}" if refused else None
    except (OSError, ValueError) as error:
        return f"{endpoint} cannot be reached ({getattr(error, 'reason', error)})"
    return None


def check_hashes(folder: Path, hashes: Mapping[str, str]) -> None:
    """Hold large files against the SHA-256 that the hub names; take away a damaged one."""
    for name, expected in hashes.items():
        path = folder / name
        if not path.is_file():
            continue
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != expected:
            path.resolve().unlink()  # in the hub's cache the path is a link
            path.unlink(missing_ok=True)
            raise WeightsError(
                f"{path} was damaged on its way: SHA-256 {found[:12]}..., where the hub has "
                f"{expected[:12]}... It was removed: run the same command again."
            )


def first_line(error: Exception) -> str:
    """Return the first line of an error of the hub, whose others are addresses and advice."""
    return str(error).strip().splitlines()[0] if str(error).strip() else "no reason given"
