"""The files of scores: metrics.json, and the predictions that it was computed from."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from zoo.errors import ConfigError
from zoo.metrics.predictions import Predictions, write_predictions
from zoo.prediction.folder import JOURNAL
from zoo.system.files import make_folder, settle, write_json

FORMATS = ("csv", "parquet")


def scores_folder(folder: Path) -> Path:
    """Return a folder that scores can be written to, which is made if it is missing.

    Raises:
        ConfigError: If it holds predictions of `zoo predict`, whose files have the same names.
        SaveError: If it cannot be made.
    """
    if (folder / JOURNAL).exists():
        raise ConfigError(
            f"{folder} holds predictions of zoo.predict, whose files have the same names. Choose "
            "another --out."
        )
    make_folder(folder)
    return folder


def write_scores(
    folder: Path, metrics: Mapping[str, Any], predictions: Sequence[Predictions], format: str
) -> list[Path]:
    """Write metrics.json and the predictions of its split, and return their paths.

    Args:
        folder: Folder to write to, from `scores_folder`.
        metrics: Contents of metrics.json.
        predictions: Predictions of each target.
        format: Format of the predictions, of `FORMATS`.
    """
    end = "" if metrics["split"] == "test" else f"_{metrics['split']}"
    table, scores = folder / f"predictions{end}.{format}", folder / f"metrics{end}.json"
    if format == "csv":
        write_predictions(table, predictions)
    else:
        _write_parquet(table, predictions)
    write_json(scores, metrics)
    return [table, scores]


def _write_parquet(path: Path, predictions: Sequence[Predictions]) -> None:
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        written, part = Path(scratch) / "predictions.csv", Path(scratch) / path.name
        write_predictions(written, predictions)
        _to_parquet(written, part)
        settle(part, path)


def _to_parquet(table: Path, out: Path) -> None:
    """Write the table as Parquet, with a type for each column."""
    import pandas as pd

    names = pd.read_csv(table, nrows=0).columns
    numbers: dict[str, Any] = {"residue": "Int64", "censored": "Int64", "weight": "float64"}
    numbers |= {name: "float64" for name in names if name.startswith("y_")}
    # Only an empty cell is unknown: "NA" is a name that a chain may have.
    pd.read_csv(
        table, dtype={name: numbers.get(name, "str") for name in names}, keep_default_na=False,
        na_values={name: [""] for name in numbers}, float_precision="round_trip",
    ).to_parquet(out, engine="pyarrow", index=False)  # fmt: skip
