"""What a column of a user's table means: its kind, its classes, and its cells as numbers."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
import yaml
from numpy.typing import NDArray

from zoo.errors import ConfigError, unknown
from zoo.safe_yaml import read_yaml
from zoo.tasks.samples import DataError, Kind, Level, Target

MISSING = ("", "na", "n/a", "nan", "null")
#: A residue of unknown label where a column has one letter a residue.
UNKNOWN = "xX?"
OPTIONS = ("kind", "level", "classes")
#: Labels of residues in one cell are recognised from this length on: `0110x` is also a number.
MIN_STRING = 10
#: A text column with more values than this, all of them different, names things.
MAX_NAMES = 20


def read_options(path: Path, columns: Sequence[str]) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Return the options by column, and the columns to ignore, of a `targets.yaml`.

    Raises:
        DataError: naming file and key, if it is no such file or names no column of the table.
    """
    if not path.is_file():
        return {}, []
    try:
        content = read_yaml(path.read_text(encoding="utf-8"))
        content = {} if content is None else content
        if not isinstance(content, dict):
            raise DataError(f"{path}: '{{column: {{kind: ..., level: ...}}}}' is expected")
        ignored = content.pop("ignore", None) or []
        if not isinstance(ignored, list):
            raise DataError(f"{path}: ignore: is a list of columns")
        for name in (*content, *ignored):
            if name not in columns:
                raise unknown("column", str(name), columns)
        return {name: _checked(name, given) for name, given in content.items()}, ignored
    except ConfigError as error:
        raise DataError(f"{path}: {error}") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as YAML ({error})") from None


def _checked(name: str, given: object) -> dict[str, Any]:
    """Return the options of one column, if each is one that there is."""
    if not isinstance(given, dict):
        raise ConfigError(f"{name}: is {given!r}; options are {', '.join(OPTIONS)}")
    for key, value in given.items():
        if key not in OPTIONS:
            raise unknown(f"option of {name}", str(key), OPTIONS)
        if key == "kind" and value not in get_args(Kind):
            raise unknown(f"kind of {name}", str(value), get_args(Kind))
        if key == "level" and value not in get_args(Level):
            raise unknown(f"level of {name}", str(value), get_args(Level))
        if key == "classes" and not (isinstance(value, list) and value):
            raise ConfigError(f"{name}: classes: is a list of names")
    return dict(given)


def is_missing(cell: str) -> bool:
    """Return whether a cell says that the value is unknown."""
    return cell.strip().lower() in MISSING


LARGEST = float(np.finfo(np.float32).max)


def number(cell: str) -> float | None:
    """Return a cell as a number that float32 holds, None if it is none."""
    try:
        value = float(cell)
    except ValueError:
        return None
    # A NaN is not below it either.
    return value if abs(value) <= LARGEST and "_" not in cell else None


def is_residue_string(cells: Sequence[str]) -> bool:
    """Return whether cells are labels of residues, as "0011x0100011"; they would be no numbers."""
    given = [cell for cell in cells if not is_missing(cell)]
    return bool(given) and all(re.fullmatch(f"[01xX]{{{MIN_STRING},}}", cell) for cell in given)


def infer(name: str, level: Level, cells: Sequence[str], options: dict[str, Any]) -> Target:
    """Return what a column's values say it is; options have the last word.

    0 and 1 alone are binary, other numbers regression, text classes in sorted order, text with a
    ";" anywhere labels of which several may hold.

    Raises:
        DataError: if the column has no value, or as many texts as rows.
    """
    values = sorted({cell for cell in cells if not is_missing(cell)})
    if not values:
        raise DataError(f"column {name!r} has no value; leave it out or name it under 'ignore'")
    kind = options.get("kind") or _kind(values)
    if kind in ("regression", "binary"):
        return Target(name, kind, level)
    parts = {part for value in values for part in _labels(value, kind)}
    given = tuple(str(label) for label in options.get("classes", ()))
    if not given and kind == "multiclass" and len(parts) == len(cells) > MAX_NAMES:
        raise DataError(
            f"column {name!r} has another text in each of its {len(cells)} rows: no classes. "
            "Name it under 'ignore:' in targets.yaml"
        )
    classes = given or tuple(sorted(parts, key=_by_number))
    return Target(name, kind, level, outputs=max(len(classes), 1), classes=classes)


def _kind(values: Sequence[str]) -> Kind:
    numbers = [number(value) for value in values]
    if None not in numbers:
        return "binary" if set(numbers) <= {0.0, 1.0} else "regression"
    return "multilabel" if any(";" in value for value in values) else "multiclass"


def _labels(cell: str, kind: Kind) -> list[str]:
    parts = cell.split(";") if kind == "multilabel" else [cell]
    return [part.strip() for part in parts if part.strip()]


def _by_number(label: str) -> tuple[float, str]:
    value = number(label)
    return (math.inf if value is None else value), label


def to_numbers(target: Target, cell: str) -> NDArray[np.float32]:
    """Return a cell as () or, for a multilabel target, (outputs,); NaN where it is missing.

    Raises:
        ValueError: saying what was expected, if the cell is no value of the target.
    """
    shape = (target.outputs,) if target.kind == "multilabel" else ()
    if is_missing(cell):
        return np.full(shape, np.nan, np.float32)
    if target.kind in ("regression", "binary"):
        value = number(cell)
        if value is None or (target.kind == "binary" and value not in (0.0, 1.0)):
            expected = "a number" if target.kind == "regression" else "0 or 1"
            raise ValueError(f"{cell!r} is not {expected}")
        return np.array(value, np.float32)
    labels = _labels(cell, target.kind)
    for label in labels:
        if label not in target.classes:
            raise ValueError(f"{label!r} is none of {', '.join(target.classes)}")
    indices = [target.classes.index(label) for label in labels]
    if target.kind == "multiclass":
        return np.array(indices[0], np.float32)
    return np.isin(np.arange(target.outputs), indices).astype(np.float32)


def residue_numbers(target: Target, cell: str) -> NDArray[np.float32]:
    """Return one letter a residue as (len(cell),) or (len(cell), outputs).

    Raises:
        ValueError: if a letter is no value of the target.
    """
    letters = {
        letter: to_numbers(target, "" if _unknown(target, letter) else letter)
        for letter in set(cell)
    }
    return np.stack([letters[letter] for letter in cell])


def _unknown(target: Target, letter: str) -> bool:
    return letter in UNKNOWN and letter not in target.classes
