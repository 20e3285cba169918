"""`python -m zoo.app`: the page of predictions as a web app on this machine."""

from __future__ import annotations

import json as jsonlib
from typing import Annotated

import typer

from zoo.command.cli import run
from zoo.command.options import DeviceName, Offline, names
from zoo.command.say import note, say, working
from zoo.command.shared import model_folder


def app(
    model: Annotated[
        list[str] | None,
        typer.Option(
            help="Folder of a run or saved model, or hf://USER/NAME, to offer beside the shipped "
            "models; may be repeated.",
            autocompletion=names("model"),
        ),
    ] = None,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to listen on; 0 for any free one.")
    ] = 7860,
    device: DeviceName = "auto",
    offline: Offline = False,
    json: Annotated[bool, typer.Option("--json", help="Print the address as JSON.")] = False,
) -> None:
    """Open the page of predictions in a browser: drop a structure, choose a model and chains.

    The page shows what `zoo predict --page` writes, and gives the table and scripts for PyMOL and
    ChimeraX. It listens on this machine alone (127.0.0.1), asks no other host for anything but a
    structure that is named on it, and keeps nothing of what is dropped on it. Ctrl-C ends it.

    Example: python -m zoo.app --model runs/ppbs
    """
    from zoo.serving.server import check_installed

    check_installed()
    from zoo.system.offline import stay_offline

    if offline:
        stay_offline()
    chosen = model or []
    for name in chosen:
        model_folder(name)
    with working("loading the libraries ..."):
        from zoo.serving.server import serve
        from zoo.serving.shelf import Shelf
        from zoo.system.devices import choose_device

        shelf = Shelf(chosen, choose_device(device))

    def ready(address: str) -> None:
        print(jsonlib.dumps({"address": address}), flush=True) if json else say(address)
        note("open it in a browser of this machine; Ctrl-C ends it")

    serve(shelf, port, offline, ready)


if __name__ == "__main__":
    run(app)
