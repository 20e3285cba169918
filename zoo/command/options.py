"""Options that several verbs have, and what the shell's tab key offers for names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from zoo.backbones import STRUCTURE_BACKBONES
from zoo.fusion import FUSIONS
from zoo.tasks import TASKS


def names(*kinds: str) -> Callable[[str], list[str]]:
    """Return a completion over the names that `zoo list` shows.

    Args:
        kinds: of `zoo.models.catalogue`: sequence, structure, fusion, task, model, config.
    """

    def starting_with(incomplete: str) -> list[str]:
        from zoo.models.catalogue import catalogue

        found = catalogue()
        every = [row["name"] for kind in kinds for row in found[kind]]
        return [name for name in every if name.startswith(incomplete)]

    return starting_with


SeqName = Annotated[
    str | None,
    typer.Option(
        help="Language model: a name, hub id, folder or states:FILE, or none.",
        autocompletion=names("sequence"),
    ),
]
StatesName = Annotated[
    str | None,
    typer.Option(help="File of hidden states, for a model whose --seq was states:FILE."),
]
StructName = Annotated[
    str | None,
    typer.Option(
        help=f"Graph network: {', '.join(STRUCTURE_BACKBONES.known())}, or none.",
        autocompletion=names("structure"),
    ),
]
FusionName = Annotated[
    str | None,
    typer.Option(help=f"Fusion: {', '.join(FUSIONS.known())}.", autocompletion=names("fusion")),
]
TaskName = Annotated[
    str | None,
    typer.Option(
        help=f"Task of the head: {', '.join(TASKS.known())}.", autocompletion=names("task")
    ),
]
ConfigName = Annotated[
    str | None,
    typer.Argument(help="A shipped config or a YAML file.", autocompletion=names("config")),
]
ConfigKeys = Annotated[
    list[str] | None,
    typer.Option("--set", help="Set a config key, e.g. graph.k=20; may be repeated."),
]
StoreFolder = Annotated[
    Path | None,
    typer.Option(help="Folder for stored hidden states and graphs, if not that of ZOO_STORE."),
]
DeviceName = Annotated[str, typer.Option(help="Device to run on: auto, cpu, cuda, cuda:1 or mps.")]
AsScope = Annotated[
    str | None,
    typer.Option(
        "--as",
        help="What to take for one protein: chain or complex; default: what the model was trained "
        "on.",
    ),
]
ChainNames = Annotated[
    str | None,
    typer.Option("--chain", help="Read only these chains of each structure, e.g. A or A,B."),
]
MinPlddt = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=100,
        help="Leave out the coordinates of residues below this pLDDT in predicted structures.",
    ),
]
Offline = Annotated[
    bool,
    typer.Option("--offline", help="Fetch nothing: neither structures by name, nor weights."),
]
BatchTokens = Annotated[
    int, typer.Option(min=1, help="Maximum number of tokens in a batch, padding included.")
]
Resamples = Annotated[
    int, typer.Option(min=1, help="Number of bootstrap resamples for the intervals.")
]
PairedResamples = Annotated[
    int | None,
    typer.Option(
        min=1, help="Number of bootstrap resamples; default: 1,000, and 100 for each difference."
    ),
]
ResampleSeed = Annotated[
    int, typer.Option(min=0, help="Seed of the random numbers that draw the resamples.")
]
