"""`python -m zoo.push`: share a trained run on the Hugging Face hub."""

from __future__ import annotations

import json as jsonlib
from typing import Annotated

import typer

from zoo.command.cli import run
from zoo.command.options import names
from zoo.command.say import note, say
from zoo.system.counting import counted


def push(
    folder: Annotated[
        str,
        typer.Argument(
            metavar="RUN",
            help="Folder of a run or saved model, or the name of a shipped model.",
            autocompletion=names("model"),
        ),
    ],
    repository: Annotated[
        str, typer.Argument(metavar="USER/NAME", help="Repository; it is made if it is missing.")
    ],
    private: Annotated[
        bool, typer.Option("--private", help="Let nobody else read the repository.")
    ] = False,
    revision: Annotated[
        str, typer.Option(help="Branch to write to; it is made if it is missing.")
    ] = "main",
    licence: Annotated[
        str | None,
        typer.Option(
            "--license", help="Licence that you share it under, as the hub names it: apache-2.0."
        ),
    ] = None,
    seq: Annotated[
        str | None,
        typer.Option(
            help="Language model by name or hub id, for a run that names a folder of this machine.",
            autocompletion=names("sequence"),
        ),
    ] = None,
    splits: Annotated[
        bool,
        typer.Option(
            "--splits", help="Also send which samples were in train, validation and test, by name."
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List what would be sent, and send nothing.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")] = False,
) -> None:
    """Share a trained run: its models, calibration, thresholds, scores, and a model card.

    Logs, checkpoints, predictions, commands, paths of this machine and the frozen language model
    are not sent. hf://USER/NAME@COMMIT is then its name for --model and zoo.load_model.

    Example: python -m zoo.push runs/ppbs lab/sites --dry-run
    """
    from zoo.models.runs import trained
    from zoo.pretrained import folder_of

    trained(folder_of(folder))  # before the imports below, which take seconds
    from zoo.sharing.pushing import Wish
    from zoo.sharing.pushing import push as send

    sent: dict[str, int] = {}

    def tell(sizes: dict[str, int]) -> None:
        sent.update(sizes)
        if not json:
            for name, size in sizes.items():
                say(f"{size:>13,}  {name}")
        note(f"{counted(len(sizes), 'file')}, {sum(sizes.values()) / 1e6:.1f} MB")

    wish = Wish(folder, repository, revision, private, splits, seq, licence)
    found = send(wish, dry_run=dry_run, tell=tell)
    if json:
        print(jsonlib.dumps({"model": found and str(found), "files": sent}, indent=2))
    elif found is None:
        say("nothing was sent (--dry-run)")
    else:
        say(f"sent: {found} names it for --model and zoo.load_model")


if __name__ == "__main__":
    run(push)
