"""Score a trained model on data that it did not see, beside trivial baselines."""

from __future__ import annotations

import json as jsonlib
import shlex
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zoo.cli import console, err_console, progress, run, warn
from zoo.errors import ConfigError, unknown
from zoo.options import names

if TYPE_CHECKING:
    from zoo.metrics.predictions import Predictions

FORMATS = ("csv", "parquet")


def evaluate(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="RUN",
            help="Folder that zoo.train wrote, or a shipped model's name.",
            autocompletion=names("model"),
        ),
    ],
    split: Annotated[str, typer.Option(help="test, validation or train.")] = "test",
    out: Annotated[
        Path | None, typer.Option(help="Folder to write to, if not the run's own.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Where the run's prepared data lie, if not where it says.")
    ] = None,
    bootstrap: Annotated[int, typer.Option(help="Resamples.", min=1)] = 1000,
    seed: Annotated[int, typer.Option(help="Of the resamples.", min=0)] = 0,
    format: Annotated[str, typer.Option(help="Of the predictions: csv or parquet.")] = "csv",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    tokens: Annotated[int, typer.Option(min=1, help="Tokens a batch, padding included.")] = 4096,
    json: Annotated[bool, typer.Option("--json", help="Print metrics.json.")] = False,
) -> None:
    """Write metrics.json and the predictions into a run, and print the scores with intervals.

    An ensemble is scored by the mean of its members, a cross-validation by those members that did
    not see a sample. Another split than test is written as metrics_SPLIT.json.

    Example: python -m zoo.evaluate runs/ppbs
    """
    _check(split, format)
    with err_console.status("loading ..."):
        from zoo.devices import choose_device
        from zoo.prediction.evaluation import Settings, evaluate_run
        from zoo.prediction.score_tables import show
        from zoo.pretrained import folder_of
        from zoo.runs import read_run, write_json
        from zoo.summary import RANDOM_WARNING

    found = read_run(folder_of(folder))
    if out is None and found.folder != folder:
        raise ConfigError(
            f"--out is missing: {folder} is a part of the package, where no scores go."
        )
    folder = out or folder
    folder.mkdir(parents=True, exist_ok=True)
    settings = Settings(split, bootstrap, seed, choose_device(device), tokens)
    metrics, predictions = evaluate_run(found, data or found.data, settings, progress=progress)
    metrics["command"] = shlex.join(["python", "-m", "zoo.evaluate", *sys.argv[1:]])
    written = [_write(folder, split, format, predictions), folder / f"metrics{_end(split)}.json"]
    write_json(written[1], metrics)
    if metrics["random_plm"]:
        warn(RANDOM_WARNING)
    if json:
        print(jsonlib.dumps(metrics, indent=2))
        return
    show(console, metrics)
    both = split != "validation" and any((one.split == "validation").any() for one in predictions)
    text = f"\nwritten: {', '.join(map(str, written))}"
    text += f"\npredictions are of {split} and of validation, by column split" if both else ""
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def _check(split: str, format: str) -> None:
    """Refuse before anything is computed what could not be written after."""
    import importlib.util

    from zoo.tasks.samples import SPLITS

    if split not in SPLITS:
        raise unknown("split", split, SPLITS)
    if format not in FORMATS:
        raise unknown("format", format, FORMATS)
    if format == "parquet" and importlib.util.find_spec("pyarrow") is None:
        raise ConfigError("--format parquet needs pyarrow: `pip install pyarrow`, or use csv.")


def _end(split: str) -> str:
    return "" if split == "test" else f"_{split}"


def _write(folder: Path, split: str, format: str, predictions: list[Predictions]) -> Path:
    from zoo.metrics.predictions import write_predictions

    path = folder / f"predictions{_end(split)}.{format}"
    if format == "csv":
        write_predictions(path, predictions)
        return path
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        written, part = Path(scratch) / "predictions.csv", Path(scratch) / path.name
        write_predictions(written, predictions)
        _to_parquet(written, part)
        part.replace(path)
    return path


def _to_parquet(table: Path, out: Path) -> None:
    """Write the same table in columns that know their types."""
    import pandas as pd

    names = pd.read_csv(table, nrows=0).columns
    numbers: dict[str, Any] = {"residue": "Int64", "censored": "Int64", "weight": "float64"}
    numbers |= {name: "float64" for name in names if name.startswith("y_")}
    # Only an empty cell is unknown: "NA" is a name that a chain may have.
    pd.read_csv(
        table, dtype={name: numbers.get(name, "str") for name in names}, keep_default_na=False,
        na_values={name: [""] for name in numbers}, float_precision="round_trip",
    ).to_parquet(out, engine="pyarrow", index=False)  # fmt: skip


if __name__ == "__main__":
    run(evaluate)
