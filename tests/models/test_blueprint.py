"""A config is resolved once, and everything after it works from the blueprint."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from tests import shelf
from zoo.backbones import STRUCTURE_BACKBONES
from zoo.errors import ConfigError, WeightsError
from zoo.fusion import FUSIONS
from zoo.models import branches as under_test
from zoo.models.arguments import keywords
from zoo.models.blueprint import resolve
from zoo.models.branches import depths
from zoo.models.create import build_model
from zoo.settings.config import Config

RANDOM = {"sequence.weights": "random"}


def config(**options: object) -> Config:
    given = {key.replace("__", "."): value for key, value in options.items()}
    return Config().with_options({**RANDOM, **given})


@pytest.mark.parametrize("fusion", [name for name in FUSIONS if name != "none"])
@pytest.mark.parametrize("struct", STRUCTURE_BACKBONES)
@pytest.mark.parametrize("write_back", ["deep", "side"])
def test_its_widths_and_depths_are_those_of_the_model(
    struct: str, fusion: str, write_back: str, plm_folders: dict[str, str]
) -> None:
    asked = config(
        sequence__name=plm_folders["esm"], structure__name=struct, fusion__name=fusion,
        fusion__write_back=write_back, task="ppbs",
    )  # fmt: skip
    found = resolve(asked)
    model = build_model(found)
    assert model.seq is not None and model.struct is not None
    assert found.depths == (model.seq.num_layers, model.struct.num_layers) == depths(asked)
    assert found.width == model.width
    assert found.exchanges == model.fuse_after
    assert found.resolved == model.recipe.config


@pytest.mark.parametrize("kind", shelf.PLM_KINDS)
def test_a_language_models_shape_is_known_before_it_is_loaded(
    kind: str, plm_folders: dict[str, str]
) -> None:
    found = resolve(config(sequence__name=plm_folders[kind], structure__name="none"))
    model = build_model(found)
    assert model.seq is not None and found.plm is not None
    assert (found.plm.num_layers, found.plm.width) == (model.seq.num_layers, model.seq.width)


def test_arguments_are_completed() -> None:
    found = resolve(config(structure__name="gat", **{"structure.args.head_dim": 8}))
    assert found.structure is not None
    assert found.structure.args == {**keywords(found.structure.cls), "head_dim": 8}


def test_the_shape_of_a_huge_network_takes_no_memory() -> None:
    found = resolve(config(structure__name="schnet", **{"structure.args.hidden": 500_000}))
    assert found.structure is not None and found.structure.width == 500_000


def test_resolving_leaves_the_random_numbers_as_they_were() -> None:
    before = torch.get_rng_state()
    resolve(config(task="ppbs"))
    assert torch.equal(before, torch.get_rng_state())


def test_names_are_resolved_once(
    monkeypatch: pytest.MonkeyPatch, plm_folders: dict[str, str]
) -> None:
    calls = []
    locate = under_test.locate
    monkeypatch.setattr(under_test, "locate", lambda *x: calls.append(x) or locate(*x))
    found = resolve(config(sequence__name=plm_folders["esm"], task="ppbs"))
    for seed in (1, 2):
        build_model(found.with_seed(seed))
    assert len(calls) == 1


def test_a_known_language_model_is_taken_over(
    monkeypatch: pytest.MonkeyPatch, plm_folders: dict[str, str]
) -> None:
    first = resolve(config(sequence__name=plm_folders["esm"]))
    monkeypatch.setattr(under_test, "locate", lambda *_: pytest.fail("looked for again"))
    again = resolve(config(sequence__name=plm_folders["esm"], fusion__name="local"), first)
    assert again.plm is first.plm
    assert resolve(config(sequence__name="none"), first).plm is None


@pytest.mark.parametrize("alone", [{"sequence__name": "none"}, {"structure__name": "none"}])
def test_one_branch_has_no_fusion_unless_one_is_asked_for(alone: dict[str, str]) -> None:
    assert resolve(config(**alone)).resolved.fusion.name == "none"
    assert resolve(config()).resolved.fusion.name == "serial"
    for fusion in FUSIONS:
        if fusion != "none":
            with pytest.raises(ConfigError, match=f"Fusion '{fusion}' joins two branches"):
                resolve(config(**alone, fusion__name=fusion))
    named = config(fusion__name="local")  # by a file
    assert resolve(named.with_options({alone_key(alone): "none"})).resolved.fusion.name == "none"


def alone_key(alone: dict[str, str]) -> str:
    return next(iter(alone)).replace("__", ".")


def test_a_ligand_belongs_to_all_chains_of_a_complex() -> None:
    assert resolve(config(task="ppbs")).with_scope("chain").config.scope == "chain"
    assert resolve(config(task="lba")).with_scope("chain").config.scope == "complex"
    asked = resolve(config(task="lba", scope="chain"))
    assert asked.with_scope("complex").config.scope == "chain"


def test_targets_of_the_data_decide_the_head() -> None:
    found = resolve(config(task="table"))
    assert [target.level for target in found.targets] == ["protein"]
    target = {"name": "x", "kind": "binary", "level": "residue", "outputs": 1, "classes": []}
    other = found.with_targets([target])
    assert other.targets[0].level == "residue" and other.config.targets == [target]
    assert found.head is not None and other.head is not None
    assert found.head.cls is not other.head.cls
    protein = {**target, "level": "protein"}
    with pytest.raises(ConfigError, match="the targets ask both"):
        found.with_targets([target, protein])


def test_weights_that_are_not_here_are_missed_before_anything_is_built(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(WeightsError, match=r"zoo\.download esm2_650m"):
        resolve(Config())


def test_a_config_is_as_it_was_asked_for() -> None:
    asked = config(seed=3)
    found = resolve(asked)
    assert found.config == asked and found.resolved != asked
    assert found.with_seed(4).config == dataclasses.replace(asked, seed=4)
    assert resolve(found.resolved).resolved == found.resolved


def test_arguments_of_a_network_that_is_not_there_are_refused() -> None:
    config = Config().with_options({"structure.name": "none", "sequence.name": "plm_mini"})
    with pytest.raises(ConfigError, match=r"structure\.args is set, but --struct is none"):
        resolve(config.with_values(["structure.args.hidden=8"]))
