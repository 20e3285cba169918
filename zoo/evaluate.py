"""`python -m zoo.evaluate`: score a trained model on data that it was not trained on."""

from __future__ import annotations

import json as jsonlib
import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from zoo.command.cli import run
from zoo.command.options import (
    AsScope,
    BatchTokens,
    DeviceName,
    PairedResamples,
    ResampleSeed,
    StatesName,
    names,
)
from zoo.command.say import note, progress, say, show, warn, working
from zoo.command.shared import model_folder
from zoo.command.sums import Sum, show_sum
from zoo.errors import ConfigError, unknown
from zoo.system.counting import counted


def evaluate(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="RUN",
            help="Folder that zoo.train wrote, name of a shipped model, or hf://USER/NAME.",
            autocompletion=names("model"),
        ),
    ],
    split: Annotated[str, typer.Option(help="Split to score: test, validation or train.")] = "test",
    out: Annotated[
        Path | None, typer.Option(help="Folder to write to; default: the folder of the run.")
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Folder of prepared data: those of the run if they have moved, or new ones."
        ),
    ] = None,
    states: StatesName = None,
    as_: AsScope = None,
    bootstrap: PairedResamples = None,
    seed: ResampleSeed = 0,
    format: Annotated[
        str, typer.Option(help="File format of the predictions: csv or parquet.")
    ] = "csv",
    device: DeviceName = "auto",
    tokens: BatchTokens = 4096,
    json: Annotated[
        bool, typer.Option("--json", help="Print the contents of metrics.json instead of tables.")
    ] = False,
) -> None:
    """Score a trained model: write metrics.json and the predictions, and print a table.

    An ensemble is scored by the mean prediction of its members. In a cross-validation, a sample is
    scored by the members that were not trained on it. New data (--data, with --out) are predicted
    by all members; without splits, all of their samples count as test. For a split other than
    test, the files are metrics_SPLIT.json and predictions_SPLIT.csv.

    Example: python -m zoo.evaluate runs/ppbs
    """
    _check(split, format)
    from zoo.models.runs import read_run
    from zoo.prediction.checking import check_data
    from zoo.prediction.scope import checked_scope, told_scored
    from zoo.prediction.score_files import scores_folder, write_scores

    scope = checked_scope(as_)
    found = read_run(model_folder(folder))  # before the imports below, which take seconds
    if out is None and found.folder != folder:
        raise ConfigError(
            f"--out is missing: scores are not written to {found.folder}, where {folder} is."
        )
    names = check_data(found, data or found.data, new=data is not None)
    if out is None and names is not None:
        raise ConfigError(
            f"--out is missing: {data} holds other data than those of the run, so their scores do "
            "not belong in its folder."
        )
    folder = scores_folder(out or folder)
    with working("loading ..."):
        from zoo.models.summary import RANDOM_WARNING
        from zoo.prediction.evaluation import Settings, evaluate_run
        from zoo.reporting.score_tables import render
        from zoo.system.devices import choose_device

    settings = Settings(split, bootstrap, seed, choose_device(device), tokens, states, scope)
    scored = evaluate_run(
        found, data or found.data, settings, new=data is not None, progress=progress
    )
    metrics = scored.metrics
    total = sum_of(metrics)
    metrics["sum"] = total.to_dict()
    metrics["command"] = shlex.join(["python", "-m", "zoo.evaluate", *sys.argv[1:]])
    written = write_scores(folder, scored, format)
    if metrics["random_plm"]:
        warn(RANDOM_WARNING)
    by_residue = found.targets[0].level == "residue"
    if said := told_scored(metrics["complexes"], metrics["scope"], by_residue, as_):
        note(said)
    _tell_new(metrics)
    if not found.names_samples:
        warn("the run was shared without the names of its samples, so nothing tells whether it was "
             "trained on some of these", style="yellow")  # fmt: skip
    if json:
        print(jsonlib.dumps(metrics, indent=2))
        return
    for drawing in render(metrics):
        show(drawing)
    both = split != "validation" and any(
        (one.split == "validation").any() for one in scored.predictions
    )
    text = f"\nwritten: {', '.join(map(str, written))}"
    text += (
        f"\nthe predictions are of {split} and validation samples; see the column split"
        if both
        else ""
    )
    say(text)
    show_sum(total)


def sum_of(metrics: dict[str, Any]) -> Sum:
    """Return the sum over the samples of the split."""
    given, done = metrics["listed"], metrics["samples"]
    reason = "no model of the run was trained without it: its fold is missing"
    return Sum("samples", given, done, {reason: given - done} if given > done else {})


def _tell_new(metrics: dict[str, Any]) -> None:
    new = metrics.get("new_data")
    if new is None:
        return
    pairs = ", ".join(f"{own} on the column {theirs}" for own, theirs in new["targets"].items())
    note(f"these are other data than those of the training: {pairs}")
    if named := new["named_as_in_training"]:
        warn(
            f"{counted(named, 'sample has the id', 'samples have the ids')} of training samples; "
            "if they are the same proteins, the scores are too good"
        )


def _check(split: str, format: str) -> None:
    """Refuse a split or format that cannot be used, before anything is computed."""
    import importlib.util

    from zoo.data.samples import SPLITS
    from zoo.prediction.score_files import FORMATS

    if split not in SPLITS:
        raise unknown("split", split, SPLITS)
    if format not in FORMATS:
        raise unknown("format", format, FORMATS)
    if format == "parquet" and importlib.util.find_spec("pyarrow") is None:
        raise ConfigError("--format parquet needs pyarrow: `pip install pyarrow`, or use csv.")


if __name__ == "__main__":
    run(evaluate)
