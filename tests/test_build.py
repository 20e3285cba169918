"""`zoo build`: every combination, its summary, and its errors."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest
import torch
import yaml

import zoo
from tests.verbs import call
from zoo.backbones import STRUCTURE_BACKBONES
from zoo.errors import RandomWeightsWarning
from zoo.fusion import FUSIONS
from zoo.tasks import TASKS

SMALL = ("--seq", "esm2_8m", "--struct", "gvp")
PAIRS = list(itertools.product(STRUCTURE_BACKBONES, FUSIONS))


@pytest.mark.parametrize(("struct", "fusion"), PAIRS)
def test_every_graph_network_builds_with_every_fusion(capsys, struct, fusion):
    done = call(
        capsys, "build", "--seq", "esm2_8m", "--struct", struct, "--fusion", fusion, "--json"
    )
    summary = json.loads(done.out)
    assert done.code == 0
    assert summary["check"]["nodes"] == 70


@pytest.mark.parametrize("task", list(TASKS))
def test_every_task_builds(capsys, task):
    done = call(capsys, "build", *SMALL, "--task", task, "--json")
    assert json.loads(done.out)["config"]["task"] == task


def test_summary_names_the_parts_the_exchanges_and_the_memory(capsys):
    out = call(capsys, "build", *SMALL, "--fusion", "local").out
    for text in ("esm2_8m", "gvp", "local", "2───4───6", "1,000", "trainable", "300 residues"):
        assert text in out


def test_random_weights_are_said_in_summary_card_and_later_use(capsys, tmp_path):
    done = call(capsys, "build", *SMALL, "--out", tmp_path)
    assert "RANDOM WEIGHTS" in done.out
    assert "RANDOM WEIGHTS" in (tmp_path / "README.md").read_text()
    with pytest.warns(RandomWeightsWarning):
        zoo.load_model(tmp_path)


def test_pretrained_weights_that_cannot_be_had_exit_with_3(capsys):
    done = call(capsys, "build", *SMALL, "--weights", "pretrained")
    assert done.code == 3
    assert "python -m zoo.download esm2_8m" in done.err


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--seq", "esm2_8n"), "Did you mean 'esm2_8m'"),
        (("--seq", "esm2_8m", "--struct", "gpv"), "Did you mean 'gvp'"),
        (("--seq", "esm2_8m", "--fusion", "globl"), "Did you mean 'global'"),
        ((*SMALL, "--task", "pbs"), "Did you mean 'ppbs'"),
        ((*SMALL, "--engine", "dgll"), "Did you mean 'dgl'"),
        ((*SMALL, "--weights", "pretraind"), "one of auto, pretrained, random"),
        ((*SMALL, "--write-back", "dep"), "one of deep, side"),
        ((*SMALL, "--fuse-after", "2-1"), "11:1,22:2,33:3"),
        ((*SMALL, "--fuse-after", "7:1"), "it has 1 to 6"),
        ((*SMALL, "--fuse-after", "2:9"), "0 (its input) to 3"),
        ((*SMALL, "--fuse-after", "4:1,2:2"), "must increase"),
        ((*SMALL, "--set", "structure.args.num_layer=2"), "structure.args.num_layers"),
        ((*SMALL, "--set", "structure.args.num_layers=0"), "above 0"),
        ((*SMALL, "--set", "structure.args.num_layers=two"), "a whole number"),
        ((*SMALL, "--set", "graf.k=3"), "Did you mean 'graph'"),
        ((*SMALL, "--set", "graph.k"), "no '='"),
        (("--seq", "none", "--struct", "none"), "leave no model"),
        (("--seq", "esm2_8m", "--struct", "none", "--fusion", "local"), "two branches"),
        (("no_such_config",), "Unknown config"),
    ],
)
def test_a_wrong_value_is_an_error_that_tells_what_is_valid(capsys, options, expected):
    done = call(capsys, "build", *options)
    assert done.code == 2
    assert done.err.startswith("error: ")
    assert expected in done.err


@pytest.mark.parametrize("name", zoo.list_models("*"))
def test_every_shipped_config_builds_with_a_small_language_model(capsys, name):
    done = call(capsys, "build", name, "--seq", "esm2_8m", "--json")
    assert done.code == 0, done.err


def test_config_names_tell_what_is_in_them():
    for name in zoo.list_models("*"):
        path = Path(__file__).parents[1] / "zoo_configs" / f"{name}.yaml"
        data = yaml.safe_load(path.read_text())
        parts = (data["task"], data["sequence"]["name"], data["structure"]["name"])
        assert name == "_".join((*parts, data["fusion"]["name"]))
        assert len(path.read_text().splitlines()) < 40


def test_options_win_over_the_config_and_set_over_options(capsys):
    name = "ppbs_esm2_8m_gvp_global"
    done = call(
        capsys, "build", name, "--fusion", "local", "--set", "graph.k=7", "--seed", 5,
        "--fuse-after", "-1:1", "--json",
    )  # fmt: skip
    config = json.loads(done.out)["config"]
    assert (config["fusion"]["name"], config["graph"]["k"], config["seed"]) == ("local", 7, 5)
    assert config["fusion"]["after"] == [[6, 1]]
    assert config["fusion"]["args"] == {}  # those of the config belong to its own fusion


def test_a_users_own_structure_is_run(capsys, tmp_path):
    done = call(capsys, "build", *SMALL, "--structure", tmp_path / "none.pdb")
    assert done.code == 4
    assert "none.pdb" in done.err


def test_the_wanted_config_of_the_readme_builds_from_python():
    model = zoo.create_model("esm2_8m", "gvp", fusion="global", task="ppbs", weights="random")
    batch = model.batch([zoo.read_structure("zoo/examples/1a8o.cif.gz")])
    assert model(batch).shape == (70, 1)
    assert torch.isfinite(model.features(batch)).all()
