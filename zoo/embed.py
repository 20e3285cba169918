"""Features of proteins into an HDF5 file."""

from __future__ import annotations

import json as jsonlib
import shutil
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zoo.cli import INTERRUPTED, Interrupts, console, err_console, progress, run, warn
from zoo.errors import ConfigError
from zoo.options import names

if TYPE_CHECKING:
    from zoo.embedding import EmbeddingFile, Settings
    from zoo.inputs import Outcome
    from zoo.model import FusedModel
    from zoo.proteins.protein import Protein


def embed(
    inputs: Annotated[
        list[str], typer.Argument(help="Structure or FASTA files, folders, globs, @lists.")
    ],
    model: Annotated[
        str,
        typer.Option(
            help="Folder of a saved model, config, or language model.",
            autocompletion=names("model", "config", "sequence"),
        ),
    ],
    out: Annotated[Path, typer.Option(help="HDF5 file to write, or to go on with.")],
    layer: Annotated[
        list[str] | None, typer.Option(help="fused, or a language model layer; repeatable.")
    ] = None,
    pool: Annotated[bool, typer.Option(help="Mean over residues.")] = False,
    half: Annotated[bool, typer.Option(help="Store float16.")] = False,
    weights: Annotated[
        str | None, typer.Option(help="pretrained or random, for a config or language model.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    tokens: Annotated[int, typer.Option(min=1, help="Tokens a batch, padding included.")] = 4096,
    json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")] = False,
) -> None:
    """Write features of every protein to an HDF5 file, one group a name.

    Interrupt it with Ctrl-C: the same command goes on where it stopped.

    Example: python -m zoo.embed structures/ --model DIR --out features.h5
    """
    outcome = _embed(inputs, model, weights, out, layer, pool, half, device, tokens)
    _report(outcome, out, json)


def _embed(
    inputs: list[str], name: str, weights: str | None, out: Path, layers: list[str] | None,
    pool: bool, half: bool, device: str, tokens: int,
) -> Outcome:  # fmt: skip
    with err_console.status("loading the model ..."):
        from zoo import embedding
        from zoo.devices import choose_device
        from zoo.inputs import Outcome, batches, read_all, windows
        from zoo.paths import find_inputs
        from zoo.summary import RANDOM_WARNING

        device = choose_device(device)
        files = find_inputs(inputs)
        model = _open_model(name, weights).to(device)
    if model.recipe.random_plm:
        warn(RANDOM_WARNING)
    settings = embedding.Settings(tuple(layers or ["fused"]), pool, half)
    for text in settings.layers:
        if text != "fused":
            embedding.layer_index(model, text)
    outcome = Outcome()
    out.parent.mkdir(parents=True, exist_ok=True)
    with embedding.EmbeddingFile(out, model, settings) as file, Interrupts() as interrupts:
        proteins = read_all(files, outcome, file.has_file)
        with progress("embedding", len(files)) as advance:
            for first, window in enumerate(windows(proteins)):
                fresh = _fresh(window, file, outcome)
                if first == 0:
                    _announce(model, settings, fresh, len(files) - outcome.kept, out)
                for batch in batches(fresh, tokens):
                    embedding.embed_or_note(model, batch, file, device, outcome)
                    advance(outcome.written + outcome.kept + len(outcome.failed))
                    if interrupts.seen:
                        outcome.interrupted = True
                        return outcome
    return outcome


def _open_model(name: str, weights: str | None) -> FusedModel:
    from zoo.checkpoint import load_model
    from zoo.config import config_names
    from zoo.create import create_model
    from zoo.errors import RandomWeightsWarning
    from zoo.pretrained import folder_of

    if (folder_of(name) / "config.yaml").exists():
        if weights is not None:
            raise ConfigError("--weights does not go with a saved model: its config says which.")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RandomWeightsWarning)  # said in red by the caller
            return load_model(name)
    if name in config_names() or name.endswith((".yaml", ".yml")):
        return create_model(name, weights=weights)  # type: ignore[arg-type]
    return create_model(name, "none", weights=weights)  # type: ignore[arg-type]


def _fresh(window: list[Protein], file: EmbeddingFile, outcome: Outcome) -> list[Protein]:
    """Leave out what is in the file already."""
    fresh = [protein for protein in window if not file.has(protein)]
    outcome.kept += len(window) - len(fresh)
    return fresh


def _announce(
    model: FusedModel, settings: Settings, sample: list[Protein], files: int, out: Path
) -> None:
    """Say how large the file will be, from the first window, and stop if the disk is too small."""
    from zoo.embedding import bytes_a_residue

    if not sample:
        return
    mean = sum(map(len, sample)) / len(sample)
    rows = 1.0 if settings.pool else mean
    size = max(files, len(sample)) * rows * bytes_a_residue(model, settings)
    free = shutil.disk_usage(out.parent).free
    err_console.print(
        f"about {max(files, len(sample)):,} proteins of {mean:.0f} residues: {size / 1e9:.2f} GB "
        f"in {out} ({free / 1e9:.0f} GB free)", highlight=False,
    )  # fmt: skip
    if size > free:
        raise ConfigError(
            f"{out} would not fit on its disk. Use --pool, --half or fewer layers, or another disk."
        )


def _report(outcome: Outcome, out: Path, as_json: bool) -> None:
    if as_json:
        values = {"out": str(out), "written": outcome.written, "kept": outcome.kept,
                  "failed": outcome.failed, "interrupted": outcome.interrupted}  # fmt: skip
        print(jsonlib.dumps(values, indent=2))
    else:
        console.print(
            f"{outcome.written} written, {outcome.kept} already there, "
            f"{len(outcome.failed)} failed: {out}", highlight=False, soft_wrap=True,
        )  # fmt: skip
    for reason in list(outcome.failed.values())[:10]:
        warn(f"failed: {reason}", style="")
    if len(outcome.failed) > 10:
        err_console.print(f"... and {len(outcome.failed) - 10} more (--json lists all)")
    if outcome.interrupted:
        err_console.print("interrupted; the same command goes on where this stopped")
        raise SystemExit(INTERRUPTED)
    if outcome.failed:
        raise SystemExit(1)


if __name__ == "__main__":
    run(embed)
