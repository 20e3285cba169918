"""`python -m zoo.download`: download language models, e.g. for machines without internet."""

from __future__ import annotations

import json as jsonlib
from pathlib import Path
from typing import Annotated

import typer

from zoo.command.cli import run
from zoo.command.options import names
from zoo.command.say import note, say, warn
from zoo.errors import ConfigError


def download(
    names: Annotated[
        list[str],
        typer.Argument(
            help="Language models by name, hub id or config that uses them.",
            autocompletion=names("sequence", "config"),
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="Folder to write, e.g. to copy it; default: the hub's cache (HF_HOME)."),
    ] = None,
    revision: Annotated[
        str | None,
        typer.Option(
            help="Branch, tag or commit to download instead of the usual one; needs --out."
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print folders and sizes as JSON.")] = False,
) -> None:
    """Download language models from the Hugging Face hub, and check the hashes of their files.

    Example: python -m zoo.download esm2_650m --out esm2_650m
    """
    from zoo.backbones.plm import resolve
    from zoo.backbones.weights import cached_folder
    from zoo.backbones.weights import download as fetch

    models = [resolve(_plm_name(name)) for name in names]
    if out is not None and len(models) > 1:
        raise ConfigError(
            "--out takes one model. Run the command once for each model, or leave --out out."
        )
    if revision is not None and out is None:
        raise ConfigError(
            "--revision needs --out: in the hub's cache, --seq NAME would still load the usual "
            "commit."
        )
    found = []
    for plm in models:
        cached = cached_folder(plm, exact=True) if out is None else None
        if cached is None:
            note(f"downloading {plm.hub_id or plm.name} ...")
            if plm.preset is not None and not plm.preset.commercial:
                warn(f"The licence of {plm.name}: {plm.preset.terms}.", "bold yellow")
            cached = fetch(plm, out, revision)
        size = sum(f.stat().st_size for f in cached.rglob("*") if f.is_file())
        found.append({"name": plm.name, "folder": str(cached), "bytes": size})
        if not json:
            say(f"{plm.name}: {cached} ({size / 1e9:.2f} GB)")
    if json:
        print(jsonlib.dumps(found, indent=2))


def _plm_name(name: str) -> str:
    from zoo.settings.config import is_config, load_config

    return load_config(name).sequence.name if is_config(name) else name


if __name__ == "__main__":
    run(download)
