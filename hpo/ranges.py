"""Ranges of values in a search space: a list of choices, whole numbers or real numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optuna.trial import BaseTrial

from zoo.errors import ConfigError, unknown


@dataclass(frozen=True)
class Choices:
    """A list of choices: names, numbers, true, false or null.

    Attributes:
        values: values to choose from.
    """

    values: tuple[Any, ...]

    def suggest(self, trial: BaseTrial, name: str) -> Any:
        """Draw a value in a trial, under a parameter name."""
        return trial.suggest_categorical(name, self.values)

    def holds(self, value: Any) -> bool:
        """Return whether a value is in the range."""
        return any(value == own and type(value) is type(own) for own in self.values)

    def ends(self) -> tuple[Any, ...]:
        """Return the values that represent the range when a space is checked."""
        return self.values

    def __str__(self) -> str:
        return "one of " + ", ".join(map(str, self.values))


@dataclass(frozen=True)
class Whole:
    """A range of whole numbers.

    Attributes:
        low: lowest value.
        high: highest value.
        log: whether values are drawn on a logarithmic scale.
        step: distance between two values.
    """

    low: int
    high: int
    log: bool = False
    step: int = 1

    def suggest(self, trial: BaseTrial, name: str) -> int:
        """Draw a value in a trial, under a parameter name."""
        return trial.suggest_int(name, self.low, self.high, step=self.step, log=self.log)

    def holds(self, value: Any) -> bool:
        """Return whether a value is in the range."""
        whole = isinstance(value, int) and not isinstance(value, bool)
        return whole and self.low <= value <= self.high and (value - self.low) % self.step == 0

    def ends(self) -> tuple[Any, ...]:
        """Return the values that represent the range when a space is checked."""
        return self.low, self.high

    def __str__(self) -> str:
        return f"{self.low} to {self.high}" + (f" by {self.step}" if self.step > 1 else "")


@dataclass(frozen=True)
class Real:
    """A range of real numbers.

    Attributes:
        low: lowest value.
        high: highest value.
        log: whether values are drawn on a logarithmic scale.
    """

    low: float
    high: float
    log: bool = False

    def suggest(self, trial: BaseTrial, name: str) -> float:
        """Draw a value in a trial, under a parameter name."""
        return trial.suggest_float(name, self.low, self.high, log=self.log)

    def holds(self, value: Any) -> bool:
        """Return whether a value is in the range."""
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return number and self.low <= value <= self.high

    def ends(self) -> tuple[Any, ...]:
        """Return the values that represent the range when a space is checked."""
        return self.low, self.high

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g}"


Range = Choices | Whole | Real
KINDS = ("choices", "int", "float")
OPTIONS = {"choices": (), "int": ("log", "step"), "float": ("log",)}


def parse_range(where: str, given: Mapping[str, Any]) -> Range:
    """Return the range that `{int: [8, 256], log: true}` describes.

    Raises:
        ConfigError: if it is not valid; names the entry, the value and what is valid.
    """
    kinds = [kind for kind in KINDS if kind in given]
    if len(kinds) != 1:
        raise ConfigError(f"{where} needs one of {', '.join(KINDS)}; it has {len(kinds)} of them.")
    (kind,) = kinds
    for option in given:
        if option not in (kind, *OPTIONS[kind]):
            raise unknown(f"option of {where}", option, (*KINDS, "log", "step", "key", "when"))
    if kind == "choices":
        return Choices(_choices(where, given[kind]))
    low, high = _ends(where, kind, given[kind])
    log = given.get("log", False)
    if not isinstance(log, bool):
        raise ConfigError(f"{where}: log={log!r} is not valid: expected true or false.")
    if log and low <= 0:
        raise ConfigError(f"{where}: a logarithmic range starts above 0, not at {low}.")
    if kind == "float":
        return Real(float(low), float(high), log)
    step = given.get("step", 1)
    if not isinstance(step, int) or isinstance(step, bool) or step < 1:
        raise ConfigError(f"{where}: step={step!r} is not valid: expected a whole number from 1.")
    if log and step > 1:
        raise ConfigError(f"{where}: a range is logarithmic or has a step, not both.")
    return Whole(low, high - (high - low) % step, log, step)


def _choices(where: str, values: object) -> tuple[Any, ...]:
    plain = isinstance(values, list) and all(
        value is None or isinstance(value, bool | int | float | str) for value in values
    )
    if not plain or not values or not isinstance(values, list):
        raise ConfigError(f"{where}: choices={values!r} is not valid: expected a list of names, "
                          "numbers, true, false or null.")  # fmt: skip
    if len({(type(value), value) for value in values}) < len(values):
        raise ConfigError(f"{where}: choices={values!r} names a value twice.")
    return tuple(values)


def _ends(where: str, kind: str, values: object) -> Sequence[Any]:
    number = (int,) if kind == "int" else (int, float)
    right = isinstance(values, list) and len(values) == 2 and all(
        isinstance(value, number) and not isinstance(value, bool) for value in values
    )  # fmt: skip
    if not right or not isinstance(values, list):
        raise ConfigError(f"{where}: {kind}={values!r} is not valid: expected two numbers, the "
                          "lowest and the highest.")  # fmt: skip
    if values[0] > values[1]:
        raise ConfigError(f"{where}: {kind}={values!r} is not valid: the lower number comes first.")
    return values
