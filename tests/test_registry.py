"""A name, and the class it stands for; a miss names the nearest."""

from __future__ import annotations

import pytest

from zoo.backbones import STRUCTURE_BACKBONES
from zoo.errors import ConfigError
from zoo.fusion import FUSIONS
from zoo.registry import Registry
from zoo.tasks import TASKS

REGISTRIES = [STRUCTURE_BACKBONES, FUSIONS, TASKS]
for_every_registry = pytest.mark.parametrize("registry", REGISTRIES, ids=lambda r: r.what)


@for_every_registry
def test_a_typo_names_the_nearest_and_all_valid_names(registry: Registry) -> None:
    for name in registry:
        with pytest.raises(ConfigError) as caught:
            registry[name + "x"]
        message = str(caught.value)
        assert f"Unknown {registry.what} {name + 'x'!r}. Did you mean" in message
        assert all(valid in message for valid in registry)
        assert caught.value.exit_code == 2


@for_every_registry
def test_names_are_sorted_and_lower_case(registry: Registry) -> None:
    names = list(registry)
    assert names == sorted(names) and len(names) == len(registry) > 0
    assert all(name == name.lower() and name in registry for name in names)


def test_what_resembles_nothing_gets_no_suggestion() -> None:
    with pytest.raises(ConfigError) as caught:
        TASKS["qqqqqqqq"]
    assert "Did you mean" not in str(caught.value)


def test_a_name_is_given_once() -> None:
    registry: Registry[int] = Registry("number")
    registry.register("one")(1)
    with pytest.raises(ValueError, match="'one' is registered twice"):
        registry.register("one")(2)
    assert registry["one"] == 1


def test_register_returns_what_it_entered() -> None:
    registry: Registry[type] = Registry("class")

    @registry.register("here")
    class Here: ...

    assert registry["here"] is Here
