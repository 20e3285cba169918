"""Fetch language models ahead of time, for machines without internet."""

from __future__ import annotations

import json as jsonlib
from pathlib import Path
from typing import Annotated

import typer

from zoo.cli import console, err_console, run
from zoo.errors import ConfigError
from zoo.options import names


def download(
    names: Annotated[
        list[str],
        typer.Argument(
            help="Language models, or configs that use one.",
            autocompletion=names("sequence", "config"),
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(help="Folder to carry over; else the hub's cache (HF_HOME).")
    ] = None,
    revision: Annotated[
        str | None,
        typer.Option(help="Branch, tag or commit, not the one that NAME means; with --out."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print folders and sizes as JSON.")] = False,
) -> None:
    """Download language models from the Hugging Face hub, over https, and check their hashes.

    Example: python -m zoo.download esm2_650m --out esm2_650m
    """
    from zoo.backbones.plm import resolve
    from zoo.backbones.weights import cached_folder
    from zoo.backbones.weights import download as fetch

    models = [resolve(_plm_name(name)) for name in names]
    if out is not None and len(models) > 1:
        raise ConfigError("--out takes one model. Call once for each, or leave it out.")
    if revision is not None and out is None:
        raise ConfigError(
            "--revision needs --out: without a folder of its own, --seq NAME would go on to mean "
            "another commit."
        )
    found = []
    for plm in models:
        cached = cached_folder(plm, exact=True) if out is None else None
        if cached is None:
            err_console.print(f"downloading {plm.hub_id or plm.name} ...")
            cached = fetch(plm, out, revision)
        size = sum(f.stat().st_size for f in cached.rglob("*") if f.is_file())
        found.append({"name": plm.name, "folder": str(cached), "bytes": size})
        if not json:
            console.print(f"{plm.name}: {cached} ({size / 1e9:.2f} GB)", soft_wrap=True)
    if json:
        print(jsonlib.dumps(found, indent=2))


def _plm_name(name: str) -> str:
    from zoo.config import config_names, load_config

    return load_config(name).sequence.name if name in config_names() else name


if __name__ == "__main__":
    run(download)
