"""Build a model, run it once on a real protein, and say what it is."""

from __future__ import annotations

import json as jsonlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zoo.cli import console, err_console, run
from zoo.errors import ConfigError
from zoo.options import ConfigName, FusionName, SeqName, StructName

if TYPE_CHECKING:
    from zoo.config import Config


def build(
    config: ConfigName = None,
    seq: SeqName = None,
    struct: StructName = None,
    fusion: FusionName = None,
    task: Annotated[
        str | None, typer.Option(help="Add a head: react, mqa, lba, ppbs, bce.")
    ] = None,
    fuse_after: Annotated[str | None, typer.Option(help="Layer pairs: 11:1,22:2,33:3.")] = None,
    write_back: Annotated[str | None, typer.Option(help="deep or side.")] = None,
    weights: Annotated[str, typer.Option(help="auto, pretrained or random.")] = "auto",
    seed: Annotated[
        int | None, typer.Option(help="Of all weights that are not pretrained.")
    ] = None,
    engine: Annotated[str, typer.Option(help="auto, dgl or torch.")] = "auto",
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="Any config key: section.key=value.")
    ] = None,
    structure: Annotated[
        Path | None, typer.Option(help="Protein to run on; a small one is shipped.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for config, weights and model card.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Build a model from its parts' names, check it on a protein, print a summary.

    Example: python -m zoo.build --seq esm2_650m --struct gvp --fusion global
    """
    options = {
        "sequence.name": seq, "structure.name": struct, "fusion.name": fusion, "task": task,
        "fusion.write_back": write_back, "sequence.weights": weights, "seed": seed,
        "fusion.after": None if fuse_after is None else parse_pairs(fuse_after),
    }  # fmt: skip
    wanted = _config(config, options, set_ or [])
    with err_console.status("building ..."):
        _build(wanted, engine, structure, out, json)


def _config(base: str | None, options: Mapping[str, object], values: list[str]) -> Config:
    """Return the base config, then options, then --set values on top."""
    from zoo.config import Config, load_config

    given = {key: value for key, value in options.items() if value is not None}
    if "none" in (given.get("sequence.name"), given.get("structure.name")):
        given.setdefault("fusion.name", "none")
    config = load_config(base) if base else Config()
    return config.with_values([*(f"{key}={value}" for key, value in given.items()), *values])


def parse_pairs(text: str) -> list[list[int]]:
    """Return the layer pairs of "11:1,22:2"; "" means no exchange.

    Raises:
        ConfigError: if it is written in another way.
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
    from zoo import memory, summary
    from zoo.backbones.message_passing import engine_for, set_engine
    from zoo.checkpoint import save_model
    from zoo.create import build_model, check_names
    from zoo.examples import example

    check_names(config)
    set_engine(engine)
    model = build_model(config)
    protein = example(structure)
    batch = model.batch([protein])
    trial = memory.trial(model, batch, len(protein))
    check = summary.Check(
        protein.name, batch.graph.total_nodes, trial.seconds, engine_for(trial.features)
    )
    if as_json:
        print(jsonlib.dumps(summary.as_dict(model, check, trial.memory), indent=2))
    else:
        summary.show(console, model, check, trial.memory)
    if out is not None:
        save_model(model, out)
        err_console.print(f"wrote {out}")


if __name__ == "__main__":
    run(build)
