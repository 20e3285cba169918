"""Write predictions as rows, one per residue or one per protein, as CSV or JSON lines.

The column of a target has its value or probability. A multiclass target has the name of the most
likely class, and its probability in the column with `_probability`. A multilabel target has the
labels with a probability above one half, joined by ";" in CSV. If there are several models, a
column with `_std` has the standard deviation. A binary target whose threshold is known has a column
with `_call`, which is "yes" for a probability of at least the threshold, else "no". JSON lines also
have the probabilities of all classes.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from zoo.models.outputs import Array
from zoo.prediction.ensemble import Estimate
from zoo.proteins.protein import Protein
from zoo.system.files import whole_file
from zoo.tasks import Target

Plain = Mapping[str, Any]
"""Prediction of one protein as plain values: its chains, and mean and std by target."""
RESIDUE = ("chain", "position", "number", "letter")
DIGITS = 6
"""Significant digits of written numbers, as models compute in single precision."""
Thresholds = Mapping[str, float]
"""Probability from which a binary target counts as positive, by its name."""
NONE: Thresholds = MappingProxyType({})


def as_plain(protein: Protein, estimates: Mapping[str, Estimate]) -> dict[str, Any]:
    """Return a prediction as plain values, which are kept until its rows are written."""
    return {
        "chains": [[chain.name, chain.sequence, chain.numbers] for chain in protein.chains],
        "mean": {name: _numbers(one.mean) for name, one in estimates.items()},
        "std": {name: _numbers(x.std) for name, x in estimates.items() if x.std is not None},
    }


def _numbers(values: Array) -> Any:
    """Return nested lists of rounded numbers, None for NaN."""
    if values.ndim:
        return [_numbers(value) for value in values]
    return None if np.isnan(values) else float(f"{values:.{DIGITS}g}")


def write_table(
    path: Path, results: Iterable[tuple[str, Plain]], targets: Sequence[Target], *, several: bool,
    thresholds: Thresholds = NONE,
) -> None:  # fmt: skip
    """Write all rows; an existing file is replaced only when the new one is complete.

    Args:
        path: file to write: JSON lines if it ends with .jsonl, otherwise CSV.
        results: name and prediction of each protein.
        targets: targets in the order of the columns.
        several: whether there are several models, and so standard deviations.
        thresholds: probability from which a target is "yes"; targets without one have no such
            column.
    """
    with whole_file(path) as file:
        found = (row for name, result in results for row in rows(name, result, targets, thresholds))
        if path.suffix == ".jsonl":
            file.writelines(json.dumps(row) + "\n" for row in found)
        else:
            columns = header(targets, several, thresholds)
            writer = csv.writer(file)
            writer.writerow(columns)
            writer.writerows([cell(row.get(column)) for column in columns] for row in found)


def cell(value: Any) -> Any:
    """Return the text of a list of labels; every other value as it is."""
    return ";".join(map(str, value)) if isinstance(value, list) else value


def header(targets: Sequence[Target], several: bool, thresholds: Thresholds = NONE) -> list[str]:
    """Return the names of the columns of the CSV file."""
    columns = ["id", *(RESIDUE if targets[0].level == "residue" else ())]
    for target in targets:
        columns.append(target.name)
        if target.kind in ("multiclass", "multilabel"):
            columns.append(f"{target.name}_probability")
        if several:
            columns.append(f"{target.name}_std")
    calls = [f"{target.name}_call" for target in targets if target.name in thresholds]
    return columns + calls  # last, so that all others keep their places


def number_columns(targets: Sequence[Target], several: bool) -> list[str]:
    """Return the columns that hold a number or nothing."""
    ends = ["_std"] * several
    found = []
    for target in targets:
        if target.kind == "multiclass":
            found += [f"{target.name}{end}" for end in ("_probability", *ends)]
        elif target.kind != "multilabel":
            found += [f"{target.name}{end}" for end in ("", *ends)]
    return found


def rows(
    name: str, result: Plain, targets: Sequence[Target], thresholds: Thresholds = NONE
) -> Iterator[dict[str, Any]]:
    """Yield the rows of one protein; residues without a prediction have None."""
    if targets[0].level == "protein":
        yield {"id": name, **_of_all(result, targets, None, thresholds)}
        return
    at = 0
    for chain, sequence, numbers in result["chains"]:
        for position, (number, letter) in enumerate(zip(numbers, sequence, strict=True), 1):
            place = dict(zip(RESIDUE, (chain, position, number, letter), strict=True))
            yield {"id": name, **place, **_of_all(result, targets, at, thresholds)}
            at += 1


def _of_all(
    result: Plain, targets: Sequence[Target], row: int | None, thresholds: Thresholds
) -> dict[str, Any]:
    """Return the cells of all targets for the protein, or for the residue of a row."""
    found: dict[str, Any] = {}
    for target in targets:
        mean, std = result["mean"][target.name], result["std"].get(target.name)
        if row is not None:
            mean, std = mean[row], None if std is None else std[row]
        found |= cells(target, mean, std)
        if target.name in thresholds and mean is not None:
            found[f"{target.name}_call"] = "yes" if mean >= thresholds[target.name] else "no"
    return found


def cells(target: Target, mean: Any, std: Any) -> dict[str, Any]:
    """Return the cells of one target, whose values are numbers or lists over classes or labels."""
    name = target.name
    if target.kind not in ("multiclass", "multilabel"):
        return {name: mean} | ({} if std is None else {f"{name}_std": std})
    if not isinstance(mean, list):  # one label only
        mean, std = [mean], None if std is None else [std]
    if mean[0] is None:
        return {name: None}
    pick: Any = _top if target.kind == "multiclass" else _likely
    labels = class_names(target)
    found = {name: pick(mean, labels), f"{name}_probability": pick(mean, mean)}
    if std is not None:
        found[f"{name}_std"] = pick(mean, std)
    return found | {f"{name}_probabilities": dict(zip(labels, mean, strict=True))}


def _top(mean: list[float], values: Sequence[Any]) -> Any:
    return values[max(range(len(mean)), key=mean.__getitem__)]


def _likely(mean: list[float], values: Sequence[Any]) -> list[Any]:
    return [value for p, value in zip(mean, values, strict=True) if p > 0.5]


def class_names(target: Target) -> list[str]:
    """Return the names of classes or labels; those without a name are called by their index."""
    names = target.classes or ("",) * target.outputs
    return [name or str(index) for index, name in enumerate(names)]
