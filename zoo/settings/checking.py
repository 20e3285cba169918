"""Checks of plain values, as read from YAML, against the type hints of dataclasses and functions.

For example, `check("ten", int, "epochs")` raises an error that names the key, the value and the
expected type.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from zoo.errors import ConfigError, unknown
from zoo.settings.ranges import Range

T = TypeVar("T")


def parse(cls: type[T], data: object, where: str = "") -> T:
    """Build a dataclass from nested plain values, and check each of them.

    Args:
        cls: Dataclass to build.
        data: Values by field name; a field that is itself a dataclass takes nested values.
        where: Dotted path to `data` with its final dot ("train.lr."), used in error messages.

    Raises:
        ConfigError: If a key is unknown or a value is not valid.
    """
    if not isinstance(data, Mapping):
        raise ConfigError(f"{where or 'The config'} must be a set of keys, not {data!r}.")
    hints = typing.get_type_hints(cls, include_extras=True)
    values: dict[str, Any] = {}
    for key, value in data.items():
        if key not in hints:
            raise unknown("config key", f"{where}{key}", [f"{where}{name}" for name in hints])
        hint = hints[key]
        if dataclasses.is_dataclass(hint):
            values[key] = parse(typing.cast(type, hint), value, f"{where}{key}.")
        else:
            values[key] = check(value, hint, f"{where}{key}")
    return cls(**values)


def check(value: Any, hint: Any, name: str) -> Any:
    """Return the value if it matches the type hint; an int is also accepted as a float.

    A hint may also carry a range for a number: `Annotated[int, Range(0)]` rejects -1.

    Raises:
        ConfigError: If the value does not match; names the key, the value and what is valid.
    """
    kind, ranges = _bare(hint)
    value = _scientific(value, kind)
    if not _fits(value, kind):
        raise ConfigError(f"{name}={_short(value)} is not valid: expected {_describe(kind)}.")
    if isinstance(value, int | float) and not isinstance(value, bool):
        for found in ranges:
            if problem := found.problem(value):
                raise ConfigError(f"{name}={value!r} is not valid: {problem}.")
    return float(value) if kind is float else value


def _bare(hint: Any) -> tuple[Any, list[Range]]:
    """Return a type hint without its annotations, and the ranges among those annotations."""
    if typing.get_origin(hint) is Annotated:
        kind, *notes = typing.get_args(hint)
        return kind, [note for note in notes if isinstance(note, Range)]
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        parts = [_bare(part) for part in typing.get_args(hint)]
        kinds = tuple(kind for kind, _ in parts)
        return typing.Union[kinds], [found for _, ranges in parts for found in ranges]  # noqa: UP007
    return hint, []


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 200 else f"{text[:200]}..."


def _scientific(value: Any, hint: Any) -> Any:
    """Return the number for a text such as "1e-4", which YAML 1.1 reads as text."""
    if isinstance(value, str) and not _fits(value, hint) and _fits(0.0, hint):
        try:
            return float(value)
        except ValueError:
            return value
    return value


def _fits(value: Any, hint: Any) -> bool:
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, part) for part in typing.get_args(hint))
    if origin is Literal:
        return value in typing.get_args(hint)
    if origin is list:
        (part,) = typing.get_args(hint)
        return isinstance(value, list | tuple) and all(_fits(item, part) for item in value)
    if origin is dict:
        return isinstance(value, dict)
    if isinstance(value, bool):
        return hint is bool
    if hint is float:
        return isinstance(value, int | float)
    if not isinstance(hint, type):  # a plug-in's Any, tuple[int, int], Callable, ...
        return True
    return isinstance(value, hint)


def _describe(hint: Any) -> str:
    if typing.get_origin(hint) is Literal:
        return "one of " + ", ".join(map(str, typing.get_args(hint)))
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return " or ".join(_describe(part) for part in typing.get_args(hint))
    names = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}
    return names.get(hint, "nothing (null)" if hint is type(None) else str(hint))


OF_A_NAME = {"weights": None, "tuning": "full"}
"""Values of keys beside `name` and `args` for another name."""


def assign(data: dict[str, Any], key: str, value: Any) -> None:
    """Set one dotted key of nested values, in place.

    Replacing a `name` also resets the `args` beside it, and a graph network's weights and tuning,
    because they belong to the old name: after `structure.name=gat`, those of "gvp" are gone.
    Setting a `name` that was null keeps the `args`.

    Raises:
        ConfigError: If a section of the key does not exist; names the nearest valid one.
    """
    *sections, last = key.strip().split(".")
    for depth, section in enumerate(sections):
        if section not in data:
            prefix = "".join(f"{name}." for name in sections[:depth])
            raise unknown("config key", prefix + section, [prefix + name for name in data])
        data = data[section]
        if not isinstance(data, dict):
            raise ConfigError(f"Config key {key!r} is not valid: {section} has no keys of its own.")
    if last == "name" and "args" in data and data.get("name") not in (None, value):
        data |= {key: value for key, value in OF_A_NAME.items() if key in data}
        data["args"] = {}
    data[last] = value


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested values as one flat dictionary: {"train": {"clip": 1}} as {"train.clip": 1}."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            found |= flat(value, f"{prefix}{key}.")
        else:
            found[prefix + key] = value
    return found
