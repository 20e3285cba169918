"""What a graph network with published weights means by its name, and what does not fit them."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import zoo
from tests import shelf
from zoo import pretrained
from zoo.backbones import STRUCTURE_BACKBONES
from zoo.backbones.published import WEIGHTS
from zoo.errors import ConfigError
from zoo.models.card import model_card
from zoo.models.checkpoint import load_model, save_model
from zoo.models.model import FusedModel

WITH_WEIGHTS = [name for name in STRUCTURE_BACKBONES if STRUCTURE_BACKBONES[name].pretrained]
for_every_published = pytest.mark.parametrize("name", WITH_WEIGHTS)


def make(name: str, **values: Any) -> FusedModel:
    given = {key.replace("__", "."): value for key, value in values.items()}
    return zoo.create_model("none", name, values=given)


def first_weights(model: FusedModel) -> torch.Tensor:
    return next(model.struct.parameters()).detach()  # type: ignore[union-attr]


@for_every_published
def test_a_name_means_the_published_weights_and_the_graph_that_they_were_trained_on(
    name: str,
) -> None:
    model = make(name)
    assert torch.equal(first_weights(model), first_weights(zoo.create_model("none", name, seed=5)))
    assert not torch.equal(
        first_weights(model), first_weights(make(name, structure__weights="random"))
    )
    assert model.recipe.config.structure.weights == "pretrained"
    assert model.recipe.config.graph.k == STRUCTURE_BACKBONES[name].neighbours
    assert make(name, graph__k=9).recipe.config.graph.k == 9


def test_other_networks_have_random_weights_and_thirty_neighbours() -> None:
    model = make("gat")
    assert model.recipe.config.structure.weights is None and model.recipe.config.graph.k == 30


@for_every_published
def test_the_folder_says_where_the_weights_are_from(name: str) -> None:
    folder, facts = pretrained.HOME / name, pretrained.source(name)
    assert len(facts["sha256"]) == 64 and facts["licence"] in (folder / "LICENSE.txt").read_text()
    assert facts["weights"] in (folder / "README.md").read_text()
    assert (folder / WEIGHTS).stat().st_size < 10_000_000
    card = model_card(make(name))
    assert facts["weights"] in card and f"| licence of its weights | {facts['licence']} |" in card
    assert "frozen" in model_card(make(name, structure__tuning="frozen"))


@for_every_published
def test_frozen_weights_stay_in_evaluation_mode_and_take_no_gradient(name: str) -> None:
    model = make(name, structure__tuning="frozen").train()
    assert model.struct is not None and not model.struct.training
    assert not any(p.requires_grad for p in model.struct.parameters())
    tuned = make(name).train()
    assert tuned.struct is not None and tuned.struct.training
    assert all(p.requires_grad for p in tuned.struct.parameters())


@pytest.mark.parametrize("tuning", ["frozen", "full"])
@for_every_published
def test_a_saved_model_keeps_its_own_weights(name: str, tuning: str, tmp_path: Any) -> None:
    model = make(name, structure__tuning=tuning)
    assert model.struct is not None
    with torch.no_grad():
        for parameter in model.struct.parameters():
            parameter += 0.1
    again = load_model(save_model(model, tmp_path))
    assert torch.equal(first_weights(again), first_weights(model))
    assert again.recipe.config == model.recipe.config
    assert again.struct is not None and again.struct.frozen == (tuning == "frozen")


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("mpnn", {"structure__args__hidden": 64}, "has shape .* the network"),
        ("mpnn", {"structure__args__num_layers": 4}, "they have no nodes.3"),
        ("mpnn", {"structure__args__num_layers": 2, "structure__args__log_odds": True},
         "after all three published layers"),
        ("mpnn", {"graph__kind": "atom"}, "are for residues"),
        ("gvp", {"structure__weights": "pretrained"}, "gvp has no published weights.*mpnn"),
        ("gvp", {"structure__tuning": "frozen"}, "random weights as they are.*mpnn"),
        ("mpnn", {"structure__tuning": "frozen", "structure__weights": "random"}, "as they are"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(name: str, values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make(name, **values)


def test_the_first_layers_alone_are_those_of_all() -> None:
    graph_of = make("mpnn").batch([shelf.ordinary(30)])
    whole, two = make("mpnn"), make("mpnn", structure__args__num_layers=2)
    assert whole.struct is not None and two.struct is not None
    state = whole.struct.run(graph_of.graph, whole.struct.embed(graph_of.graph), 0, 2)
    with torch.no_grad():
        assert torch.equal(two.features(graph_of), state.s)


def test_another_name_does_not_keep_the_weights_and_the_tuning() -> None:
    config = make("mpnn", structure__tuning="frozen").recipe.config
    other = config.with_options({"structure.name": "gat"}).structure
    assert (other.weights, other.tuning) == (None, "full")
