"""How much each exchange changes the branches: names for tables, and a line for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoo.models.model import Change

PREFIX = "change"
BRANCHES = {"sequence": "seq", "structure": "struct"}


def named_changes(changes: Sequence[Change]) -> dict[str, Any]:
    """Return the changes by names such as "change_sequence_6_3": after layers 6 and 3."""
    return {
        f"{PREFIX}_{branch}_{'_'.join(map(str, change.after))}": getattr(change, key)
        for change in changes
        for branch, key in BRANCHES.items()
    }


def changes_text(values: Mapping[str, float]) -> str:
    """Return one line on the changes among some named values; "" without any.

    Examples:
        >>> changes_text({"change_sequence_6_3": 0.25, "change_structure_6_3": 0.5})
        'change / state: sequence 6:3 0.25; structure 6:3 0.5'
    """
    told = []
    for branch in BRANCHES:
        start = f"{PREFIX}_{branch}_"
        found = {n.removeprefix(start): x for n, x in values.items() if n.startswith(start)}
        if found:
            own = (f"{place.replace('_', ':')} {value:.2g}" for place, value in found.items())
            told.append(f"{branch} {', '.join(own)}")
    return f"change / state: {'; '.join(told)}" if told else ""
