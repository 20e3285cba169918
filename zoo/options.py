"""Options that several verbs have, and what the shell's tab key offers for names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer


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


SeqName = Annotated[
    str | None,
    typer.Option(
        help="Language model: name, hub id, folder, none.", autocompletion=names("sequence")
    ),
]
StructName = Annotated[
    str | None, typer.Option(help="Graph network, or none.", autocompletion=names("structure"))
]
FusionName = Annotated[
    str | None,
    typer.Option(
        help="local, global, serial, parallel, cross, none.", autocompletion=names("fusion")
    ),
]
ConfigName = Annotated[
    str | None, typer.Argument(help="Shipped config or YAML file.", autocompletion=names("config"))
]
