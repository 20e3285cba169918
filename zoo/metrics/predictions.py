"""Reads and writes `predictions.csv`, which has one row for each prediction and its true value.

The format is the same for all tasks. Its columns are id, group, subset, split, weight, residue
(position in the sample from 0; empty for a protein), target, kind, level, censored, kin, y_true and
y_pred; older files have no kin. A target with several outputs has y_pred_0, y_pred_1 and so on
instead of y_pred; if it is multilabel, it also has y_true_0, y_true_1 and so on. Empty cells are
unknown values. Numbers have nine digits, the precision of float32.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zoo.data.kin import KIN
from zoo.data.samples import Sample
from zoo.errors import DataError
from zoo.metrics.rows import Array
from zoo.system.files import whole_file
from zoo.system.reading import plain_file
from zoo.tasks import Target

if TYPE_CHECKING:
    from pandas import DataFrame

NAME = "predictions.csv"
_TEXT = ("id", "group", "subset", "split", "target", "kind", "level")
_NUMBERS = ("weight", "residue", "censored")
_CHUNK = 100_000


@dataclass(frozen=True, eq=False)
class Predictions:
    """The predictions of one target: n rows, one for each protein or one for each residue."""

    target: Target
    id: NDArray[Any]
    """(n,) id of the sample."""
    group: NDArray[Any]
    """(n,) name shared by samples that the bootstrap draws together, "" for a sample alone."""
    subset: NDArray[Any]
    split: NDArray[Any]
    weight: Array
    residue: NDArray[np.int64]
    """(n,) position of the residue in the sample, -1 for a protein."""
    censored: NDArray[np.int64]
    """(n,) 0 if the true value is exact, 1 if it is above `y_true`, -1 if it is below."""
    y_true: Array
    """(n,), or (n, outputs) for a multilabel target; NaN where unknown."""
    y_pred: Array
    """(n,), or (n, outputs) if there are several outputs."""
    kin: NDArray[Any] = field(default_factory=lambda: np.zeros(0, np.str_))
    """(n,) name shared by samples of similar sequence, "" if it is not known."""

    def __post_init__(self) -> None:
        if not len(self.kin):
            object.__setattr__(self, KIN, np.full(len(self.id), "", np.str_))

    def __len__(self) -> int:
        return len(self.id)

    def take(self, rows: NDArray[Any]) -> Predictions:
        """Return the given rows, which may be indices or a mask."""
        columns = {name: value for name, value in vars(self).items() if name != "target"}
        return Predictions(self.target, **{name: value[rows] for name, value in columns.items()})

    @property
    def cluster(self) -> NDArray[Any]:
        """(n,) the unit that a bootstrap draws: the group, else the kin, else the sample."""
        alone = np.where(self.kin == "", self.id, self.kin)
        return np.where(self.group == "", alone, self.group)

    def with_kin(self, kin: Mapping[str, str]) -> Predictions:
        """Return the predictions with the kin of each sample, by its id."""
        names, place = np.unique(self.id, return_inverse=True)
        found = np.array([kin.get(str(name), "") for name in names], np.str_)
        return dataclasses.replace(self, kin=found[place] if len(self) else found)


def from_samples(
    target: Target, samples: Iterable[Sample], outputs: Iterable[ArrayLike]
) -> Predictions:
    """Return the predictions for some samples together with their true values.

    Args:
        target: Target that is predicted.
        samples: Samples that have the target.
        outputs: Prediction for each sample: () or (outputs,) for a protein, (residues,) or
            (residues, outputs) for residues.

    Raises:
        DataError: If there are no samples.
    """
    parts = [_of_sample(target, *pair) for pair in zip(samples, outputs, strict=True)]
    if not parts:
        raise DataError(f"There are no samples to predict {target.name!r} for.")
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return Predictions(target, **columns)


def _of_sample(target: Target, sample: Sample, output: ArrayLike) -> dict[str, NDArray[Any]]:
    y_true = np.asarray(sample.targets[target.name], np.float64)
    y_pred = np.asarray(output, np.float64)
    at_protein = target.level == "protein"
    if at_protein:
        y_true, y_pred = y_true[None], y_pred[None]
    n = len(y_true)
    several = (target.outputs,) if target.outputs > 1 else ()
    words = {name: np.full(n, getattr(sample, name)) for name in _TEXT[:4]}
    return words | {
        "weight": np.full(n, sample.weight, np.float64),
        "residue": np.full(n, -1) if at_protein else np.arange(n),
        "censored": np.full(n, sample.censored),
        "y_true": y_true.reshape(n, *_true_columns(target)),
        "y_pred": y_pred.reshape(n, *several),
    }


def _true_columns(target: Target) -> tuple[int, ...]:
    return (target.outputs,) if target.outputs > 1 and target.kind != "multiclass" else ()


def write_predictions(path: Path, predictions: Sequence[Predictions]) -> None:
    """Write the predictions of all targets into one file, completely or not at all."""
    columns = _columns(predictions)
    with whole_file(path) as file:
        file.write(",".join(columns) + "\n")
        for one in predictions:
            for start in range(0, len(one), _CHUNK):
                rows = one.take(np.arange(start, min(start + _CHUNK, len(one))))
                table = _table(rows).reindex(columns=columns)
                table.to_csv(
                    file, header=False, index=False, float_format="%.9g", lineterminator="\n"
                )


def table(predictions: Sequence[Predictions]) -> DataFrame:
    """Return the rows of `write_predictions` as a DataFrame, with numbers that are not rounded."""
    import pandas as pd

    columns = _columns(predictions)
    parts = [_table(one).reindex(columns=columns) for one in predictions]
    return pd.concat(parts, ignore_index=True)


def _columns(predictions: Sequence[Predictions]) -> list[str]:
    return [*_TEXT, *_NUMBERS, KIN, *_value_columns(predictions)]


def _value_columns(predictions: Sequence[Predictions]) -> list[str]:
    """Return the names of the value columns; the target with the most outputs decides."""
    found: list[str] = []
    for name in ("y_true", "y_pred"):
        shapes = [getattr(one, name).shape[1:] for one in predictions]
        found += [name] if () in shapes else []
        width = max((shape[0] for shape in shapes if shape), default=0)
        found += [f"{name}_{column}" for column in range(width)]
    return found


def _table(rows: Predictions) -> DataFrame:
    import pandas as pd

    target = rows.target
    columns: dict[str, Any] = {name: getattr(rows, name) for name in _TEXT[:4]}
    columns |= {KIN: rows.kin, "target": target.name, "kind": target.kind, "level": target.level}
    columns |= {"weight": rows.weight, "censored": rows.censored}
    columns["residue"] = pd.array(np.where(rows.residue < 0, 0, rows.residue), dtype="Int64")
    columns["residue"][rows.residue < 0] = pd.NA
    for name in ("y_true", "y_pred"):
        values = getattr(rows, name)
        if values.ndim == 1:
            columns[name] = values
        else:
            columns |= {f"{name}_{at}": values[:, at] for at in range(values.shape[1])}
    return pd.DataFrame(columns)


def read_predictions(path: Path) -> dict[str, Predictions]:
    """Return the predictions of each target by its name, from a file or the folder of a run.

    Raises:
        DataError: If there is no such file, or it is not a table of predictions.
    """
    path = path / NAME if path.is_dir() else path
    if not path.is_file():
        raise DataError(f"{path} does not exist. A run's folder holds {NAME}.")
    table = _read(path)
    found = {}
    for name in dict.fromkeys(table["target"]):
        found[str(name)] = _of_table(table[table["target"] == name])
    return found


def _read(path: Path) -> DataFrame:
    import pandas as pd

    try:
        with plain_file(path, whole=True).open(encoding="utf-8") as file:
            header = file.readline().strip().split(",")
        missing = [name for name in (*_TEXT, "weight", "residue") if name not in header]
        if missing:
            raise DataError(f"{path} lacks the columns {', '.join(missing)}.")
        # Only an empty cell is unknown, because a chain may be called "NA" or "nan".
        types: Mapping[Any, Any] = {
            name: "category" if name in (*_TEXT, KIN) else np.float64 for name in header
        }
        return pd.read_csv(
            path, dtype=types, keep_default_na=False, float_precision="round_trip",
            na_values={name: [""] for name in header if name not in (*_TEXT, KIN)},
        )  # fmt: skip
    except (ValueError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is not a table of predictions: {error}") from None


def _of_table(table: DataFrame) -> Predictions:
    y_true, y_pred = _values(table, "y_true"), _values(table, "y_pred")
    first = table.iloc[0]
    outputs = y_pred.shape[1] if y_pred.ndim > 1 else 1
    zeros = np.zeros(len(table))
    kin = table[KIN].astype(str) if KIN in table else np.full(len(table), "")
    return Predictions(
        Target(str(first["target"]), first["kind"], first["level"], outputs),
        **{name: np.asarray(table[name].astype(str), np.str_) for name in _TEXT[:4]},
        weight=table["weight"].fillna(1.0).to_numpy(),
        residue=table["residue"].fillna(-1).to_numpy().astype(np.int64),
        censored=np.nan_to_num(table.get("censored", zeros)).astype(np.int64),
        y_true=y_true,
        y_pred=y_pred,
        kin=np.asarray(kin, np.str_),
    )


def _values(table: DataFrame, name: str) -> Array:
    """Return (n,) or (n, outputs) values, up to the last numbered column that the target fills."""
    numbered = [column for column in table.columns if column.startswith(f"{name}_")]
    filled = [at for at, column in enumerate(numbered) if table[column].notna().any()]
    if filled:
        return table[numbered[: filled[-1] + 1]].to_numpy(np.float64)
    return table[name].to_numpy(np.float64) if name in table else np.full(len(table), np.nan)
