"""`python -m zoo.probe`: which layer of a language model tells a target best."""

from __future__ import annotations

import json as jsonlib
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zoo.command.cli import run
from zoo.command.interrupts import asked_to_stop
from zoo.command.options import (
    ConfigKeys,
    ConfigName,
    DeviceName,
    Resamples,
    SeqName,
    StoreFolder,
    StructName,
)
from zoo.command.say import note, say, show, terminal, warn, working
from zoo.command.sums import Sum, grouped, show_sum
from zoo.errors import ConfigError, DataError

if TYPE_CHECKING:
    from zoo.data.rounds import Round
    from zoo.settings.config import Config
    from zoo.tasks import Target

FOUND = "probe.json"
WRITTEN = "Written by zoo probe"
"""How the first line of best.yaml begins."""


def probe(
    data: Annotated[Path, typer.Option(help="Folder of prepared data, written by zoo.prepare.")],
    out: Annotated[Path, typer.Option(help="Folder for probe.json, the picture and best.yaml.")],
    config: ConfigName = None,
    seq: SeqName = None,
    struct: StructName = None,
    features: Annotated[
        list[str] | None,
        typer.Option(help="Feature set to probe as well, as in graph.features; may be repeated."),
    ] = None,
    layers: Annotated[
        str | None,
        typer.Option(help="Layers of the language model, as in 1,3,-1; default: all."),
    ] = None,
    random: Annotated[
        bool,
        typer.Option("--random", help="Also probe the same models with random weights."),
    ] = False,
    test: Annotated[
        bool,
        typer.Option(
            "--test", help="Also score the best layer, and parts without layers, on test samples."
        ),
    ] = False,
    set_: ConfigKeys = None,
    fold: Annotated[
        int, typer.Option(min=1, help="Fold to probe on, from 1, for data with folds.")
    ] = 1,
    rows: Annotated[
        int, typer.Option(min=2, help="Maximum number of training residues or proteins to fit on.")
    ] = 20_000,
    bootstrap: Resamples = 1000,
    seed: Annotated[
        int, typer.Option(min=0, help="Seed of the draw of training rows, and of the resamples.")
    ] = 0,
    store: StoreFolder = None,
    device: DeviceName = "auto",
    json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Fit a linear map to each layer of a language model, and say which layer carries the task.

    Letters are probed beside it, and what else is named: a graph network with published weights,
    feature sets. Validation samples choose layers and penalties. The config best.yaml, whose
    language model ends at the best layer, can start a search: it is that search's first trial.

    Example: python -m zoo.probe --data prepared/ppbs --seq plm_mini --out probed
    """
    task, targets, manifest = _contents(data)
    base = _config(config, task, {"sequence.name": seq, "structure.name": struct}, set_ or [])
    numbers = _numbers(layers)
    _check(base, layers, features or [])
    with working("loading the models ..."):
        from zoo.data.preparing import STORE
        from zoo.data.store import Store
        from zoo.models.summary import RANDOM_WARNING
        from zoo.probing.parts import RANDOM
        from zoo.probing.sources import branches, controls
        from zoo.probing.structure import feature_sets
        from zoo.probing.study import Settings, study
        from zoo.system.devices import choose_device
        from zoo.system.files import cache_root, make_folder, write_json

        place = (manifest["inputs"], store or cache_root(), choose_device(device))
        sources = branches(base, numbers, *place)
        language = next((one.name for one in sources if not one.of_structure), None)
        _left(base, any(one.of_structure for one in sources), bool(sources or features))
        beside = controls(base, sources, numbers, *place) if random else []
    if language is not None and language.endswith(RANDOM):
        warn(RANDOM_WARNING)
    if random and not beside:
        note("--random adds nothing, as no model with trained weights is probed")
    sources += [*beside, *([feature_sets(features)] if features else [])]
    make_folder(out)
    with asked_to_stop() as asked, Store(data / STORE) as opened:
        index = opened.index()
        keys = _round(index, fold, base.train.data_seed)
        found = study(
            opened.__getitem__, index, keys, targets, sources,
            Settings(test, rows, bootstrap, seed), terminal(asked),
        )  # fmt: skip
    for reason in found.skipped:
        warn(reason)
    answer = _write_answer(out, base, found.layers.get(language or ""), data)
    done = _sum(keys, found.left_out)
    facts = {
        "task": task, "data": str(data), "inputs": manifest["inputs"], "fold": fold, "seed": seed,
        "bootstrap": bootstrap, "targets": found.targets, "layers": found.layers,
        "config": None if answer is None else str(answer), "sum": done.to_dict(),
    }  # fmt: skip
    from zoo.probing.drawing import draw

    write_json(out / FOUND, facts)
    pictures = draw(out, f"{task}: what a linear map reads", found.targets)
    if json:
        print(jsonlib.dumps(facts, indent=2))
        return
    for one in found.targets:
        _show(one)
    say(f"wrote {', '.join(map(str, [out / FOUND, *pictures]))}")
    if answer is not None:
        if not random:
            note("states also tell lengths and letters: --random shows what random weights tell")
        say(f"start a search there: {_search(answer, data, base)}")
    show_sum(done)


def _contents(data: Path) -> tuple[str, list[Target], dict[str, Any]]:
    from zoo.data.preparing import read_manifest
    from zoo.data.rounds import check_parts
    from zoo.tasks import Target

    manifest = read_manifest(data)
    if not manifest.get("complete"):
        raise DataError(f"{data} holds no prepared data. Run `python -m zoo.prepare` first.")
    if "parts" in manifest:
        check_parts(manifest["parts"])
    return manifest["task"], [*map(Target.from_dict, manifest["targets"])], manifest


def _config(
    name: str | None, task: str, options: dict[str, str | None], values: list[str]
) -> Config:
    """Return the config of what is probed; without a name, of the parts that options name."""
    from zoo.settings.config import NONE, Config, load_config

    if name is None:
        base = Config()
        options = {key: value or NONE for key, value in options.items()}
    else:
        base = load_config(name)
        if base.task not in (None, task):
            raise DataError(
                f"The data are for {task!r}, and the task of {name} is {base.task!r}. Name a "
                f"config of task {task}, or its parts: --seq NAME --struct NAME."
            )
    return base.with_options({**options, "task": task}).with_values(values)


def _numbers(text: str | None) -> list[int] | None:
    if text is None:
        return None
    try:
        return [int(word) for word in text.split(",")]
    except ValueError:
        raise ConfigError(f"--layers {text!r}: write numbers with commas, as in 1,3,-1.") from None


def _check(base: Config, layers: str | None, features: list[str]) -> None:
    """Check that something is named to be probed, and a language model if its layers are."""
    if base.sequence.name == base.structure.name == "none" and not features:
        raise ConfigError(
            "There is nothing to probe. Name a CONFIG, --seq, --struct or --features."
        )
    if base.sequence.name == "none" and layers is not None:
        raise ConfigError(
            f"--layers {layers}: these are layers of a language model, and none is named. Name "
            "one with --seq, or leave --layers out."
        )


def _left(base: Config, probed: bool, others: bool) -> None:
    """Say if the graph network of a config is not probed; an error if nothing else is."""
    name = base.structure.name
    if name == "none" or probed:
        return
    why = f"{name} has no published weights, so there is nothing to read from its states"
    if not others:
        raise ConfigError(
            f"{why}. Name --seq or --features as well, or probe random weights: "
            "--set structure.weights=random."
        )
    note(why)


def _round(index: dict[str, Any], fold: int, seed: int) -> Round:
    from zoo.data.rounds import rounds, with_validation

    plans = rounds(index)
    if fold > len(plans):
        there = f"folds 1 to {len(plans)}" if len(plans) > 1 else "no folds"
        raise ConfigError(f"--fold {fold}: the data have {there}.")
    return with_validation(plans[fold - 1], index, seed)


def _sum(keys: Round, left_out: dict[str, str]) -> Sum:
    given = sum(map(len, keys))
    return Sum("samples", given, given - len(left_out), grouped(left_out.values()))


def _write_answer(out: Path, base: Config, layer: int | None, data: Path) -> Path | None:
    """Write the config that ends at the best layer of the language model, if one was probed."""
    from zoo.probing.answer import NAME, config_of, text_of
    from zoo.system.files import write_whole

    if layer is None:
        _forget(out / NAME)
        return None
    told = f"{WRITTEN}: the language model ends at layer {layer}, best for {data.name}."
    write_whole(out / NAME, text_of(config_of(base, layer), told))
    return out / NAME


def _forget(answer: Path) -> None:
    """Remove the answer of an earlier probe, which would stand beside the findings of this one."""
    from zoo.system.reading import content

    if answer.is_file() and content(answer).startswith(f"# {WRITTEN}".encode()):
        answer.unlink()


def _search(answer: Path, data: Path, base: Config) -> str:
    """Return the command that searches from there; a search needs both branches."""
    second = ["--struct", "gvp"] if base.structure.name == "none" else []
    command = ["python", "-m", "zoo.search", str(answer), "--data", str(data), *second]
    return shlex.join(command)


def _show(one: dict[str, Any]) -> None:
    from rich.table import Table

    from zoo.reporting.score_tables import cell

    names = list(one["parts"][0]["validation"])
    for split in ("validation", "test"):
        rows = [row for row in one["parts"] if split in row]
        if not rows:
            continue
        what = "" if split == "validation" else ", of what validation chose"
        say(f"\n{one['target']}, {split}{what}: {one['better']} is better", style="bold")
        table = Table(box=None, pad_edge=False, header_style="dim")
        for column in ("part", *names):
            table.add_column(column)
        for row in rows:
            mark = " <" if row["chosen"] else ""
            table.add_row(row["title"] + mark, *(cell(row[split][name]) for name in names))
        show(table)
    say("95 % bootstrap intervals over proteins or groups; < is the best layer on validation; "
        "intervals do not count that it was chosen there", style="dim")  # fmt: skip
    for source, best in one["layers"].items():
        say(f"{source}: layer {best['layer']} tells {one['target']} best")
        for title, gains in best["above"].items():
            told = ", ".join(f"{name} {cell(gain, '+')}" for name, gain in gains.items())
            say(f"  against {title}: {told}")


if __name__ == "__main__":
    run(probe)
