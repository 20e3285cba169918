"""The files of scores: metrics.json, and the predictions that it was computed from.

The predictions of the baselines that are best by some metric are in folders of their own, such as
`baselines/binding_site_boosted_trees`, which `zoo compare` reads like a run's.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import ConfigError
from zoo.metrics.predictions import NAME, Predictions, read_predictions, write_predictions
from zoo.prediction.folder import JOURNAL
from zoo.system.files import make_folder, settle, write_json

if TYPE_CHECKING:
    from zoo.prediction.evaluation import Scored

FORMATS = ("csv", "parquet")
BASELINES = "baselines"


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


def write_scores(folder: Path, scored: Scored, format: str = "csv") -> list[Path]:
    """Write metrics.json and the predictions of its split, and return their paths.

    The predictions of baselines are written for the test split only, of which `zoo report` tells.

    Args:
        folder: Folder to write to, from `scores_folder`.
        scored: Scores and predictions.
        format: Format of the model's predictions, of `FORMATS`.
    """
    metrics, predictions = scored.metrics, scored.predictions
    end = "" if metrics["split"] == "test" else f"_{metrics['split']}"
    table, scores = folder / f"predictions{end}.{format}", folder / f"metrics{end}.json"
    if format == "csv":
        write_predictions(table, predictions)
    else:
        _write_parquet(table, predictions)
    if not end:
        _write_baselines(folder, scored)
    write_json(scores, metrics)
    return [table, scores]


def _write_baselines(folder: Path, scored: Scored) -> None:
    for target, found in zip(scored.metrics["targets"], scored.baselines, strict=True):
        for name, one in found.items():
            write_predictions(baseline_file(folder, target, name), [one])


def baseline_file(folder: Path, target: str, name: str) -> Path:
    """Return where a folder of scores holds the predictions of a baseline."""
    return folder / BASELINES / f"{target}_{name}" / NAME


def read_baselines(folder: Path, target: str, names: Iterable[str]) -> dict[str, Predictions]:
    """Return the predictions of baselines by name; those that are not there are left out.

    Scores that an older version wrote have none.
    """
    found = {name: baseline_file(folder, target, name) for name in names}
    return {name: read_predictions(path.parent)[target] for name, path in found.items()
            if path.is_file()}  # fmt: skip


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
