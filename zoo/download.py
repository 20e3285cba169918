"""`python -m zoo.download`: download models and structures, e.g. for machines without internet."""

from __future__ import annotations

import json as jsonlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zoo.command.cli import run
from zoo.command.options import names
from zoo.command.say import note, say, warn
from zoo.command.shared import model_folder
from zoo.errors import ConfigError

if TYPE_CHECKING:
    from zoo.proteins.databases import Named


def download(
    names: Annotated[
        list[str],
        typer.Argument(
            help="Language models by name, hub id or config that uses them; models that people "
            "share: hf://USER/NAME; structures: 1abc, AF-P12345-F1, P12345.",
            autocompletion=names("sequence", "config"),
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder to write, e.g. to copy it; default: the hub's cache (HF_HOME), and for "
            "structures that of the zoo (ZOO_STORE)."
        ),
    ] = None,
    revision: Annotated[
        str | None,
        typer.Option(
            help="Branch, tag or commit to download instead of the usual one; needs --out."
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print folders and sizes as JSON.")] = False,
) -> None:
    """Download models from the Hugging Face hub, and check the hashes of their files.

    What has the form of a structure's name is fetched from the PDB or AlphaFold DB.

    Example: python -m zoo.download esm2_650m --out esm2_650m
    """
    from zoo.proteins.databases import named

    structures = list(filter(None, map(named, names)))
    models = [name for name in names if not named(name)]
    if out is not None and len(models) + bool(structures) > 1:
        raise ConfigError(
            "--out takes one model, or structures. Run the command once for each model, or leave "
            "--out out."
        )
    if revision is not None and structures:
        raise ConfigError("--revision is for language models: structures have none.")
    if revision is not None and out is None:
        raise ConfigError(
            "--revision needs --out: in the hub's cache, --seq NAME would still load the usual "
            "commit."
        )
    if revision is not None and any(name.startswith("hf:") for name in models):
        raise ConfigError(f"--revision is for language models. Write {models[0]}@{revision}.")
    shared = [name for name in models if name.startswith("hf:")]
    plms = [name for name in models if not name.startswith("hf:")]
    found: list[dict[str, Any]] = [_shared(name, out, json) for name in shared]
    found += [*_models(plms, out, revision, json), *_structures(structures, out, json)]
    if json:
        print(jsonlib.dumps(found, indent=2))


def _models(
    names: list[str], out: Path | None, revision: str | None, json: bool
) -> Iterator[dict[str, Any]]:
    from zoo.backbones.plm import resolve
    from zoo.backbones.weights import cached_folder
    from zoo.backbones.weights import download as fetch

    for plm in [resolve(_plm_name(name)) for name in names]:
        cached = cached_folder(plm, exact=True) if out is None else None
        if cached is None:
            note(f"downloading {plm.hub_id or plm.name} ...")
            if plm.preset is not None and not plm.preset.commercial:
                warn(f"The licence of {plm.name}: {plm.preset.terms}.", "bold yellow")
            cached = fetch(plm, out, revision)
        yield _told(plm.name, cached, json)


def _structures(structures: list[Named], out: Path | None, json: bool) -> Iterator[dict[str, Any]]:
    from zoo.proteins.databases import structure_file

    for structure in structures:
        path = structure_file(structure, out, note)
        size = path.stat().st_size
        if not json:
            say(f"{structure.entry}: {path} ({size / 1e6:.2f} MB)")
        yield {"name": structure.entry, "file": str(path), "bytes": size}


def _told(name: str, folder: Path, json: bool) -> dict[str, Any]:
    """Return where a model is and how large it is, and print it if not as JSON."""
    size = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
    if not json:
        say(f"{name}: {folder} ({size / 1e9:.2f} GB)")
    return {"name": name, "folder": str(folder), "bytes": size}


def _shared(name: str, out: Path | None, json: bool) -> dict[str, Any]:
    """Fetch a model that somebody shares, without its language model."""
    from zoo.models.runs import trained
    from zoo.pretrained import CONFIG, language_models
    from zoo.pretrained.hub import language_model, pinned
    from zoo.system.files import make_folder

    folder = model_folder(name)
    plm = language_model(trained(folder)[1][0].folder / CONFIG)
    if plm not in ("none", *language_models()):
        note(f"its language model is downloaded apart: {plm}")
    if out is not None:
        make_folder(out)
        shutil.copytree(folder, out, dirs_exist_ok=True)
    return _told(str(pinned(name)), out or folder, json)


def _plm_name(name: str) -> str:
    from zoo.settings.config import is_config, load_config

    return load_config(name).sequence.name if is_config(name) else name


if __name__ == "__main__":
    run(download)
