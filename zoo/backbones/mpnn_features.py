"""What ProteinMPNN, with its published weights, knows of each residue: the feature set `mpnn`.

Any graph network can so begin from a pretrained one, which runs once for each protein: the features
are kept beside the graph. They are computed from the backbone alone, without residue types and
ligands, on the graph that the weights were trained on. See `backbones.mpnn`.
"""

from __future__ import annotations

import dataclasses
from functools import lru_cache

import numpy as np
import torch

from zoo.backbones.mpnn import MPNN
from zoo.backbones.published import load_published
from zoo.proteins.build_graph import FeatureWidths, GraphSpec, build_graph
from zoo.proteins.feature_sets import FEATURE_SETS, Columns, Feature, FeatureSet, numbers
from zoo.proteins.features import LETTERS
from zoo.proteins.protein import Protein

GRAPH = GraphSpec(k=MPNN.neighbours)
WIDTH = 128


def _columns(protein: Protein) -> Columns:
    found = np.zeros((len(protein), WIDTH + len(LETTERS)))
    if protein.has_structure:
        graph = build_graph(dataclasses.replace(protein, pocket=None), GRAPH)
        network = _network()
        with torch.inference_mode():
            state = network.run(graph, network.embed(graph), 0, network.num_layers)
            found[graph.nodes["residue"].numpy()] = network.finish(state).double().numpy()
    return numbers(found)


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
