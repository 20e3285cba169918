"""A backbone in a module of a user's own is one like any other, on the command line too."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

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
    assert {"name": "mine", "about": "No messages at all."} in found


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


def test_one_that_is_not_there_is_an_error(folder: Path) -> None:
    for command in (("list",), ("build", "--seq", "plm_mini", "--struct", "gvp")):
        done = verb(folder, "my_backbones", *command)
        assert done.returncode == 2
        assert "my_backbones" in done.stderr and "PYTHONPATH" in done.stderr
