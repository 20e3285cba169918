"""GVPNet gives what the published GVP code gives for the same weights and graph.

The numbers were made by make_gvp_reference.py with github.com/drorlab/gvp-pytorch at commit
82af6b2: `gvp.models.MQAModel` (residue graphs) and `gvp.atom3d.BaseModel` (atom graphs, gated) in
float64, on torch-geometric 2.8.1's MessagePassing, with stand-ins for the functions that it takes
from torch_scatter, torch_cluster and atom3d, which have no wheels.
Each number is a weighted sum over one tensor: scalars and vectors of the nodes before the first
layer and after each, then the nodes' output.
"""

from __future__ import annotations

import pytest
import torch

from tests import shelf
from tests.backbones import make_gvp_reference as reference
from zoo.backbones.gvp import GVPNet
from zoo.backbones.message_passing import use_engine
from zoo.proteins.build_graph import FeatureWidths
from zoo.proteins.graph import Graph

RESIDUE = [
    42.828545217807125,
    -0.7884424921353288,
    21.33647063176746,
    -3.172987390557828,
    18.688940332215775,
    -3.1733579275448127,
    -1.570825688572131,
]
ATOM = [
    -10.121194742582968,
    0.0,
    -3.958661840038115,
    -4.9518630231995004,
    -4.6708461800461745,
    -4.951830097955229,
    -3.494760989115229,
    -4.951705431206228,
    -2.6801432251795436,
    -4.951603655769226,
    -2.3150909658481518,
    -4.951503999723307,
    0.01582425068396276,
]


def numbers_of(model: GVPNet, graph: Graph) -> list[float]:
    state = model.embed(graph)
    seen = [state.s, state.v]
    for index in range(model.num_layers):
        state = model.layer(graph, state, index)
        seen += [state.s, state.v]
    return reference.digest(*seen, model.finish(state))


def graph_of(edge_s: int, types: int, *, vectors: bool) -> Graph:
    data = reference.graph_input(edge_s, types)
    count = data.node_s.shape[1] if vectors else 0
    src, dst = data.edge_index
    nodes = {
        "node_type": data.types,
        "node_s": data.node_s[:, :count],
        "node_v": data.node_v if vectors else data.node_v[:, :0],
    }
    edges = {"edge_s": data.edge_s, "edge_v": data.edge_v}
    return Graph(src, dst, (reference.NUM_NODES,), nodes, edges)


@pytest.mark.parametrize("engine", shelf.ENGINES)
def test_the_residue_network_equals_the_published_model(engine: str) -> None:
    (scalars, vectors), (edge_scalars, edge_vectors) = reference.NODE_DIMS, reference.EDGE_DIMS
    model = GVPNet(
        FeatureWidths(types=20, node_s=6, node_v=3, edge_s=32, edge_v=1),
        scalars=scalars, vectors=vectors, edge_scalars=edge_scalars, edge_vectors=edge_vectors,
        num_layers=reference.NUM_LAYERS,
    )  # fmt: skip
    with use_engine(engine), torch.no_grad():
        found = numbers_of(reference.fill(model, published=False), graph_of(32, 20, vectors=True))
    assert found == pytest.approx(RESIDUE, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("engine", shelf.ENGINES)
def test_the_gated_atom_network_equals_the_published_model(engine: str) -> None:
    widths = FeatureWidths(types=9, node_s=0, node_v=0, edge_s=16, edge_v=1)
    model = GVPNet(widths, vector_gate=True, type_width=9, num_layers=5)
    with use_engine(engine), torch.no_grad():
        found = numbers_of(reference.fill(model, published=False), graph_of(16, 9, vectors=False))
    assert found == pytest.approx(ATOM, rel=1e-9, abs=1e-9)
