"""A search space: dotted config keys, and the range of values of each."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from optuna.trial import BaseTrial

from hpo.layers import draw
from hpo.ranges import Range, Whole, parse_range
from zoo.errors import ConfigError, unknown
from zoo.settings.checking import assign
from zoo.settings.safe_yaml import read_yaml
from zoo.system import reading

Data = dict[str, Any]
"""A config as nested plain values."""
Depths = Callable[[Mapping[str, Any]], tuple[int, int]]
"""Returns the number of layers of a config's language model and graph network."""
AFTER = "fusion.after"


@dataclass(frozen=True)
class Entry:
    """One line of a space.

    Attributes:
        name: name of the parameter in Optuna; the key, unless the space gives another name.
        key: dotted config key.
        range: range of values; for `fusion.after`, the range of the number of exchanges.
        when: condition for drawing the entry: allowed values of other keys, by key.
    """

    name: str
    key: str
    range: Range
    when: Mapping[str, tuple[Any, ...]]

    def applies(self, data: Mapping[str, Any]) -> bool:
        """Return whether the entry is drawn, given the config with all values drawn so far."""
        return all(lookup(data, key) in values for key, values in self.when.items())


@dataclass(frozen=True)
class Space:
    """A search space.

    Attributes:
        name: name of the space.
        entries: entries in the order in which they are drawn; the exchanges are last.
        source: space as in its YAML file.
    """

    name: str
    entries: tuple[Entry, ...]
    source: Mapping[str, Any]

    def draw(self, trial: BaseTrial, base: Mapping[str, Any], depths: Depths) -> Data:
        """Return the config of a trial.

        Args:
            trial: trial that draws each value.
            base: config that the space changes, as nested plain values.
            depths: returns the number of layers of both branches of a config.
        """
        data: Data = copy.deepcopy(dict(base))
        for entry in self.entries:
            if not entry.applies(data):
                continue
            if entry.key == AFTER:
                assert isinstance(entry.range, Whole)
                pairs = draw(trial, entry.range.low, entry.range.high, *depths(data))
                assign(data, AFTER, [list(pair) for pair in pairs])
            else:
                assign(data, entry.key, entry.range.suggest(trial, entry.name))
        return data


def lookup(data: Mapping[str, Any], key: str) -> Any:
    """Return the value of a dotted key; None if it is not given."""
    found: Any = data
    for part in key.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def space_names() -> list[str]:
    """Return the names of the shipped spaces, sorted."""
    folder = resources.files("zoo_configs").joinpath("hpo")
    return sorted(f.name.removesuffix(".yaml") for f in folder.iterdir() if f.name[-5:] == ".yaml")


def load_space(name: str | Path) -> Space:
    """Return the space of a YAML file, or the shipped space of a name, such as "fusion".

    Raises:
        ConfigError: if there is no such space, or one of its entries is wrong.
    """
    try:
        return parse_space(Path(name).stem, _read(name))
    except ConfigError as error:
        raise ConfigError(f"Space {name}: {error}") from error


def _read(name: str | Path) -> object:
    """Return the contents of a space's YAML, with the entries of the spaces that it includes."""
    path = Path(name)
    if path.suffix in (".yaml", ".yml"):
        if not path.is_file():
            raise ConfigError("there is no such file.")
        try:
            text = reading.text(path)
        except UnicodeDecodeError as error:
            raise ConfigError(f"this is not text in UTF-8: {error}") from error
    elif str(name) in space_names():
        text = resources.files("zoo_configs").joinpath("hpo", f"{name}.yaml").read_text()
    else:
        raise unknown("space", str(name), space_names())
    try:
        data = read_yaml(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"this is not valid YAML: {error}") from error
    if not isinstance(data, dict):
        return data
    found: Data = {}
    others = data.pop("include", [])
    if not isinstance(others, list):
        raise ConfigError(f"include={others!r} is no list; write include: [{others}].")
    for other in others:
        own = _read(path.parent / other if str(other).endswith(("yaml", "yml")) else other)
        if not isinstance(own, dict):
            raise ConfigError(f"the included space {other} has no entries.")
        found |= own
    return found | data


def parse_space(name: str, data: object) -> Space:
    """Return the space that plain values describe.

    Raises:
        ConfigError: for an entry that is wrong whatever the config is.
    """
    if not isinstance(data, Mapping) or not data:
        raise ConfigError(f"A space is a set of keys with their ranges, not {data!r}.")
    entries = [_entry(str(key), given) for key, given in data.items()]
    ordered = sorted(entries, key=lambda entry: entry.key == AFTER)
    drawn: set[str] = set()
    later = {entry.key for entry in ordered}
    for entry in ordered:
        later.discard(entry.key)
        if behind := sorted((later & entry.when.keys()) - drawn):
            raise ConfigError(f"{entry.name} depends on {behind[0]}, which comes after it: put "
                              f"{behind[0]} first.")  # fmt: skip
        drawn.add(entry.key)
    return Space(name, tuple(ordered), dict(data))


def _entry(name: str, given: object) -> Entry:
    if not isinstance(given, Mapping):
        raise ConfigError(f"{name} must have a range, as in {{int: [8, 256]}}, not {given!r}.")
    left = dict(given)
    key, when = left.pop("key", name), left.pop("when", {})
    if not isinstance(key, str) or not isinstance(when, Mapping):
        raise ConfigError(
            f"{name}: `key` must be a dotted config key, and `when` a set of keys and values."
        )
    values = {str(k): tuple(v) if isinstance(v, list) else (v,) for k, v in when.items()}
    if key == AFTER:
        return Entry(name, key, _exchanges(name, left), values)
    return Entry(name, key, parse_range(name, left), values)


def _exchanges(name: str, given: Mapping[str, Any]) -> Whole:
    if list(given) != ["exchanges"]:
        raise ConfigError(f"{name} is searched by {{exchanges: [fewest, most]}}, not {given}.")
    found = parse_range(name, {"int": given["exchanges"]})
    assert isinstance(found, Whole)
    if found.low < 1:
        raise ConfigError(f"{name}: exchanges={given['exchanges']} is not valid: the fewest is 1.")
    return found
