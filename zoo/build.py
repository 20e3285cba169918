"""`python -m zoo.build`: build a model, run it once on a protein and print a summary."""

from __future__ import annotations

import json as jsonlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zoo.command.cli import run
from zoo.command.options import ConfigKeys, ConfigName, FusionName, SeqName, StructName, TaskName
from zoo.command.say import note, show, working
from zoo.errors import ConfigError

if TYPE_CHECKING:
    from zoo.settings.config import Config


def build(
    config: ConfigName = None,
    seq: SeqName = None,
    struct: StructName = None,
    fusion: FusionName = None,
    task: TaskName = None,
    fuse_after: Annotated[
        str | None,
        typer.Option(help="Pairs of layers that exchange, language model first: 11:1,22:2,33:3."),
    ] = None,
    write_back: Annotated[
        str | None,
        typer.Option(
            help="How exchanges use the language model: deep (write into it) or side (only read)."
        ),
    ] = None,
    weights: Annotated[
        str, typer.Option(help="Weights of the language model: auto, pretrained or random.")
    ] = "auto",
    seed: Annotated[
        int | None, typer.Option(help="Seed of all weights that are not pretrained.")
    ] = None,
    engine: Annotated[
        str,
        typer.Option(
            help="Message-passing engine of the graph network: auto, dgl, torch or numba."
        ),
    ] = "auto",
    set_: ConfigKeys = None,
    structure: Annotated[
        Path | None,
        typer.Option(help="Structure file to run the model on; default: a small shipped protein."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder to save the model in: config, weights and model card."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Build a model from the names of its parts, run it on a protein and print a summary.

    Example: python -m zoo.build --seq esm2_650m --struct gvp --fusion global
    """
    options = {
        "sequence.name": seq, "structure.name": struct, "fusion.name": fusion, "task": task,
        "fusion.write_back": write_back, "sequence.weights": weights, "seed": seed,
        "fusion.after": None if fuse_after is None else parse_pairs(fuse_after),
    }  # fmt: skip
    wanted = _config(config, options, set_ or [])
    with working("building ..."):
        _build(wanted, engine, structure, out, json)


def _config(base: str | None, options: Mapping[str, object], values: list[str]) -> Config:
    """Return the base config, then options, then --set values on top."""
    from zoo.settings.config import Config, load_config

    config = load_config(base) if base else Config()
    return config.with_options(options).with_values(values)


def parse_pairs(text: str) -> list[list[int]]:
    """Return the layer pairs of "11:1,22:2"; "" means no exchange.

    Raises:
        ConfigError: if the text has another form.
    """
    try:
        return [[int(layer) for layer in pair.split(":")] for pair in text.split(",") if pair]
    except ValueError:
        raise ConfigError(
            f"--fuse-after {text!r} is not valid. Write layer pairs, language model first: "
            "11:1,22:2,33:3"
        ) from None


def _build(
    config: Config, engine: str, structure: Path | None, out: Path | None, as_json: bool
) -> None:
    from zoo.backbones.file_states import blanked
    from zoo.backbones.message_passing import engine_for, set_engine
    from zoo.examples import example
    from zoo.models import memory, summary
    from zoo.models.blueprint import resolve
    from zoo.models.checkpoint import save_model
    from zoo.models.create import build_model

    blueprint = resolve(config)
    set_engine(engine)
    model = build_model(blueprint)
    protein = example(structure)
    with blanked(model.seq):
        batch = model.batch([protein])
        trial = memory.trial(model, batch, len(protein))
    check = summary.Check(
        protein.name, batch.graph.total_nodes, trial.seconds, engine_for(trial.features)
    )
    if as_json:
        print(jsonlib.dumps(summary.as_dict(model, check, trial.memory), indent=2))
    else:
        show(summary.panel(model, check, trial.memory))
    if out is not None:
        save_model(model, out)
        note(f"wrote {out}")


if __name__ == "__main__":
    run(build)
