"""Counts in messages: no message says "1 labels"."""

from __future__ import annotations

import re

from tests.conftest import REPOSITORY
from zoo.system.counting import counted


def test_one_thing_is_singular() -> None:
    assert counted(1, "row") == "1 row" and counted(0, "row") == "0 rows"
    assert counted(1200, "entry", "entries") == "1,200 entries"
    assert counted(1, "label names", "labels name") == "1 label names"


def test_no_message_counts_by_hand() -> None:
    """What can be one is counted by `counted`, not by an "s" that depends on the number."""
    by_hand = re.compile(r"""['"]s['"] ?(?:\*|if|\[)|['"]1 \w+['"] if \w""")
    found = [
        f"{path.relative_to(REPOSITORY)}: {line.strip()}"
        for package in ("zoo", "hpo")
        for path in (REPOSITORY / package).rglob("*.py")
        for line in path.read_text().splitlines()
        if by_hand.search(line)
    ]
    assert found == []
