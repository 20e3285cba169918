"""A backbone in a module of a user's own is one like any other, on the command line too."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import REPOSITORY
from zoo.backbones import STRUCTURE_BACKBONES
from zoo.errors import TakenError
from zoo.models.arguments import part_of
from zoo.settings.plugins import load_plugins

MODULE = '''
from torch import nn

from zoo.backbones import STRUCTURE_BACKBONES
from zoo.backbones.base import NodeScalars, NodeState, StructureBackbone


@STRUCTURE_BACKBONES.register("mine")
class Mine(StructureBackbone):
    """No messages at all."""

    def __init__(self, features, *, hidden=8, num_layers=2):
        super().__init__()
        self.num_layers, self.width = num_layers, hidden
        self.scalars = NodeScalars(features, hidden)
        self.into = nn.Linear(self.scalars.width, hidden)
        self.layers = nn.ModuleList(nn.Linear(hidden, hidden) for _ in range(num_layers))

    def embed(self, graph):
        s = self.into(self.scalars(graph))
        return NodeState(s, s.new_zeros((len(s), 0, 3)))

    def layer(self, graph, state, index):
        return NodeState(state.s + self.layers[index](state.s), state.v)
'''


def verb(folder: Path, plugins: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"ZOO_PLUGINS": plugins, "PYTHONPATH": f"{folder}:{REPOSITORY}"}
    return subprocess.run(
        [sys.executable, "-m", "zoo", *arguments], env=env, capture_output=True, text=True
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "my_backbone.py").write_text(MODULE)
    return tmp_path


def test_it_is_listed(folder: Path) -> None:
    found = json.loads(verb(folder, "my_backbone", "list", "--json").stdout)["structure"]
    (row,) = (row for row in found if row["name"] == "mine")
    assert (row["about"], row["layers"], row["licence"]) == ("No messages at all.", 2, None)


def test_it_is_built_with_arguments_that_have_no_type_hints(folder: Path) -> None:
    done = verb(
        folder, "my_backbone", "build", "--seq", "plm_mini", "--struct", "mine", "--fusion",
        "local", "--set", "structure.args.hidden=6", "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "mine" in done.stdout
    wrong = verb(folder, "my_backbone", "build", "--seq", "plm_mini", "--struct", "mine",
                 "--set", "structure.args.hiden=6")  # fmt: skip
    assert wrong.returncode == 2 and "structure.args.hidden" in wrong.stderr


def test_a_package_that_registers_in_a_submodule_is_listed(tmp_path: Path) -> None:
    package = tmp_path / "lab"
    package.mkdir()
    (package / "__init__.py").write_text("import lab.networks\n")
    (package / "networks.py").write_text(
        "from zoo.backbones import base\n\n"
        + MODULE.replace("from zoo.backbones import STRUCTURE_BACKBONES", "").replace(
            "@STRUCTURE", "@base.STRUCTURE"
        )
    )
    found = json.loads(verb(tmp_path, "lab", "list", "--json").stdout)["structure"]
    (row,) = (row for row in found if row["name"] == "mine")
    assert (row["about"], row["layers"], row["licence"]) == ("No messages at all.", 2, None)


def installed(folder: Path, module: str) -> None:
    """Write what pip would: a package with an entry point."""
    facts = folder / "their_package-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: their-package\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text(f"[protein_model_zoo]\nmine = {module}\n")


def test_an_installed_package_needs_no_variable(folder: Path) -> None:
    installed(folder, "my_backbone")
    found = json.loads(verb(folder, "", "list", "--json").stdout)["structure"]
    assert "mine" in [row["name"] for row in found]
    done = verb(folder, "", "build", "--seq", "none", "--struct", "mine", "--json")
    assert done.returncode == 0, done.stderr


def test_a_broken_package_is_left_out_with_a_warning(folder: Path) -> None:
    installed(folder, "not_there.at_all")
    done = verb(folder, "", "list", "gvp")
    assert done.returncode == 0 and "gvp" in done.stdout
    assert "warning: the plug-in 'mine' of the package their-package" in done.stderr
    assert "ModuleNotFoundError" in done.stderr


def test_only_annotated_arguments_have_a_range(folder: Path) -> None:
    text = MODULE.replace("hidden=8,", "hidden: Count = 8, offset: float = 1.0, shift: int = 1,")
    text = text.replace("from torch import nn", "from torch import nn\n\n"
                        "from zoo.settings.ranges import Count")  # fmt: skip
    (folder / "my_backbone.py").write_text(text)
    build = ("build", "--seq", "none", "--struct", "mine", "--json")
    done = verb(folder, "my_backbone", *build, "--set", "structure.args.offset=0",
                "--set", "structure.args.shift=-5")  # fmt: skip
    assert done.returncode == 0, done.stderr
    wrong = verb(folder, "my_backbone", *build, "--set", "structure.args.hidden=0")
    assert wrong.returncode == 2 and "structure.args.hidden=0 is not valid" in wrong.stderr
    kind = verb(folder, "my_backbone", *build, "--set", "structure.args.shift=much")
    assert kind.returncode == 2 and "expected a whole number" in kind.stderr


def test_one_that_is_not_there_is_an_error(folder: Path) -> None:
    for command in (("list",), ("build", "--seq", "plm_mini", "--struct", "gvp")):
        done = verb(folder, "my_backbones", *command)
        assert done.returncode == 2
        assert "my_backbones" in done.stderr and "PYTHONPATH" in done.stderr


def test_one_that_fails_fails_at_every_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_lab.py").write_text("raise RuntimeError('no licence')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("ZOO_PLUGINS", "broken_lab")
    for _ in range(2):
        with pytest.raises(RuntimeError, match="no licence"):
            load_plugins()


class Typed:
    """Arguments with hints that are no plain types, one of them unknown at run time."""

    def __init__(
        self, features: object, *, size: tuple[int, int] = (1, 2), any: Any = 3
    ) -> None: ...


class Unresolved:
    def __init__(self, features: object, *, like: Somewhere = None) -> None: ...  # noqa: F821


@pytest.mark.parametrize("cls, given", [(Typed, {"size": [3, 4]}), (Unresolved, {"like": 1})])
def test_hints_that_are_no_plain_types_are_taken_as_they_are(cls: type, given: dict) -> None:
    assert part_of(cls, given, "structure.args.").args.items() >= given.items()


@pytest.mark.parametrize("name", ["gvp", "gat"])
def test_a_name_of_the_library_is_not_replaced(folder: Path, name: str) -> None:
    (folder / "my_backbone.py").write_text(MODULE.replace('"mine"', f'"{name}"'))
    for words in (["list"], ["build", "--seq", "none", "--struct", name]):
        done = verb(folder, "my_backbone", *words)
        assert done.returncode == 2, done.stderr
        said = f"{name!r} is registered twice, by zoo.backbones.{name} and by my_backbone"
        assert said in done.stderr


def test_an_installed_plugin_does_not_replace_a_name_either(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Point:
        name, value, dist = "mine", "my_backbone", None

        def load(self) -> None:
            STRUCTURE_BACKBONES.register("gvp")(object)  # type: ignore[arg-type]

    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: [Point()])
    monkeypatch.setattr("zoo.settings.plugins._loaded", set())
    for _ in range(2):
        with pytest.raises(TakenError, match=r"by zoo\.backbones\.gvp and by"):
            load_plugins()
