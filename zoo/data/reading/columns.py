"""Infers the target that a column of a user's table holds, and converts its cells to numbers."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
import yaml
from numpy.typing import NDArray

from zoo.errors import ConfigError, DataError, unknown
from zoo.settings.safe_yaml import read_yaml
from zoo.system.reading import text
from zoo.tasks import Kind, Level, Target

MISSING = ("", "na", "n/a", "nan", "null")
#: Letters that mark an unknown label in a cell with one letter for each residue.
UNKNOWN = "xX?"
OPTIONS = ("kind", "level", "classes")
#: Smallest length of a cell that is taken for labels of residues: a short `0110` may be a number.
MIN_STRING = 10
#: A text column with more rows than this and no two equal cells holds names, not classes.
MAX_NAMES = 20


def read_options(path: Path, columns: Sequence[str]) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Return the options of each column in a `targets.yaml`, and the columns to ignore.

    Raises:
        DataError: If the file is not valid or names an unknown column; names file and key.
    """
    if not path.exists():
        return {}, []
    try:
        found = read_yaml(text(path))
        found = {} if found is None else found
        if not isinstance(found, dict):
            raise DataError(f"{path}: '{{column: {{kind: ..., level: ...}}}}' is expected")
        ignored = found.pop("ignore", None) or []
        if not isinstance(ignored, list):
            raise DataError(f"{path}: ignore must be a list of columns")
        for name in (*found, *ignored):
            if name not in columns:
                raise unknown("column", str(name), columns)
        return {name: _checked(name, given) for name, given in found.items()}, ignored
    except ConfigError as error:
        raise DataError(f"{path}: {error}") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as YAML ({error})") from None


def _checked(name: str, given: object) -> dict[str, Any]:
    """Return the options of one column, after checking their names and values."""
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
            raise ConfigError(f"{name}: classes must be a list of names")
    return dict(given)


def is_missing(cell: str) -> bool:
    """Return whether a cell marks its value as unknown: it is empty or, for example, "NA"."""
    return cell.strip().lower() in MISSING


LARGEST = float(np.finfo(np.float32).max)


def number(cell: str) -> float | None:
    """Return the number in a cell, or None if it is not a finite number that fits float32."""
    try:
        value = float(cell)
    except ValueError:
        return None
    # The comparison is also false for NaN.
    return value if abs(value) <= LARGEST and "_" not in cell else None


BOUND = re.compile(r"\s*([<>])=?\s*(\S+)\s*")
COMMA = re.compile(r"[<>]?\s*-?\d+,\d+")
UNIT = re.compile(r"[<>~]?=?\s*-?\d+([.,]\d+)?([eE]-?\d+)?(\s+\S+|[pnuµm]?M|%)")


def bound(cell: str) -> tuple[float, int] | None:
    """Return the number in ">6.1" or "< 3", and +1 if the true value is above it, -1 if below.

    None if the cell is not a bound.
    """
    found = BOUND.fullmatch(cell)
    value = number(found[2]) if found else None
    return None if found is None or value is None else (value, 1 if found[1] == ">" else -1)


class OddCellError(ValueError):
    """A cell that does not fit what the other cells of its column are.

    Attributes:
        at: Row of the cell, from 0.
    """

    def __init__(self, at: int, why: str) -> None:
        super().__init__(why)
        self.at = at


def check_numbers(name: str, cells: Sequence[str]) -> None:
    """Refuse a column of numbers in which some cells are none: one cell must not decide its kind.

    Raises:
        OddCellError: If at least half of the cells are meant as numbers, and some cannot be read.
    """
    given = [(at, cell) for at, cell in enumerate(cells) if not is_missing(cell)]
    plain = [number(cell) is not None or bound(cell) is not None for _, cell in given]
    meant = sum(
        fits or bool(COMMA.fullmatch(cell) or UNIT.fullmatch(cell))
        for fits, (_, cell) in zip(plain, given, strict=True)
    )
    if all(plain) or 2 * meant < len(given):
        return
    at, cell = given[plain.index(False)]
    why = f"{cell!r} is not a number, and {meant} of the {len(given)} cells are meant as one"
    if COMMA.fullmatch(cell):
        why += f"; with a decimal point it is {cell.replace(',', '.')}"
    raise OddCellError(
        at,
        f"{why}. Correct it, or leave it empty if it is unknown; if these are classes and no "
        f"numbers, add to targets.yaml: {name}: {{kind: multiclass}}",
    )


def is_residue_string(cells: Sequence[str], lengths: Sequence[int | None]) -> bool:
    """Return whether the cells hold labels of residues ("0011x0100011"), and not numbers or names.

    They do if they are as long as the sequences of their rows. Where no sequence is known, long
    strings of 0 and 1 are taken for labels.

    Args:
        cells: Cells of the column.
        lengths: Length of the sequence of each row, None if it is not known before reading.
    """
    given = [(c, n) for c, n in zip(cells, lengths, strict=True) if not is_missing(c)]
    binary = all(re.fullmatch(r"[01xX?]+", cell) for cell, _ in given)
    letters = all(re.fullmatch(r"[A-Za-z?-]+", cell) for cell, _ in given)
    known = [(cell, length) for cell, length in given if length]
    if not given or not (binary or letters):
        return False
    if known:
        fits = sum(len(cell) == length for cell, length in known) >= 0.9 * len(known)
        # A word may happen to be as long as one sequence, but not as long as each of several.
        varied = len({length for _, length in known}) >= 3
        if fits and (varied or (binary and max(length for _, length in known) > 1)):
            return True
    return binary and 2 * sum(len(cell) >= MIN_STRING for cell, _ in given) >= len(given)


def infer(name: str, level: Level, cells: Sequence[str], options: dict[str, Any]) -> Target:
    """Return the target that a column holds, inferred from its values where options do not say.

    A column of only 0 and 1 is binary, and one of other numbers is regression. A column of text is
    multiclass with its classes sorted, or multilabel if a cell has a ";" ("1.1.1.1;2.7.1.1").

    Args:
        name: Name of the column.
        level: Whether it labels residues or proteins.
        cells: Cells of the column.
        options: Options of the column in `targets.yaml`, which override what is inferred.

    Raises:
        DataError: If all cells are empty, or many texts are all different.
        OddCellError: If most cells are numbers and some are not.
    """
    values = sorted({cell for cell in cells if not is_missing(cell)})
    if not values:
        raise DataError(f"column {name!r} has no value; leave it out or name it under 'ignore'")
    if "kind" not in options and level == "protein":
        check_numbers(name, cells)
    kind = options.get("kind") or _kind(values)
    if kind in ("regression", "binary"):
        return Target(name, kind, level)
    parts = {part for value in values for part in _labels(value, kind)}
    given = tuple(str(label) for label in options.get("classes", ()))
    if not given and kind == "multiclass" and len(parts) == len(cells) > MAX_NAMES:
        raise DataError(
            f"column {name!r} has a different text in each of its {len(cells)} rows, so these are "
            "not classes. Name it under 'ignore:' in targets.yaml"
        )
    classes = given or tuple(sorted(parts, key=_by_number))
    return Target(name, kind, level, outputs=max(len(classes), 1), classes=classes)


def _kind(values: Sequence[str]) -> Kind:
    numbers = [number(value) for value in values]
    if None not in numbers:
        return "binary" if set(numbers) <= {0.0, 1.0} else "regression"
    if all(number(value) is not None or bound(value) for value in values):
        return "regression"
    return "multilabel" if any(";" in value for value in values) else "multiclass"


def _labels(cell: str, kind: Kind) -> list[str]:
    parts = cell.split(";") if kind == "multilabel" else [cell]
    return [part.strip() for part in parts if part.strip()]


def _by_number(label: str) -> tuple[float, str]:
    value = number(label)
    return (math.inf if value is None else value), label


def to_numbers(target: Target, cell: str) -> NDArray[np.float32]:
    """Return a cell as () or, for a multilabel target, (outputs,); NaN if it is missing.

    Raises:
        ValueError: If the cell is not a value of the target; says what was expected.
    """
    shape = (target.outputs,) if target.kind == "multilabel" else ()
    if is_missing(cell):
        return np.full(shape, np.nan, np.float32)
    if target.kind in ("regression", "binary"):
        value = number(cell)
        if value is None and target.kind == "regression" and target.level == "protein":
            value = (bound(cell) or (None,))[0]
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
    """Return a cell with one letter for each residue as (len(cell),) or (len(cell), outputs).

    Raises:
        ValueError: If a letter is not a value of the target.
    """
    letters = {
        letter: to_numbers(target, "" if _unknown(target, letter) else letter)
        for letter in set(cell)
    }
    return np.stack([letters[letter] for letter in cell])


def _unknown(target: Target, letter: str) -> bool:
    return letter in UNKNOWN and letter not in target.classes
