"""`mpnn` with its published weights gives the numbers of the published code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import zoo
from tests import shelf
from tests.backbones.make_mpnn_reference import KEPT, made_up, sample
from zoo.backbones.message_passing import use_engine
from zoo.backbones.mpnn import MPNN
from zoo.models.model import FusedModel
from zoo.proteins.build_graph import FeatureWidths, GraphSpec, build_graph
from zoo.proteins.features import LETTERS
from zoo.proteins.protein import Protein

REFERENCE = json.loads(KEPT.read_text())
OF_THE_DATA = [name for name in REFERENCE if not name.endswith("of the tests")]


@pytest.fixture(scope="module")
def model() -> FusedModel:
    """The model that `--struct mpnn` means, with the decoder's log-odds."""
    return zoo.create_model("none", "mpnn", values={"structure.args.log_odds": True})


@torch.no_grad()
def assert_as_published(model: FusedModel, protein: Protein, name: str) -> None:
    found = model.features(model.batch([protein]))
    states, log_odds = found.split([128, 20], dim=1)
    for values, step, kept in ((states, 37, "states"), (log_odds, 7, "log_odds")):
        expected = torch.tensor(REFERENCE[name][kept])
        torch.testing.assert_close(sample(values, step), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("engine", shelf.ENGINES)
def test_made_up_proteins_and_the_example_have_the_published_numbers(
    engine: str, model: FusedModel
) -> None:
    with use_engine(engine):
        for protein in made_up():
            assert_as_published(model, protein, f"{protein.name} of the tests")


@pytest.mark.parametrize("name", OF_THE_DATA)
def test_twenty_structures_have_the_published_numbers(
    name: str, model: FusedModel, data_dir: Path
) -> None:
    assert len(OF_THE_DATA) == 20
    assert_as_published(model, zoo.read_structure(data_dir / name), name)


def test_the_log_odds_are_of_a_distribution_that_knows_the_structure(model: FusedModel) -> None:
    protein = zoo.examples.example()
    odds = model.features(model.batch([protein]))[:, 128:]
    share = odds.exp() / len(LETTERS)
    assert ((share.sum(1) > 0.97) & (share.sum(1) <= 1.0 + 1e-5)).all()  # the rest is for X
    letters = [letter for letter, known in zip(protein.chains[0].sequence,
               protein.chains[0].resolved, strict=True) if known]  # fmt: skip
    own = odds[range(len(letters)), [LETTERS.index(letter) for letter in letters]]
    assert own.mean() > 1.0  # ln(20 p): 0 for twenty letters alike


def test_distances_to_unknown_atoms_give_zeros_and_the_residue_stays() -> None:
    net = MPNN(FeatureWidths.of(GraphSpec()), hidden=8).double().eval()
    whole = shelf.chain(12, seed=4)
    seen = []
    net.edges.embedding.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    for atoms in ([], [3], [0, 2, 3]):
        graph = build_graph(shelf.protein("x", shelf.without(whole, [5], atoms)), GraphSpec(k=47))
        net.embed(graph.float_to(torch.float64))
    zeros = [x[:, 16:].reshape(-1, 25, 16).eq(0).all(-1).sum() for x in seen]
    # Of 25 pairs, five have O at one end; on the edge to itself, nine have it at any end.
    no_oxygen, ca_alone = (2 * 11 * 5 + 9, 2 * 11 * 20 + 24)
    assert zeros == [0, no_oxygen, ca_alone]
