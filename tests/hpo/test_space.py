"""Spaces fit the schema, or say which key is wrong and which is nearest."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path
from typing import Any

import optuna
import pytest

from hpo.checking import check_draws, check_keys, depths, keywords, own_numbers, relevant
from hpo.space import load_space, parse_space, space_names
from tests.hpo import tiny
from tests.verbs import call
from zoo import list_models
from zoo.backbones import STRUCTURE_BACKBONES
from zoo.errors import ConfigError
from zoo.fusion import FUSIONS
from zoo.models.blueprint import Blueprint, resolve
from zoo.models.branches import with_neighbours
from zoo.settings.config import Config, load_config


def random(config: Config) -> Blueprint:
    """Return the blueprint of a config, for a language model whose weights are not here."""
    return resolve(config.with_options({"sequence.weights": "random"}))


FUSED = [name for name in list_models("ppbs_*") if "none" not in name]


@pytest.mark.parametrize("name", space_names())
@pytest.mark.parametrize("config", FUSED)
def test_every_shipped_space_fits_every_config_with_two_branches(name: str, config: str) -> None:
    base, space = load_config(config), load_space(name)
    check_keys(space, base)
    kept = relevant(space, base)
    check_draws(kept, base)
    if base.fusion.name in ("local", "global"):  # what else there is are baselines
        trial = optuna.trial.FixedTrial(own_numbers(kept, base))
        again = Config.from_dict(kept.draw(trial, base.to_dict(), depths))
        assert random(again).exchanges == random(base).exchanges
        assert with_neighbours(again).graph == with_neighbours(base).graph
        for section in ("sequence", "train", "head", "task"):
            assert getattr(again, section) == getattr(base, section)


@pytest.mark.parametrize("section, registry", [("structure", STRUCTURE_BACKBONES),
                                               ("fusion", FUSIONS)])  # fmt: skip
def test_keywords_are_those_of_the_classes(section: str, registry: Any) -> None:
    for name in registry:
        parameters = inspect.signature(registry[name]).parameters.values()
        kinds = [p.name for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY]
        assert list(keywords(section)[name]) == kinds


def test_a_branch_is_drawn_where_its_condition_holds_and_nowhere_else() -> None:
    base = load_config("ppbs_esm2_8m_gvp_local")
    space, study = load_space("fusion"), optuna.create_study(sampler=random_sampler())
    seen = set()
    for _ in range(60):
        trial = study.ask()
        data = space.draw(trial, base.to_dict(), depths)
        random(Config.from_dict(data))
        name = data["fusion"]["name"]
        seen.add(name)
        assert ("local.gate_width" in trial.params) == (name == "local")
        assert ("global.num_heads" in trial.params) == (name == "global")
        assert ("fusion.side_width" in trial.params) == (data["fusion"]["write_back"] == "side")
        assert set(data["fusion"]["args"]) == (
            {"width", "gate_width"} if name == "local" else {"num_heads", "head_dim"}
        )
    assert seen == {"local", "global"}


def random_sampler() -> optuna.samplers.BaseSampler:
    return optuna.samplers.RandomSampler(seed=0)


WRONG = [
    ({"fusion.nam": {"choices": ["local"]}}, "Did you mean 'fusion.name'"),
    ({"train.lr.fuson": {"float": [0.1, 1.0]}}, "Did you mean 'train.lr.fusion'"),
    ({"fusion.args.gate_widht": {"int": [8, 9]}}, "Did you mean 'fusion.args.gate_width'"),
    ({"gate_width": {"int": [8, 9]}}, "Did you mean 'fusion.args.gate_width'"),
    ({"fusion.args.num_heads": {"int": [1, 2]}}, r"argument of .*global.*when: \{fusion.name"),
    ({"fusion.name": {"choices": ["lokal"]}}, "Did you mean 'local'"),
    ({"graph.k": {"int": [0, 9]}}, r"graph\.k=0 is not valid: it must be above 0"),
    ({"graph.k": {"float": [2, 9]}}, "whole number"),
    ({"graph.k": {"int": [9, 2]}}, "lower number comes first"),
    ({"graph.k": {"int": [1, 2, 3]}}, "two numbers"),
    ({"graph.k": {"int": [1, 9], "logg": True}}, "Did you mean 'log'"),
    ({"graph.k": {"int": [1, 9], "log": True, "step": 2}}, "not both"),
    ({"graph.k": {}}, "needs one of"),
    ({"graph.k": 3}, "must have a range"),
    ({"train.lr.fusion": {"float": [0, 1], "log": True}}, "above 0"),
    ({"fusion.name": {"choices": []}}, "expected a list"),
    ({"fusion.name": {"choices": ["local", "local"]}}, "twice"),
    ({"fusion.after": {"int": [1, 2]}}, "exchanges"),
    ({"fusion.after": {"exchanges": [0, 2]}}, "fewest is 1"),
    ({"graph.k": {"int": [1, 9], "when": {"fusion.name": "global"}}}, "never drawn"),
    ({"graph.k": {"int": [1, 9], "when": {"fusion.name": "local"}},
      "fusion.name": {"choices": ["local"]}}, "put fusion.name first"),
    ({}, "set of keys"),
]  # fmt: skip


@pytest.mark.parametrize("entries, message", WRONG, ids=[str(entries) for entries, _ in WRONG])
def test_a_wrong_space_is_told(entries: Any, message: str) -> None:
    base = load_config("ppbs_esm2_8m_gvp_local")
    with pytest.raises(ConfigError, match=message):
        space = parse_space("own", entries)
        check_keys(space, base)
        check_draws(space, base)


def test_a_config_outside_its_space_is_told() -> None:
    base = load_config("ppbs_esm2_8m_gvp_local").with_values(["graph.k=60"])
    with pytest.raises(ConfigError, match=r"has graph\.k=60, but graph\.k ranges over 8 to 48"):
        own_numbers(load_space("structure"), base)


def test_a_space_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Did you mean 'fusion'"):
        load_space("fusoin")
    with pytest.raises(ConfigError, match="no such file"):
        load_space(tmp_path / "none.yaml")
    (tmp_path / "latin.yaml").write_bytes("# Größe\n".encode("latin-1"))
    with pytest.raises(ConfigError, match="not text in UTF-8"):
        load_space(tmp_path / "latin.yaml")
    (tmp_path / "bad.yaml").write_text("a: [")
    with pytest.raises(ConfigError, match="not valid YAML"):
        load_space(tmp_path / "bad.yaml")


def test_a_space_includes_others(tmp_path: Path) -> None:
    path = tiny.space_file(tmp_path, {"include": ["smoke"], "graph.k": {"int": [8, 30]}})
    names = [entry.name for entry in load_space(path).entries]
    assert {entry.name for entry in load_space("smoke").entries} < set(names)
    assert "graph.k" in names


@pytest.mark.parametrize("key, torch, meant", [
    ("train.lr.fusoin", "False", "train.lr.fusion"),
    ("fusion.args.gate_widht", "True", "fusion.args.gate_width"),
])  # fmt: skip
def test_a_typo_is_found_before_the_data_are_read(
    tmp_path: Path, key: str, torch: str, meant: str
) -> None:
    path = tiny.space_file(tmp_path, {key: {"int": [8, 9]}})
    prepared = str(tiny.data(tmp_path / "data"))
    script = f"""
import sys
sys.argv = ["search", "ppbs_esm2_8m_gvp_local", "--data", {prepared!r}, "--space", {str(path)!r}]
from zoo.search import search
from zoo.command.cli import run
try:
    run(search)
except SystemExit as leave:
    print(leave.code, "torch" in sys.modules, "lightning" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True,
                          check=True)  # fmt: skip
    assert done.stdout.split() == ["2", torch, "False"], done.stdout
    assert f"Did you mean {meant!r}" in done.stderr.replace("\n", " ")


def test_a_fusion_of_one_branch_is_refused_before_the_data_are_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tiny.data(tmp_path / "data")
    done = call(capsys, "search", "ppbs_esm2_8m_gvp_local", "--data", data, "--seq", "none",
                "--fusion", "global", "--space", "smoke")  # fmt: skip
    assert done.code == 2 and "joins two branches" in done.err


def test_what_is_included_is_a_list_of_spaces(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"write include: \[smoke\]"):
        load_space(tiny.space_file(tmp_path, {"include": "smoke"}))
    (tmp_path / "empty.yaml").write_text("")
    with pytest.raises(ConfigError, match=r"empty\.yaml has no entries"):
        load_space(tiny.space_file(tmp_path, {"include": ["empty.yaml"]}))
