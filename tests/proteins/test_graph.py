"""Which edges a graph has, what it carries, and that it turns with the protein."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from tests import shelf
from zoo.backbones.message_passing import dgl_problem
from zoo.errors import StructureError
from zoo.proteins.build_graph import (
    FeatureWidths,
    GraphSpec,
    _nearest,
    _nearest_of_few,
    _neighbours,
    build_graph,
    build_graphs,
)
from zoo.proteins.features import APART, RELATIONS
from zoo.proteins.graph import EDGE_FIELDS, NODE_FIELDS, VECTOR_FIELDS, Graph
from zoo.proteins.protein import from_sequence

SPECS = {**shelf.SPECS, "radius": GraphSpec(radius=9.0)}
needs_dgl = pytest.mark.skipif(dgl_problem() is not None, reason=f"no DGL: {dgl_problem()}")
MIRROR = np.diag([1.0, 1.0, -1.0])
on_the_shelf = pytest.mark.parametrize("name", shelf.SHELF)
of_every_kind = pytest.mark.parametrize("kind", SPECS)


def edges(graph: Graph) -> set[tuple[int, int]]:
    return set(zip(graph.src.tolist(), graph.dst.tolist(), strict=True))


def assert_same(a: Graph, b: Graph, turn: np.ndarray | None = None, scale: float = 1.0) -> None:
    """Assert that `b` is `a` turned, field by field."""
    assert torch.equal(a.src, b.src) and torch.equal(a.dst, b.dst) and a.num_nodes == b.num_nodes
    for before, after in ((a.nodes, b.nodes), (a.edges, b.edges)):
        for name, x in before.items():
            if turn is not None and name in VECTOR_FIELDS:
                x = x @ torch.from_numpy(turn).to(x.dtype).T
            torch.testing.assert_close(after[name], x, rtol=0, atol=2e-4 * scale, msg=name)


@on_the_shelf
@of_every_kind
def test_every_field_is_documented_finite_and_as_wide_as_declared(name: str, kind: str) -> None:
    graph = build_graph(shelf.SHELF[name], SPECS[kind])
    assert set(graph.nodes) == set(NODE_FIELDS) and set(graph.edges) == set(EDGE_FIELDS)
    assert all(len(x) == graph.total_nodes for x in graph.nodes.values())
    assert all(len(x) == len(graph.src) for x in graph.edges.values())
    assert all(torch.isfinite(x).all() for x in (*graph.nodes.values(), *graph.edges.values()))
    widths = FeatureWidths.of(SPECS[kind])
    assert graph.nodes["node_s"].shape[1:] == (widths.node_s,)
    assert graph.nodes["node_v"].shape[1:] == (widths.node_v, 3)
    assert graph.edges["edge_s"].shape[1:] == (widths.edge_s,)
    assert graph.edges["edge_v"].shape[1:] == (widths.edge_v, 3)
    assert graph.nodes["node_type"].max() < widths.types
    floats = [x for x in (*graph.nodes.values(), *graph.edges.values()) if x.is_floating_point()]
    assert {x.dtype for x in floats} == {torch.float32}


@on_the_shelf
@of_every_kind
def test_edges_are_sorted_by_destination_without_loops_or_doubles(name: str, kind: str) -> None:
    graph = build_graph(shelf.SHELF[name], SPECS[kind])
    assert (graph.dst.diff() >= 0).all()
    assert (graph.src != graph.dst).all()
    assert len(edges(graph)) == len(graph.src)


@on_the_shelf
@pytest.mark.parametrize("k", [1, 6, 30])
def test_edges_come_from_the_k_nearest_residues(name: str, k: int) -> None:
    graph = build_graph(shelf.SHELF[name], GraphSpec(k=k))
    pos = graph.nodes["pos"].double()
    expected = set()
    for i in range(len(pos)):
        distance = (pos - pos[i]).norm(dim=-1)
        distance[i] = torch.inf
        nearest = distance.argsort()[: min(k, len(pos) - 1)]
        expected |= {(j, i) for j in nearest.tolist()}
    assert edges(graph) == expected


@on_the_shelf
@pytest.mark.parametrize("kind", ["radius", "atom"])
def test_edges_are_all_pairs_within_the_radius(name: str, kind: str) -> None:
    graph = build_graph(shelf.SHELF[name], SPECS[kind])
    pos = graph.nodes["pos"].double()
    near = torch.cdist(pos, pos) <= SPECS[kind].radius
    near.fill_diagonal_(False)
    assert edges(graph) == {(i, j) for i, j in near.nonzero().tolist()}


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 12), st.integers(1, 8), st.integers(0, 10**6), st.booleans())
def test_a_node_never_hears_itself_and_always_as_many_as_there_are(
    count: int, k: int, seed: int, coinciding: bool
) -> None:
    generator = torch.Generator().manual_seed(seed)
    pos = torch.randn((count, 3), generator=generator)
    if coinciding:
        pos[:] = pos[:1]
    src, dst = _neighbours(pos, k, None)
    assert (src != dst).all()
    assert torch.bincount(dst, minlength=count).tolist() == [min(k, count - 1)] * count


@on_the_shelf
@of_every_kind
def test_a_graph_turns_with_its_protein(name: str, kind: str) -> None:
    turn = shelf.rotation(4)
    protein = shelf.SHELF[name]
    graph = build_graph(protein, SPECS[kind])
    moved = build_graph(shelf.rotate(protein, turn, (3, -8, 5)), SPECS[kind])
    assert_same(graph, moved, turn)


@on_the_shelf
def test_an_atom_graph_is_mirrored_with_its_protein(name: str) -> None:
    protein = shelf.SHELF[name]
    graph = build_graph(protein, SPECS["atom"])
    assert_same(graph, build_graph(shelf.rotate(protein, MIRROR), SPECS["atom"]), MIRROR)


def test_torsions_tell_a_protein_from_its_mirror_image() -> None:
    graph = build_graph(shelf.ordinary())
    mirrored = build_graph(shelf.rotate(shelf.ordinary(), MIRROR))
    sines, mirrored_sines = graph.nodes["node_s"][:, 3:], mirrored.nodes["node_s"][:, 3:]
    torch.testing.assert_close(mirrored_sines, -sines, rtol=0, atol=1e-4)
    assert sines.abs().max() > 0.5


@of_every_kind
def test_distance_from_the_origin_does_not_matter(kind: str) -> None:
    near = shelf.ordinary(15)
    # On a grid that float32 still has 2000 angstrom out, so that only the sums could lose digits.
    on_grid = dataclasses.replace(
        near,
        chains=tuple(
            dataclasses.replace(c, coords=np.round(c.coords * 1024) / np.float32(1024))
            for c in near.chains
        ),
        atoms=dataclasses.replace(near.atoms, pos=np.round(near.atoms.pos * 1024) / 1024),
    )
    far = shelf.rotate(on_grid, np.eye(3), (2000, -2000, 2000))
    assert_same(build_graph(on_grid, SPECS[kind]), build_graph(far, SPECS[kind]))


def test_a_chain_break_cuts_directions_and_torsions() -> None:
    graph = build_graph(shelf.chain_break())
    before, after = graph.nodes["node_v"][7], graph.nodes["node_v"][8]
    assert before[0].eq(0).all() and after[1].eq(0).all()
    assert before[1].norm() == pytest.approx(1, abs=1e-5)
    assert graph.nodes["node_s"][7, [1, 2, 4, 5]].tolist() == [1, 1, 0, 0]
    assert graph.nodes["node_s"][8, [0, 3]].tolist() == [1, 0]


def test_unresolved_residues_are_no_nodes_but_count_in_sequence_offsets() -> None:
    graph = build_graph(shelf.unresolved())
    assert graph.nodes["residue"].tolist() == [2, 3, 4, 5, 6, 9, 10, 11, 12, 13, 14]
    assert graph.nodes["node_v"][4, 0].eq(0).all() and graph.nodes["node_v"][5, 1].eq(0).all()
    position = graph.nodes["residue"]
    one_apart = position[graph.src] - position[graph.dst] == 1
    assert (graph.edges["relation"] == RELATIONS.index("i+1")).equal(one_apart)


def test_chains_have_no_sequence_offset_between_them() -> None:
    graph = build_graph(shelf.two_chains())
    chain = (graph.nodes["residue"] >= 9).long()
    between = chain[graph.src] != chain[graph.dst]
    assert between.any()
    assert graph.edges["edge_s"][between, 16:].eq(0).all()
    assert (graph.edges["relation"][between] >= RELATIONS.index("near in space")).all()
    assert graph.nodes["node_v"][8, 0].eq(0).all() and graph.nodes["node_v"][9, 1].eq(0).all()


def test_backbone_vectors_lead_from_ca_to_the_other_atoms_and_are_zero_where_one_is_unknown() -> (
    None
):
    chain = shelf.without(shelf.chain(6, seed=1), [2], [3])
    graph = build_graph(shelf.protein("no oxygen", chain))
    expected = torch.from_numpy(chain.coords[:, [0, 2, 3]] - chain.coords[:, [1]])
    assert graph.nodes["backbone"][2, 2].eq(0).all()
    expected[2, 2] = 0
    torch.testing.assert_close(graph.nodes["backbone"], expected, rtol=0, atol=1e-5)


def test_steps_are_there_whatever_the_node_features_are() -> None:
    protein = shelf.chain_break()
    plain, other = build_graph(protein), build_graph(protein, GraphSpec(features=("density",)))
    assert torch.equal(plain.nodes["steps"], plain.nodes["node_v"][:, :2])
    assert torch.equal(other.nodes["steps"], plain.nodes["steps"])


def test_positions_count_unresolved_residues_and_lie_apart_between_chains() -> None:
    position = build_graph(shelf.unresolved()).nodes["position"]
    assert (position - position[0]).tolist() == [0, 1, 2, 3, 4, 7, 8, 9, 10, 11, 12]
    graph = build_graph(shelf.two_chains())
    step = graph.nodes["position"].diff()
    assert step[8] >= APART and step[:8].eq(1).all() and step[9:].eq(1).all()
    ligands = build_graph(shelf.with_ligand(), GraphSpec(ligands=True)).nodes["position"][12:]
    assert (ligands.diff() >= APART).all()


def test_ligand_atoms_are_nodes_without_a_residue_and_only_if_asked_for() -> None:
    protein = shelf.with_ligand()
    plain, full = (build_graph(protein, GraphSpec(ligands=asked)) for asked in (False, True))
    assert (plain.total_nodes, full.total_nodes) == (12, 15)
    assert full.nodes["residue"][12:].tolist() == [-1] * 3
    assert full.nodes["node_type"][12:].tolist() == [21 + 1, 21 + 3, 21 + 8]
    assert full.nodes["node_v"][12:].eq(0).all() and full.nodes["node_s"][12:].eq(0).all()


def test_hydrogens_are_left_out_unless_asked_for() -> None:
    protein = shelf.ordinary(4)
    element = protein.atoms.element.copy()
    element[::4] = 1
    atoms = dataclasses.replace(protein.atoms, element=element)
    protein = dataclasses.replace(protein, atoms=atoms)
    counts = [
        build_graph(protein, GraphSpec(kind="atom", hydrogens=asked)).total_nodes
        for asked in (False, True)
    ]
    assert counts == [12, 16]


def test_a_protein_without_coordinates_is_an_error_or_a_graph_without_edges() -> None:
    protein = from_sequence("seq", "ACDX", source="some.fasta")
    with pytest.raises(StructureError, match=r"some\.fasta has no coordinates"):
        build_graph(protein)
    graph = build_graph(protein, GraphSpec(kind="none"))
    assert graph.num_nodes == (4,) and len(graph.src) == 0


@of_every_kind
def test_graphs_made_together_are_those_made_alone(kind: str) -> None:
    proteins = list(shelf.SHELF.values())
    together = build_graphs(proteins, SPECS[kind])
    alone = Graph.batch([build_graph(protein, SPECS[kind]) for protein in proteins])
    assert torch.equal(together.src, alone.src) and torch.equal(together.dst, alone.dst)
    assert together.num_nodes == alone.num_nodes
    for mine, other in ((together.nodes, alone.nodes), (together.edges, alone.edges)):
        assert mine.keys() == other.keys()
        for name, x in mine.items():
            assert torch.equal(x, other[name]), name


@of_every_kind
def test_batching_shifts_node_numbers_and_nothing_else(kind: str) -> None:
    singles = [build_graph(p, SPECS[kind]) for p in shelf.SHELF.values()]
    batch = Graph.batch(singles)
    assert batch.num_nodes == tuple(g.total_nodes for g in singles)
    assert batch.num_proteins == len(singles)
    start = edge_start = 0
    for index, single in enumerate(singles):
        nodes = slice(start, start + single.total_nodes)
        rows = slice(edge_start, edge_start + len(single.src))
        assert (batch.protein[nodes] == index).all()
        assert torch.equal(batch.src[rows] - start, single.src)
        assert torch.equal(batch.dst[rows] - start, single.dst)
        assert all(torch.equal(batch.nodes[k][nodes], x) for k, x in single.nodes.items())
        assert all(torch.equal(batch.edges[k][rows], x) for k, x in single.edges.items())
        start, edge_start = nodes.stop, rows.stop


def test_a_trailing_protein_without_nodes_is_not_lost() -> None:
    none = torch.zeros(0, dtype=torch.long)
    batch = Graph.batch([Graph(none, none, (2,)), Graph(none, none, (0,))])
    assert batch.num_proteins == 2 and batch.total_nodes == 2
    assert batch.in_degrees.tolist() == [0, 0]


def test_to_moves_and_converts_every_tensor() -> None:
    graph = build_graph(shelf.ordinary(5))
    moved = graph.to("meta")
    tensors = [moved.src, moved.dst, *moved.nodes.values(), *moved.edges.values()]
    assert {x.device.type for x in tensors} == {"meta"}
    doubled = graph.float_to(torch.float64)
    assert doubled.nodes["pos"].dtype == torch.float64
    assert doubled.nodes["node_type"].dtype == torch.long
    assert graph.nodes["pos"].dtype == torch.float32


@needs_dgl
@of_every_kind
def test_a_graph_goes_to_dgl_and_back(kind: str) -> None:
    batch = Graph.batch([build_graph(p, SPECS[kind]) for p in shelf.SHELF.values()])
    assert_same(batch, Graph.from_dgl(batch.to_dgl()), scale=0)


@needs_dgl
def test_from_dgl_sorts_edges_with_their_features() -> None:
    import dgl

    graph = dgl.graph(([0, 1, 2, 0], [2, 0, 1, 1]))
    graph.edata["x"] = torch.tensor([10.0, 11, 12, 13])
    ours = Graph.from_dgl(graph)
    assert ours.dst.tolist() == [0, 1, 1, 2] and ours.src.tolist() == [1, 2, 0, 0]
    assert ours.edges["x"].tolist() == [11, 12, 13, 10]


@needs_dgl
@pytest.mark.parametrize("layer", ["GraphConv", "GATv2Conv", "EGNNConv", "CFConv"])
def test_a_layer_of_dgl_runs_on_a_graph(layer: str) -> None:
    import dgl.nn as dglnn

    graph = Graph.batch([build_graph(shelf.ordinary(9)), build_graph(shelf.two_chains())])
    g, s, e = graph.to_dgl(), graph.nodes["node_s"], graph.edges["edge_s"]
    out = {
        "GraphConv": lambda: dglnn.GraphConv(6, 5)(g, s),
        "GATv2Conv": lambda: dglnn.GATv2Conv(6, 5, 1)(g, s),
        "EGNNConv": lambda: dglnn.EGNNConv(6, 4, 5, 32)(g, s, graph.nodes["pos"], e)[0],
        "CFConv": lambda: dglnn.CFConv(6, 32, 4, 5)(g, s, e),
    }[layer]()
    assert len(out) == graph.total_nodes and torch.isfinite(out).all()


@needs_dgl
def test_dgl_reads_out_each_protein_by_itself() -> None:
    import dgl

    graphs = [build_graph(p) for p in (shelf.ordinary(9), shelf.two_chains())]
    batch = Graph.batch(graphs).to_dgl()
    expected = torch.stack([g.nodes["node_s"].sum(0) for g in graphs])
    shelf.assert_close(dgl.sum_nodes(batch, "node_s"), expected)
    assert batch.batch_num_edges().tolist() == [len(g.src) for g in graphs]


@pytest.mark.parametrize("size", [1, 3, 7, 100])
@pytest.mark.parametrize("degrees", [[0, 4, 1, 9, 0, 2], [9, 0, 0, 0, 5, 2], [0] * 6, [4] * 6])
def test_blocks_hold_every_edge_in_order_and_a_destination_whole(
    size: int, degrees: list[int]
) -> None:
    dst = torch.repeat_interleave(torch.arange(6), torch.tensor(degrees))
    graph = Graph(torch.arange(len(dst)) % 6, dst, (4, 2))
    blocks = graph.blocks(size)
    assert graph.blocks(size) is blocks
    assert torch.equal(torch.cat([block.src for block in blocks]), graph.src)
    assert torch.equal(torch.cat([block.dst + block.nodes.start for block in blocks]), graph.dst)
    nodes = torch.arange(6)
    assert torch.equal(torch.cat([nodes[block.nodes] for block in blocks]), nodes)
    for block in blocks:
        assert torch.equal(graph.src[block.edges], block.src)
        assert not len(block.dst) or 0 <= block.dst.min() and block.dst.max() < block.total_nodes
        assert len(block.src) <= size + max(degrees)


@pytest.mark.parametrize("size, k", [(1, 30), (2, 30), (31, 30), (200, 30), (512, 9)])
def test_neighbours_of_few_points_are_those_that_a_tree_finds(size: int, k: int) -> None:
    pos = np.random.default_rng(size).normal(size=(size, 3)) * 9.0 + 400.0
    few = _nearest_of_few(pos, min(k, size - 1))
    tree = _nearest(cKDTree(pos), min(k + 1, size))
    assert all(torch.equal(a, b) for a, b in zip(few, tree, strict=True))
