"""Whether a space fits the config's schema, found out before the first trial."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import optuna

from hpo.keywords import FOLDERS, keywords
from hpo.layers import numbers
from hpo.space import AFTER, Data, Entry, Space, lookup
from zoo.config import Config, assign, flat
from zoo.errors import ConfigError, unknown

DRAWS = 64
"""Random configs that are checked whole."""


def check_keys(space: Space, config: Config) -> None:
    """Check the name of every key; takes milliseconds, and nothing large is imported.

    Raises:
        ConfigError: for a key that no config has; names the nearest.
    """
    valid = list(flat(Config().to_dict()))
    for entry in space.entries:
        for key in (entry.key, *entry.when):
            section, args, keyword = key.partition(".args.")
            if args and section in FOLDERS:
                _check_keyword(space, config, entry, section, keyword)
            elif not args and key not in valid:
                raise _unknown_key(key, [*valid, *_arguments()])


def _unknown_key(key: str, valid: list[str]) -> ConfigError:
    """Return the error that names the nearest key, which may be one whose section was left out."""
    short = [name for name in valid if name.endswith(f".{key}")]
    if short:
        return ConfigError(f"Unknown config key {key!r}. Did you mean {short[0]!r}?")
    error = str(unknown("config key", key, valid))
    return ConfigError(error.partition(" Valid:")[0] if "Did you mean" in error else error)


def _names(space: Space, config: Config, section: str, entry: Entry) -> list[str]:
    """Return the parts that can be chosen where an entry is drawn."""
    key = f"{section}.name"
    if key in entry.when:
        return list(entry.when[key])
    drawn = [name for other in space.entries if other.key == key for name in other.range.ends()]
    return drawn or [str(lookup(config.to_dict(), key))]


def _arguments() -> list[str]:
    parts = [(section, words) for section in FOLDERS for words in keywords(section).values()]
    return list({f"{section}.args.{word}": 1 for section, words in parts for word in words})


def _check_keyword(space: Space, config: Config, entry: Entry, section: str, keyword: str) -> None:
    known, key = keywords(section), f"{section}.args.{keyword}"
    for name in _names(space, config, section, entry):
        if name not in known or keyword in known[name]:  # not known: the user has registered it
            continue
        owners = [other for other, words in known.items() if keyword in words]
        if not owners:
            raise _unknown_key(key, [f"{section}.args.{word}" for word in known[name]]
                               + _arguments())  # fmt: skip
        raise ConfigError(
            f"{entry.name}: {section} {name!r} has no argument {keyword!r}. It is one of "
            f"{', '.join(owners)}: add when: {{{section}.name: [{', '.join(owners)}]}}."
        )


def check_draws(space: Space, config: Config) -> None:
    """Check that every value of every entry makes a valid config, in many random ones.

    Raises:
        ConfigError: naming the entry and the value.
    """
    base = config.to_dict()
    drawn = list(_draws(space, base))
    for data in drawn:
        _check(space, data, "a draw")
    for entry in space.entries:
        if entry.key == AFTER:
            continue
        fitting = [data for data in drawn if entry.applies(data)]
        if not fitting:
            conditions = ", ".join(f"{key}={values}" for key, values in entry.when.items())
            raise ConfigError(f"Space {space.name}: {entry.name} is never drawn; its conditions "
                              f"({conditions}) do not hold with this config.")  # fmt: skip
        for value in entry.range.ends():
            if entry.key.endswith(".name"):  # random draws hold every choice
                continue
            data = Config.from_dict(fitting[0]).to_dict()  # a copy
            assign(data, entry.key, value)
            if any(other.key == AFTER for other in space.entries):
                assign(data, AFTER, None)  # drawn for the layers there were
            _check(space, data, f"{entry.name}={value}")


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


def _check(space: Space, data: Data, what: str) -> None:
    from zoo.create import check_names, exchanges_of

    try:
        config = Config.from_dict(data)
        check_names(config)
        if config.fusion.after is not None:
            exchanges_of(config, *depths(data))
    except ConfigError as error:
        raise ConfigError(f"Space {space.name}: {what} is no valid config: {error}") from error


def depths(data: Mapping[str, Any]) -> tuple[int, int]:
    """Return how many layers the branches of a config have."""
    sequence = data["sequence"]
    return (
        _seq_layers(sequence["name"], sequence["weights"]),
        argument(data, "structure", "num_layers"),
    )


@cache
def _seq_layers(name: str, weights: Any) -> int:
    from zoo.backbones.plm import resolve
    from zoo.create import NONE, load_sequence

    if name == NONE:
        return 0
    preset = resolve(name).preset
    if preset is not None:
        return preset.num_layers
    loaded = load_sequence(Config().with_values([f"sequence.name={name}",
                                                 f"sequence.weights={weights}"]))  # fmt: skip
    assert loaded is not None
    return loaded.seq.num_layers


def argument(data: Mapping[str, Any], section: str, keyword: str) -> Any:
    """Return an argument of a config's part: as given, else its default."""
    from zoo.backbones import STRUCTURE_BACKBONES
    from zoo.fusion import FUSIONS

    given = data[section]["args"]
    if keyword in given:
        return given[keyword]
    classes: Any = {"structure": STRUCTURE_BACKBONES, "fusion": FUSIONS}[section]
    if data[section]["name"] not in classes:
        return 0
    found = inspect.signature(classes[data[section]["name"]]).parameters.get(keyword)
    return 0 if found is None else found.default


def own_numbers(space: Space, config: Config) -> dict[str, Any]:
    """Return what Optuna would have to draw to arrive at the config itself.

    Raises:
        ConfigError: if the space does not hold it.
    """
    from zoo.create import exchanges_of

    data, found = config.to_dict(), dict[str, Any]()
    for entry in space.entries:
        if not entry.applies(data):
            continue
        if entry.key == AFTER:
            pairs = exchanges_of(config, *depths(data))
            inside = entry.range.holds(len(pairs))
            own, value = numbers(pairs, *depths(data)), f"{len(pairs)} exchanges"
        else:
            section, args, keyword = entry.key.partition(".args.")
            known = args and section in FOLDERS
            value = argument(data, section, keyword) if known else lookup(data, entry.key)
            inside, own = entry.range.holds(value), {entry.name: value}
        if not inside:
            raise ConfigError(
                f"Space {space.name}: the config itself, which is the first trial, has "
                f"{entry.key} at {value}, and {entry.name} goes over {entry.range}. Widen the "
                "space, or begin from another value by --set."
            )
        found |= own
    return found
