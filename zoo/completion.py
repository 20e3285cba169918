"""What the shell offers at the tab key: `zoo --install-completion` writes its hook."""

from __future__ import annotations

from collections.abc import Callable


def names(*kinds: str) -> Callable[[str], list[str]]:
    """Return a completion over the names that `zoo list` shows.

    Args:
        kinds: of `zoo.list.catalogue`: sequence, structure, fusion, task, model, config.
    """

    def starting_with(incomplete: str) -> list[str]:
        from zoo.list import catalogue

        found = catalogue()
        every = [row["name"] for kind in kinds for row in found[kind]]
        return [name for name in every if name.startswith(incomplete)]

    return starting_with
