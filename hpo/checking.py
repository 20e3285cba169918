"""Check before the first trial that a search space fits the config."""

from __future__ import annotations

import dataclasses
import difflib
import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import optuna

from hpo.layers import numbers
from hpo.space import AFTER, Data, Entry, Space, lookup
from zoo.backbones import STRUCTURE_BACKBONES
from zoo.errors import ConfigError, unknown
from zoo.fusion import FUSIONS
from zoo.settings.checking import assign, flat
from zoo.settings.config import Config
from zoo.settings.registry import Registry

if TYPE_CHECKING:
    from zoo.fusion.base import Pairs
    from zoo.models.blueprint import Blueprint

DRAWS = 64
"""Number of random configs that are drawn and checked."""
PARTS: dict[str, Registry[Any]] = {"structure": STRUCTURE_BACKBONES, "fusion": FUSIONS}
"""Config sections whose `name` is that of a class, and `args` its keyword arguments."""


@cache
def keywords(section: str) -> dict[str, dict[str, Any]]:
    """Return the keyword arguments, with defaults, of each class that a section can name."""
    from zoo.models import arguments  # imports torch, which takes seconds

    return {name: arguments.keywords(PARTS[section][name]) for name in PARTS[section]}


def check_keys(space: Space, config: Config) -> None:
    """Check the name of every key of a space.

    Raises:
        ConfigError: for a key that no config has; suggests the most similar one.
    """
    valid = list(flat(Config().to_dict()))
    # Arguments come last, because checking them imports torch.
    for entry in sorted(space.entries, key=lambda entry: ".args." in entry.key):
        for key in (entry.key, *entry.when):
            section, args, keyword = key.partition(".args.")
            if args and section in PARTS:
                _check_keyword(space, config, entry, section, keyword)
            elif not args and key not in valid:
                near = difflib.get_close_matches(key, valid, n=1, cutoff=0.8)
                raise _unknown_key(key, valid if near else [*valid, *_arguments()])


def _unknown_key(key: str, valid: list[str]) -> ConfigError:
    """Return the error for a key; it suggests a similar key, or one with its section added."""
    short = [name for name in valid if name.endswith(f".{key}")]
    if short:
        return ConfigError(f"Unknown config key {key!r}. Did you mean {short[0]!r}?")
    error = str(unknown("config key", key, valid))
    return ConfigError(error.partition(" Valid:")[0] if "Did you mean" in error else error)


def _names(space: Space, config: Config, section: str, entry: Entry) -> list[str]:
    """Return the names that a section can have when an entry is drawn."""
    key = f"{section}.name"
    if key in entry.when:
        return list(entry.when[key])
    drawn = [name for other in space.entries if other.key == key for name in other.range.ends()]
    return drawn or [str(lookup(config.to_dict(), key))]


def _arguments() -> list[str]:
    parts = [(section, words) for section in PARTS for words in keywords(section).values()]
    return list({f"{section}.args.{word}": 1 for section, words in parts for word in words})


def _check_keyword(space: Space, config: Config, entry: Entry, section: str, keyword: str) -> None:
    known, key = keywords(section), f"{section}.args.{keyword}"
    for name in _names(space, config, section, entry):
        if name not in known or keyword in known[name]:  # unknown: registered by the user
            continue
        owners = [other for other, words in known.items() if keyword in words]
        if not owners:
            raise _unknown_key(key, [f"{section}.args.{word}" for word in known[name]]
                               + _arguments())  # fmt: skip
        raise ConfigError(
            f"{entry.name}: {section} {name!r} has no argument {keyword!r}. It is an "
            f"argument of {', '.join(owners)}: add when: {{{section}.name: [{', '.join(owners)}]}}."
        )


def check_draws(space: Space, config: Config, known: Blueprint | None = None) -> None:
    """Check that every value of every entry gives a valid config, on random draws.

    Args:
        space: search space to check.
        config: config that the space changes.
        known: blueprint of the config; without it, the check needs no pretrained weights.

    Raises:
        ConfigError: if a value gives an invalid config; names the entry and the value.
    """
    base = config.to_dict()
    drawn = list(_draws(space, base))
    for data in drawn:
        _check(space, data, "a draw", known)
    for entry in space.entries:
        if entry.key == AFTER:
            continue
        fitting = [data for data in drawn if entry.applies(data)]
        if not fitting:
            conditions = ", ".join(f"{key}={values}" for key, values in entry.when.items())
            raise ConfigError(f"Space {space.name}: {entry.name} is never drawn: its conditions "
                              f"({conditions}) never hold for this config.")  # fmt: skip
        for value in entry.range.ends():
            if entry.key.endswith(".name"):  # the random draws contain every choice
                continue
            data = Config.from_dict(fitting[0]).to_dict()  # a copy
            assign(data, entry.key, value)
            if any(other.key == AFTER for other in space.entries):
                assign(data, AFTER, None)  # the drawn pairs were for other layers
            _check(space, data, f"{entry.name}={value}", known)


def relevant(space: Space, config: Config) -> Space:
    """Return the space without the entries that can never be drawn with this config."""
    drawn = list(_draws(space, config.to_dict()))
    kept = tuple(e for e in space.entries if any(e.applies(data) for data in drawn))
    return Space(space.name, kept, space.source)


def _draws(space: Space, base: Data) -> Iterator[Data]:
    sampler = optuna.samplers.RandomSampler(seed=0)
    study = optuna.create_study(sampler=sampler)
    for _ in range(DRAWS):
        yield space.draw(study.ask(), base, depths)


def _check(space: Space, data: Data, what: str, known: Blueprint | None) -> None:
    from zoo.models.blueprint import resolve

    try:
        config = Config.from_dict(data)
        if known is None:
            sequence = dataclasses.replace(config.sequence, weights="random")
            config = dataclasses.replace(config, sequence=sequence)
        resolve(config, known)
    except ConfigError as error:
        raise ConfigError(f"Space {space.name}: {what} gives an invalid config: {error}") from error


def depths(data: Mapping[str, Any]) -> tuple[int, int]:
    """Return the number of layers of a config's language model and graph network."""
    parts = {name: data[name] for name in ("task", "sequence", "structure", "graph")}
    return _depths(json.dumps(parts, sort_keys=True))


@cache
def _depths(parts: str) -> tuple[int, int]:
    from zoo.models import branches

    return branches.depths(Config.from_dict(json.loads(parts)))


def own_numbers(space: Space, config: Config) -> dict[str, Any]:
    """Return the values that Optuna would have to draw to obtain the config itself.

    Raises:
        ConfigError: if the space does not contain the config.
    """
    data, found = config.to_dict(), dict[str, Any]()
    for entry in space.entries:
        if not entry.applies(data):
            continue
        if entry.key == AFTER:
            pairs = _exchanges(config)
            inside = entry.range.holds(len(pairs))
            own, value = numbers(pairs, *depths(data)), f"{len(pairs)} exchanges"
        else:
            value = _own(data, entry.key)
            inside, own = entry.range.holds(value), {entry.name: value}
        if not inside:
            raise ConfigError(
                f"Space {space.name}: the config itself, which is the first trial, has "
                f"{entry.key}={value}, but {entry.name} ranges over {entry.range}. Widen the "
                "space, or begin from another value by --set."
            )
        found |= own
    return found


def _own(data: Data, key: str) -> Any:
    """Return the value of a config's key; the default for one that is not given."""
    if key == "graph.k" and lookup(data, key) is None:
        return STRUCTURE_BACKBONES[data["structure"]["name"]].neighbours
    section, args, keyword = key.partition(".args.")
    if not args or section not in PARTS or keyword in data[section]["args"]:
        return lookup(data, key)
    return keywords(section)[data[section]["name"]].get(keyword)


def _exchanges(config: Config) -> Pairs:
    from zoo.models.blueprint import resolve

    sequence = dataclasses.replace(config.sequence, weights="random")
    return resolve(dataclasses.replace(config, sequence=sequence)).exchanges
