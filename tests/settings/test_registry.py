"""A name, and the class it stands for; a miss names the nearest."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path

import pytest

from zoo.backbones import STRUCTURE_BACKBONES
from zoo.data.layouts import LAYOUTS
from zoo.errors import ConfigError, TakenError
from zoo.fusion import FUSIONS
from zoo.settings.registry import Registry
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
    with pytest.raises(TakenError, match=f"number 'one' is registered twice, by {__name__} and by"):
        registry.register("one")(2)
    assert registry["one"] == 1


def test_a_name_that_was_announced_is_its_module_s() -> None:
    registry: Registry[int] = Registry("number")
    registry.announce("one", "zoo.part")
    with pytest.raises(TakenError, match=f"'one' is .* by zoo.part and by {__name__}"):
        registry.register("one")(1)
    registry.announce("two", __name__)
    assert registry.register("two")(2) == registry["two"] == 2


def test_register_returns_what_it_entered() -> None:
    registry: Registry[type] = Registry("class")

    @registry.register("here")
    class Here: ...

    assert registry["here"] is Here


def test_a_module_is_imported_when_its_name_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry: Registry[type] = Registry("shape")
    monkeypatch.setattr("tests.settings.test_registry.SHAPES", registry, raising=False)
    (tmp_path / "lazy_shapes.py").write_text(
        "import tests.settings.test_registry as home\n"
        "@home.SHAPES.register('square')\nclass Square: ...\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    registry.announce("square", "lazy_shapes", "Four equal sides.")
    assert list(registry) == ["square"] and registry.about("square") == "Four equal sides."
    assert "lazy_shapes" not in sys.modules
    assert registry["square"].__name__ == "Square" and "lazy_shapes" in sys.modules


@pytest.mark.parametrize("registry", [STRUCTURE_BACKBONES, FUSIONS], ids=lambda r: r.what)
def test_what_is_listed_is_what_the_class_says(registry: Registry) -> None:
    for name in registry.known():
        doc = inspect.getdoc(registry[name]) or ""
        assert " ".join(doc.split("\n\n")[0].split()) == registry.about(name)


def test_every_layout_of_a_task_is_found() -> None:
    assert len(LAYOUTS) == sum(len(TASKS[name].layouts) for name in TASKS)
    for name in LAYOUTS:
        task = name.partition("/")[0]
        assert LAYOUTS[name].task == task and task in TASKS
