"""What ProteinMPNN, with its published weights, knows of each residue: the feature set `mpnn`.

Any graph network can so begin from a pretrained one, which runs once for each protein: the features
are kept beside the graph. They are computed from the backbone alone, without residue types and
ligands, on the graph that the weights were trained on. See `backbones.mpnn`.

The feature set `sequence_fit` compares this with the residue that is there: a model of a protein in
which the sequence fits the backbone badly is probably wrong.
"""

from __future__ import annotations

import dataclasses
from functools import lru_cache

import numpy as np
import torch

from zoo.backbones.mpnn import MPNN
from zoo.backbones.published import load_published
from zoo.proteins.build_graph import FeatureWidths, GraphSpec, build_graph
from zoo.proteins.feature_sets import FEATURE_SETS, Array, Columns, Feature, FeatureSet, numbers
from zoo.proteins.features import LETTERS
from zoo.proteins.protein import Protein

GRAPH = GraphSpec(k=MPNN.neighbours)
WIDTH = 128


def _columns(protein: Protein) -> Columns:
    return numbers(_found(protein))


def _fit(protein: Protein) -> Columns:
    odds = _found(protein)[:, WIDTH:]
    own = [LETTERS.find(letter) for chain in protein.chains for letter in chain.sequence]
    at = np.array(own, np.int64)
    return numbers(np.where(at >= 0, odds[np.arange(len(at)), at], 0.0)[:, None])


def _found(protein: Protein) -> Array:
    """Return (residues, 148) states and log-odds, 0 for residues without a backbone."""
    found = np.zeros((len(protein), WIDTH + len(LETTERS)))
    if protein.has_structure:
        graph = build_graph(dataclasses.replace(protein, pocket=None), GRAPH)
        network = _network()
        with torch.inference_mode():
            state = network.run(graph, network.embed(graph), 0, network.num_layers)
            found[graph.nodes["residue"].numpy()] = network.finish(state).double().numpy()
    return found


@lru_cache(maxsize=1)
def _network() -> MPNN:
    with torch.random.fork_rng(devices=()):  # it draws weights, which are then replaced
        network = MPNN(FeatureWidths.of(GRAPH), hidden=WIDTH, log_odds=True)
    load_published(network, MPNN.pretrained)
    return network.eval()


FEATURE_SETS.register("mpnn")(FeatureSet((
    Feature("ProteinMPNN's states after its last layer", WIDTH, "none", "0"),
    Feature("log-odds of the 20 residues given the structure", len(LETTERS), "ln(20 p)", "0"),
), _columns))  # fmt: skip
FEATURE_SETS.register("sequence_fit")(
    FeatureSet(
        (Feature("log-odds of the residue's own type given the structure", 1, "ln(20 p)", "0"),),
        _fit,
    )
)
