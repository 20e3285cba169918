"""One flat YAML: every key is checked, and a wrong one says what would be right."""

from __future__ import annotations

import dataclasses
import types
import typing
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.backbones import STRUCTURE_BACKBONES
from zoo.errors import ConfigError
from zoo.fusion import FUSIONS
from zoo.models.blueprint import resolve
from zoo.settings.config import Config, config_names, load_config
from zoo.tasks import TASKS


def message(data: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        Config.from_dict(data)
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_defaults_go_round() -> None:
    assert Config.from_dict({}) == Config() == Config.from_dict(Config().to_dict())
    assert Config.from_dict(yaml.safe_load(yaml.safe_dump(Config().to_dict()))) == Config()


@settings(max_examples=50, deadline=None)
@given(
    st.fixed_dictionaries(
        {
            "task": st.sampled_from([None, *TASKS]),
            "seed": st.integers(0, 2**63 - 1),
            "graph": st.fixed_dictionaries(
                {
                    "k": st.integers(1, 100),
                    "radius": st.none() | st.floats(0.1, 50),
                    "ligands": st.none() | st.booleans(),
                }
            ),
            "structure": st.fixed_dictionaries(
                {
                    "name": st.sampled_from([*STRUCTURE_BACKBONES]),
                    "args": st.dictionaries(st.just("num_layers"), st.integers(1, 9)),
                }
            ),
            "fusion": st.fixed_dictionaries(
                {
                    "name": st.sampled_from(["global", "local"]),
                    "after": st.none() | st.lists(st.lists(st.integers(), min_size=2, max_size=2)),
                    "write_back": st.sampled_from(["deep", "side"]),
                }
            ),
        }
    )
)
def test_every_valid_config_goes_round_through_yaml(data: dict) -> None:
    config = Config.from_dict(data)
    assert Config.from_dict(yaml.safe_load(yaml.safe_dump(config.to_dict()))) == config


@pytest.mark.parametrize(
    ("data", "nearest"),
    [
        ({"sede": 1}, "'seed'"),
        ({"fussion": {}}, "'fusion'"),
        ({"graph": {"radus": 3.0}}, "'graph.radius'"),
        ({"sequence": {"tunning": "full"}}, "'sequence.tuning'"),
        ({"fusion": {"writeback": "deep"}}, "'fusion.write_back'"),
    ],
)
def test_an_unknown_key_names_the_nearest(data: dict, nearest: str) -> None:
    assert f"Did you mean {nearest}?" in message(data)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"graph": {"k": "thirty"}}, "graph.k='thirty' is not valid: expected a whole number"),
        ({"graph": {"k": 2.5}}, "graph.k=2.5"),
        ({"graph": {"k": True}}, "graph.k=True"),
        ({"graph": {"k": 0}}, "must be above 0"),
        ({"graph": {"radius": float("nan")}}, "must be above 0"),
        ({"graph": {"radius": float("inf")}}, "must be above 0"),
        ({"graph": {"kind": "none"}}, "one of residue, atom"),
        ({"seed": -1}, "a seed must be at least 0"),
        ({"seed": 2**63}, "a seed must be at most"),
        ({"seed": None}, "seed=None"),
        ({"sequence": {"tuning": "yes"}}, "one of frozen, lora, last_n, full"),
        ({"train": {"sample_weights": "yes"}}, "expected true or false"),
        ({"sequence": {"dtype": "float64"}}, "one of float32, bfloat16, float16"),
        ({"sequence": None}, "sequence. must be a set of keys, not None"),
        ({"fusion": {"after": [1, 2]}}, "fusion.after=[1, 2] is not valid"),
        ({"fusion": {"after": [[1, 2.5]]}}, "fusion.after"),
        ({"fusion": {"write_back": "both"}}, "one of deep, side"),
        ({"structure": {"args": [1]}}, "structure.args=[1]"),
        (["seed"], "The config must be a set of keys"),
    ],
)
def test_a_value_of_the_wrong_kind_or_range_is_named(data: Any, said: str) -> None:
    assert said in message(data)


def test_an_int_is_also_a_float() -> None:
    radius = Config.from_dict({"graph": {"radius": 8}}).graph.radius
    assert radius == 8.0


def test_a_number_may_be_written_as_python_writes_it() -> None:
    config = Config().with_values(["train.lr.structure=1e-4", "graph.radius=1e1"])
    assert (config.train.lr.structure, config.graph.radius) == (1e-4, 10.0)


def test_assignments_are_read_as_yaml() -> None:
    config = Config().with_values(
        ["seed=3", "structure.args.num_layers=4", "fusion.after=[[1, 1]]", "graph.radius=null",
         "sequence.tuning=full", "task=ppbs"]
    )  # fmt: skip
    assert (config.seed, config.task, config.sequence.tuning) == (3, "ppbs", "full")
    assert config.structure.args == {"num_layers": 4}
    assert config.fusion.after == [[1, 1]] and config.graph.radius is None


@pytest.mark.parametrize(
    ("assignment", "said"),
    [
        ("seed", "has no '='"),
        ("graf.k=3", "Did you mean 'graph'"),
        ("graph.kk=3", "Did you mean 'graph.k'"),
        ("seed.x=3", "seed has no keys of its own"),
        ("graph.k=many", "graph.k='many'"),
    ],
)
def test_a_wrong_assignment_is_an_error(assignment: str, said: str) -> None:
    with pytest.raises(ConfigError, match="config key|has no|not valid") as caught:
        Config().with_values([assignment])
    assert said in str(caught.value)


@pytest.mark.parametrize("name", config_names())
def test_every_shipped_config_is_valid_and_named_after_its_parts(name: str) -> None:
    config = load_config(name)
    resolve(
        dataclasses.replace(config, sequence=dataclasses.replace(config.sequence, weights="random"))
    )
    parts = name.split("_")
    assert parts[0] == config.task
    if config.structure.name != "none":
        assert config.structure.name in parts
    assert config.fusion.name in FUSIONS


def test_a_config_file_is_read_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("seed: 5\n")
    assert load_config(path).seed == load_config(str(path)).seed == 5
    path.write_text("")
    assert load_config(path) == Config()


@pytest.mark.parametrize(
    ("text", "said"),
    [("a: [1", "is not valid YAML"), ("- 1", "must be a set of keys"), ("sed: 1", "'seed'")],
)
def test_a_wrong_config_file_is_named(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert said in str(caught.value) and "mine.yaml" in str(caught.value)


def test_a_missing_config_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        load_config(tmp_path / "nothing.yaml")
    stem = config_names()[0]
    with pytest.raises(ConfigError, match=f"Did you mean '{stem}'"):
        load_config(stem[:-1])


@pytest.mark.parametrize(
    "value", ["models/my #1", "models: v2", "null", "[1]", "3", "yes", "{a: b}", "'x'"]
)
def test_an_option_is_a_value_and_never_text_to_be_read(value: str) -> None:
    config = Config().with_options({"sequence.name": value, "structure.name": None})
    assert config.sequence.name == value and config.structure.name == Config().structure.name


def test_an_option_of_the_wrong_kind_is_named() -> None:
    with pytest.raises(ConfigError, match="fusion.write_back='both' is not valid"):
        Config().with_options({"fusion.write_back": "both"})


def test_an_option_that_takes_a_branch_away_takes_the_fusion_too() -> None:
    base = Config().with_options({"fusion.name": "local"}).with_values(["fusion.args.width=8"])
    alone = base.with_options({"sequence.name": "none"})
    assert alone.fusion.name is None and alone.fusion.args == {}
    kept = base.with_options({"sequence.name": "none", "fusion.name": "global"})
    assert kept.fusion.name == "global"  # which resolving it refuses


def test_an_option_that_adds_the_second_branch_takes_its_default_fusion() -> None:
    alone = Config().with_options({"sequence.name": "none", "fusion.name": "none"})
    both = alone.with_options({"sequence.name": "plm_mini", "structure.name": "gat"})
    assert both.fusion.name is None


def test_an_option_that_takes_a_branch_away_takes_all_of_the_exchange_too() -> None:
    two = Config().with_options({"sequence.name": "plm_mini", "structure.name": "gat"})
    placed = two.with_values(["fusion.after=[[1, 2]]", "fusion.write_back=side"])
    assert placed.with_options({"structure.name": "none"}).fusion == Config().fusion


@pytest.mark.parametrize("field", dataclasses.fields(Config), ids=lambda field: field.name)
def test_every_number_of_the_schema_has_a_range(field: dataclasses.Field) -> None:
    """A number without a range would be taken whatever it is."""
    hints = typing.get_type_hints(Config, include_extras=True)
    todo = [(field.name, hints[field.name])]
    while todo:
        name, hint = todo.pop()
        if dataclasses.is_dataclass(hint):
            inner = typing.get_type_hints(hint, include_extras=True)
            todo += [(f"{name}.{key}", part) for key, part in inner.items()]
            continue
        for part in typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,):
            assert part not in (int, float), f"{name} has no range"
