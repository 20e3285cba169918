"""What every registered graph network promises, over the shelf of awkward proteins."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from scipy.special import spherical_jn
from torch import Tensor

from tests import shelf
from zoo.backbones import STRUCTURE_BACKBONES, NodeState, StructureBackbone
from zoo.backbones.cdconv import frames
from zoo.backbones.message_passing import use_engine
from zoo.backbones.pronet import local_frames
from zoo.errors import ConfigError
from zoo.examples import example
from zoo.models.arguments import part_of
from zoo.proteins.build_graph import FeatureWidths, GraphSpec, build_graph
from zoo.proteins.graph import Graph
from zoo.proteins.protein import Protein

Case = tuple[str, dict[str, Any]]
CASES = shelf.backbone_cases()
for_every_backbone = pytest.mark.parametrize("case", CASES, ids=shelf.case_id)
on_every_kind = pytest.mark.parametrize("kind", shelf.SPECS)
on_every_engine = pytest.mark.parametrize("engine", shelf.ENGINES)
in_both_precisions = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
MIRROR = torch.diag(torch.tensor([1.0, 1.0, -1.0])).double()


def backbone(case: Case, kind: str, dtype: torch.dtype = torch.float64) -> StructureBackbone:
    name, keywords = case
    torch.manual_seed(0)
    made = STRUCTURE_BACKBONES[name](FeatureWidths.of(shelf.SPECS[kind]), **keywords)
    return made.to(dtype).eval()


@cache
def graphs(kind: str, dtype: torch.dtype = torch.float64) -> dict[str, Graph]:
    spec = shelf.SPECS[kind]
    return {name: build_graph(p, spec).float_to(dtype) for name, p in shelf.SHELF.items()}


def all_graphs(kind: str, dtype: torch.dtype = torch.float64) -> Graph:
    return Graph.batch(list(graphs(kind, dtype).values()))


def through(model: StructureBackbone, graph: Graph) -> tuple[NodeState, Tensor]:
    state = model.run(graph, model.embed(graph), 0, model.num_layers)
    return state, model.finish(state)


@for_every_backbone
@on_every_kind
@on_every_engine
@in_both_precisions
def test_batched_equals_single(case: Case, kind: str, engine: str, dtype: torch.dtype) -> None:
    model = backbone(case, kind, dtype)
    with use_engine(engine), torch.no_grad():
        state, out = through(model, all_graphs(kind, dtype))
        start = 0
        for graph in graphs(kind, dtype).values():
            rows = slice(start, start + graph.total_nodes)
            single, single_out = through(model, graph)
            shelf.assert_close(out[rows], single_out, scale=5)
            shelf.assert_close(state.s[rows], single.s, scale=5)
            shelf.assert_close(state.v[rows], single.v, scale=5)
            start = rows.stop


@for_every_backbone
@on_every_kind
def test_scalars_stay_and_vectors_turn_when_the_protein_turns_and_moves(
    case: Case, kind: str
) -> None:
    model, graph = backbone(case, kind), all_graphs(kind)
    matrix = torch.from_numpy(shelf.rotation(2))
    with torch.no_grad():
        before, out = through(model, graph)
        after, out_after = through(model, shelf.turned(graph, matrix, (7, -3, 11)))
    shelf.assert_close(out_after, out, scale=5)
    shelf.assert_close(after.s, before.s, scale=5)
    shelf.assert_close(after.v, before.v @ matrix.T, scale=5)


@pytest.mark.parametrize("name", STRUCTURE_BACKBONES)
def test_a_new_network_tells_residues_apart_after_its_last_layer(name: str) -> None:
    """As it is built by default: what a deep network forgets, training does not find again."""
    spec = GraphSpec()
    torch.manual_seed(0)
    model = STRUCTURE_BACKBONES[name](FeatureWidths.of(spec)).eval()
    with torch.no_grad():
        s = through(model, build_graph(example(), spec))[1]
    assert s.std(0).mean() > 0.1 * s.abs().mean()


@for_every_backbone
@on_every_kind
def test_dropout_respects_turns(case: Case, kind: str) -> None:
    """A vector is dropped as a whole."""
    model, graph = backbone(case, kind).train(), graphs(kind)["ordinary"]
    matrix = torch.from_numpy(shelf.rotation(2))
    with torch.no_grad():
        torch.manual_seed(1)
        before, out = through(model, graph)
        torch.manual_seed(1)
        after, out_after = through(model, shelf.turned(graph, matrix))
    shelf.assert_close(out_after, out, scale=5)
    shelf.assert_close(after.v, before.v @ matrix.T, scale=5)


@for_every_backbone
def test_an_atom_graph_and_its_mirror_image_look_the_same(case: Case) -> None:
    """No torsion and no ideal side chain enters an atom graph."""
    model, graph = backbone(case, "atom"), all_graphs("atom")
    with torch.no_grad():
        before, out = through(model, graph)
        after, out_after = through(model, shelf.turned(graph, MIRROR))
    shelf.assert_close(out_after, out, scale=5)
    shelf.assert_close(after.v, before.v @ MIRROR.T, scale=5)


@for_every_backbone
@on_every_kind
def test_where_the_protein_lies_in_its_file_does_not_matter(case: Case, kind: str) -> None:
    """From coordinates on, in float32 as in use: graph building included."""
    model = backbone(case, kind, torch.float32)
    protein, spec = shelf.with_ligand(), shelf.SPECS[kind]
    moved = shelf.rotate(protein, shelf.rotation(5), (40, -30, 20))
    with torch.no_grad():
        _, out = through(model, build_graph(protein, spec))
        _, out_moved = through(model, build_graph(moved, spec))
    torch.testing.assert_close(out_moved, out, rtol=2e-3, atol=2e-3)


@for_every_backbone
@on_every_kind
@on_every_engine
def test_node_order_does_not_matter(case: Case, kind: str, engine: str) -> None:
    model = backbone(case, kind)
    with use_engine(engine), torch.no_grad():
        for name in ("ordinary", "unresolved", "with ligand"):
            graph = graphs(kind)[name]
            order = torch.randperm(graph.total_nodes, generator=torch.Generator().manual_seed(3))
            before, out = through(model, graph)
            after, out_after = through(model, shelf.permuted(graph, order))
            shelf.assert_close(out_after, out[order], scale=5)
            shelf.assert_close(after.v, before.v[order], scale=5)


@for_every_backbone
@on_every_kind
def test_running_in_two_steps_equals_running_in_one(case: Case, kind: str) -> None:
    model, graph = backbone(case, kind), graphs(kind)["with ligand"]
    with torch.no_grad():
        whole, _ = through(model, graph)
        for middle in range(model.num_layers + 1):
            state = model.run(graph, model.embed(graph), 0, middle)
            state = model.run(graph, state, middle, model.num_layers)
            assert torch.equal(state.s, whole.s) and torch.equal(state.v, whole.v)


@for_every_backbone
@on_every_kind
def test_every_layer_changes_the_state_and_none_the_width(case: Case, kind: str) -> None:
    model, graph = backbone(case, kind), graphs(kind)["ordinary"]
    with torch.no_grad():
        state = model.embed(graph)
        for index in range(model.num_layers):
            after = model.layer(graph, state, index)
            assert after.s.shape == state.s.shape == (graph.total_nodes, model.width)
            assert after.v.shape == state.v.shape
            assert not torch.allclose(after.s, state.s)
            state = after
        assert model.finish(state).shape == (graph.total_nodes, model.out_width)


@for_every_backbone
@on_every_kind
@on_every_engine
def test_the_graph_and_the_states_given_are_unchanged(case: Case, kind: str, engine: str) -> None:
    model, graph = backbone(case, kind), graphs(kind)["with ligand"]
    kept = [x.clone() for x in (graph.src, graph.dst, *graph.nodes.values(), *graph.edges.values())]
    fields = (set(graph.nodes), set(graph.edges))
    with use_engine(engine), torch.no_grad():
        state = model.embed(graph)
        s, v = state.s.clone(), state.v.clone()
        model.run(graph, state, 0, model.num_layers)
    now = (graph.src, graph.dst, *graph.nodes.values(), *graph.edges.values())
    assert all(torch.equal(a, b) for a, b in zip(kept, now, strict=True))
    assert fields == (set(graph.nodes), set(graph.edges))
    assert torch.equal(state.s, s) and torch.equal(state.v, v)


@for_every_backbone
@on_every_kind
def test_proteins_do_not_mix(case: Case, kind: str) -> None:
    model, shelf_graphs = backbone(case, kind), graphs(kind)
    first = shelf_graphs["two chains"]
    with torch.no_grad():
        outs = [
            through(model, Graph.batch([first, shelf_graphs[other]]))[1][: first.total_nodes]
            for other in ("with ligand", "chain break")
        ]
    assert torch.equal(*outs)


@for_every_backbone
@on_every_kind
@on_every_engine
def test_every_parameter_gets_a_finite_gradient(case: Case, kind: str, engine: str) -> None:
    model, graph = backbone(case, kind).train(), all_graphs(kind)
    with use_engine(engine):
        before = model.embed(graph)  # zeros in mpnn; an exchange before the first layer adds to it
        state = NodeState(before.s + torch.randn_like(before.s), before.v, before.edge)
        out = model.finish(model.run(graph, state, 0, model.num_layers))
        (out * torch.randn_like(out)).sum().backward()
    gradients = {name: p.grad for name, p in model.named_parameters()}
    assert [name for name, g in gradients.items() if g is None] == []
    assert all(torch.isfinite(g).all() for g in gradients.values())
    assert [name for name, g in gradients.items() if not g.any()] == []


@for_every_backbone
@on_every_kind
def test_engines_agree_forward_and_backward(case: Case, kind: str) -> None:
    results = []
    for engine in ("torch", "auto"):  # auto is DGL wherever it imports
        model = backbone(case, kind)
        with use_engine(engine):
            _, out = through(model, all_graphs(kind))
            (out * torch.linspace(-1, 1, out.numel()).view_as(out)).sum().backward()
        results.append([out.detach(), *(p.grad for p in model.parameters())])
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-12 * max(1.0, a.abs().max().item()))


@for_every_backbone
@on_every_kind
def test_dropout_acts_in_training_only(case: Case, kind: str) -> None:
    model, graph = backbone(case, kind), graphs(kind)["ordinary"]
    with torch.no_grad():
        assert torch.equal(through(model, graph)[1], through(model, graph)[1])
        model.train()
        assert not torch.equal(through(model, graph)[1], through(model, graph)[1])


@pytest.mark.parametrize("name", STRUCTURE_BACKBONES)
def test_everything_but_the_widths_has_a_default_and_is_checked(name: str) -> None:
    cls = STRUCTURE_BACKBONES[name]
    cls(FeatureWidths.of(shelf.SPECS["residue"]), num_layers=1)
    for wrong in ({"num_layers": 0}, {"dropout": 1.5}, {"num_layer": 3}, {"num_layers": "three"}):
        with pytest.raises(ConfigError, match="num_layers|dropout"):
            part_of(cls, wrong, "structure.args.")


# ------------------------------------------------------------- each layer is its paper's equation


def incoming(graph: Graph, node: int) -> list[tuple[int, int]]:
    """Return (edge, source) of every edge that ends in a node."""
    ends = zip(graph.src.tolist(), graph.dst.tolist(), strict=True)
    return [(e, src) for e, (src, dst) in enumerate(ends) if dst == node]


def stepped(name: str, **keywords: Any) -> tuple[Any, Graph, NodeState, Tensor]:
    """Return a backbone, a graph, the state after its first layer, and what the second gives."""
    model = backbone((name, {**shelf.SMALL[name], **keywords, "num_layers": 2}), "residue")
    graph = graphs("residue")["with ligand"]
    state = model.layer(graph, model.embed(graph), 0)
    return model, graph, state, model.layer(graph, state, 1)


@torch.no_grad()
def test_schnet_is_its_equation() -> None:
    model, graph, state, after = stepped("schnet", cutoff=9.0)
    block, centres, dist = model.blocks[1], model.centres, graph.edges["dist"]
    spacing = 9.0 / (len(centres) - 1)
    x = state.s @ block.into.weight.T
    for i in range(graph.total_nodes):
        heard = torch.zeros(x.shape[1]).double()
        for e, j in incoming(graph, i):
            smeared = torch.exp(-0.5 * ((dist[e] - centres) / spacing) ** 2)
            cosine = 0.5 * (torch.cos(torch.pi * dist[e] / 9.0) + 1) if dist[e] < 9.0 else 0.0
            heard += x[j] * block.filter(smeared) * cosine
        shelf.assert_close(after.s[i], state.s[i] + block.out(heard), scale=10)
    assert (dist > 9.0).any()


def test_one_gaussian_is_enough_for_schnet() -> None:
    model = backbone(("schnet", {"num_layers": 1, "num_gaussians": 1}), "residue")
    assert torch.isfinite(through(model, all_graphs("residue"))[1]).all()


@torch.no_grad()
@pytest.mark.parametrize("edge_values", [False, True])
def test_gat_is_its_equation(edge_values: bool) -> None:
    model, graph, state, after = stepped("gat", edge_values=edge_values)
    layer, (heads, width) = model.layers[1], model.layers[1].heads
    source, destination = layer.source(state.s), layer.destination(state.s)
    edge = layer.edge(graph.edges["edge_s"])
    for i in range(graph.total_nodes):
        sources = incoming(graph, i)
        joint = torch.stack([source[j] + destination[i] + edge[e] for e, j in sources])
        joint = torch.where(joint > 0, joint, 0.2 * joint).view(-1, heads, width)
        scores = (joint * layer.score).sum(-1).exp()
        weights = scores / scores.sum(0)
        values = torch.stack([source[j].view(heads, width) for _, j in sources])
        if edge_values:
            told = [layer.edge_value(graph.edges["edge_s"][e]) for e, _ in sources]
            values = values + torch.stack(told).view(-1, heads, width)
        heard = (weights[..., None] * values).sum(0).flatten()
        shelf.assert_close(after.s[i], layer.norm(state.s[i] + layer.out(heard)), scale=10)


@torch.no_grad()
def test_egnn_is_its_equation() -> None:
    model, graph, state, after = stepped("egnn")
    layer, h = model.layers[1], state.s
    start = graph.nodes["pos"] / 10.0
    x = start + state.v[:, 0]
    for i in range(graph.total_nodes):
        heard, step = torch.zeros_like(h[0]), torch.zeros(3).double()
        for e, j in incoming(graph, i):
            squared = (x[i] - x[j]).square().sum()[None]
            message = layer.message(torch.cat([h[i], h[j], squared, graph.edges["edge_s"][e]]))
            heard += message
            step += (x[i] - x[j]) / (squared.sqrt() + 1) * layer.step(message)
        moved = x[i] + step / len(incoming(graph, i)) - start[i]
        shelf.assert_close(after.v[i, 0], moved, scale=10)
        updated = h[i] + layer.update(torch.cat([h[i], heard]))
        shelf.assert_close(after.s[i], layer.norm(updated), scale=10)
    shelf.assert_close(model.finish(after), after.s + model.moved(after.v.norm(dim=-1)), scale=10)


@torch.no_grad()
def test_gearnet_is_its_equation() -> None:
    model, graph, state, after = stepped("gearnet")
    layer = model.layers[1]
    weights = layer.conv.relations.weight.view(7, -1, model.width)
    for i in range(graph.total_nodes):
        heard = layer.conv.itself(state.s[i])
        for e, j in incoming(graph, i):
            heard = heard + weights[graph.edges["relation"][e]] @ state.s[j]
        shelf.assert_close(after.s[i], layer.norm(state.s[i] + heard.relu()), scale=10)


@torch.no_grad()
def test_gearnet_edge_is_its_equation() -> None:
    model, graph, state, after = stepped("gearnet", edge_messages=True, edge_hidden=7)
    layer, edge, kinds = model.layers[1], state.edge[2], graph.edges["relation"]
    direction = graph.edges["edge_v"][:, 0]
    per_angle = layer.edge_conv.relations.weight.view(8, -1, edge.shape[1])
    heard_by_edges = []
    for e, (j, _) in enumerate(zip(graph.src.tolist(), graph.dst.tolist(), strict=True)):
        heard = layer.edge_conv.itself(edge[e])
        for before, _ in incoming(graph, j):
            angle = torch.acos((direction[before] @ direction[e]).clamp(-1, 1))
            heard = heard + per_angle[min(int(angle / torch.pi * 8), 7)] @ edge[before]
        heard_by_edges.append(heard.relu())
    new_edge = torch.stack(heard_by_edges)
    shelf.assert_close(after.edge[2], new_edge, scale=10)
    weights = layer.conv.relations.weight.view(7, -1, model.width)
    for i in range(graph.total_nodes):
        heard = layer.conv.itself(state.s[i])
        for e, j in incoming(graph, i):
            heard = heard + weights[kinds[e]] @ (state.s[j] + layer.conv.edge(new_edge[e]))
        shelf.assert_close(after.s[i], layer.norm(state.s[i] + heard.relu()), scale=10)


@torch.no_grad()
def test_cdconv_is_its_equation() -> None:
    model, graph, state, after = stepped("cdconv", reach=2, radius=9.0)
    block, pos, place = model.blocks[1], graph.nodes["pos"], graph.nodes["position"]
    kernels, axes = block.convolution.kernels.weight.view(-1, 6, 8), frames(graph)
    x = torch.nn.functional.leaky_relu(block.norm(block.down(state.s)), 0.2)
    far = 0
    for i in range(graph.total_nodes):
        heard = torch.zeros(len(kernels), x.shape[1]).double()
        for j in [i, *(j for _, j in incoming(graph, i))]:
            step, offset = pos[j] - pos[i], int(place[j] - place[i])
            dist = step.norm()
            far += bool(dist > 9.0)
            if dist > 9.0:
                continue
            direction = axes[i] @ (step / dist.clamp(min=1e-9))
            turned = (axes[i] * axes[j]).sum(-1)
            told = torch.cat([direction, turned, dist[None], torch.ones(1).double()])
            near = max(-2, min(2, offset))
            weight = kernels[:, 5 if abs(offset) > 1000 else near + 2]
            kernel = torch.nn.functional.leaky_relu(weight @ told, 0.2)
            kernel *= 0.5 - torch.tanh(dist / 9.0 * abs(near) / 2 * 16.0 - 14.0) * 0.5
            heard += kernel[:, None] * x[j]
        new = state.s[i] + block.up(block.convolution.out(heard.flatten()))
        shelf.assert_close(after.s[i], new, scale=10)
    assert far


@torch.no_grad()
def test_pronet_is_its_equation() -> None:
    model, graph, state, after = stepped("pronet", cutoff=9.0)
    block, edges = model.blocks[1], state.edge
    x = torch.nn.functional.silu(block.sent(state.s))
    for i in range(graph.total_nodes):
        sums = []
        for filtered, edge in zip(block.filtered, edges, strict=True):
            heard = torch.zeros_like(x[0])
            for e, j in incoming(graph, i):
                heard += filtered.outer(filtered.inner(edge[e])) * x[j]
            sums.append(filtered.out(filtered.heard(heard) + filtered.itself(x[i])))
        kept = torch.nn.functional.silu(block.kept(state.s[i]))
        new = block.out(block.after(block.joined(torch.cat(sums)) + kept))
        shelf.assert_close(after.s[i], new, scale=10)


@torch.no_grad()
def test_pronets_filters_know_the_papers_angles() -> None:
    """Each component by the angle's own formula, for residues in the midst of a chain."""
    graph, radial, cutoff = graphs("residue")["ordinary"], 3, 10.0
    model = backbone(("pronet", {"num_radial": radial, "cutoff": cutoff}), "residue")
    direction, rotation, _ = model.embed(graph).edge
    pos, n, c = (graph.nodes["pos"], *graph.nodes["backbone"].unbind(1)[:2])
    cross, zero_of = torch.linalg.cross, {0: math.pi, 1: 4.493409457909064}
    z = cross(n, cross(n, c, dim=-1), dim=-1)
    checked = 0
    for e, (j, i) in enumerate(zip(graph.src.tolist(), graph.dst.tolist(), strict=True)):
        dist = float((pos[j] - pos[i]).norm())
        if i in (0, graph.total_nodes - 1) or dist >= cutoff:
            continue
        checked += 1
        d, back, ahead = (pos[k] - pos[i] for k in (j, i - 1, i + 1))
        theta = torch.atan2(cross(d, back, dim=-1).norm(), d @ back)
        first, second = cross(back, ahead, dim=-1), cross(back, d, dim=-1)
        phi = torch.atan2(cross(first, second, dim=-1) @ back / back.norm(), first @ second)
        line = cross(z[i], z[j], dim=-1)
        alpha = torch.atan2(cross(n[i], line, dim=-1) @ z[i] / z[i].norm(), n[i] @ line)
        beta = torch.atan2(line.norm(), z[i] @ z[j])
        gamma = torch.atan2(cross(line, n[j], dim=-1) @ z[j] / z[j].norm(), line @ n[j])
        bessel = [
            math.sqrt(2) / abs(spherical_jn(k + 1, x)) * spherical_jn(k, x * dist / cutoff)
            for k, x in zero_of.items()
        ]
        order = [math.sqrt(1 / (4 * math.pi)), math.sqrt(3 / (4 * math.pi))]
        flat = theta.sin() * torch.stack([phi.cos(), phi.sin()])
        for found, angles in (
            (direction[e], torch.cat([flat, theta.cos()[None]])),
            (rotation[e, : 2 * radial], alpha.cos()[None]),
            (rotation[e, 2 * radial : 4 * radial], beta.cos()[None]),
            (rotation[e, 4 * radial :], gamma.cos()[None]),
        ):
            expected = [order[0] * bessel[0], *(order[1] * bessel[1] * angles)]
            torch.testing.assert_close(
                found[::radial], torch.tensor(expected).double(), rtol=0, atol=1e-5
            )
    assert checked > 50


#: The all-atom level of ProNet: side chain torsions beside those of the backbone.
ALL_ATOM = GraphSpec(k=10, features=("backbone", "side_chain"))
BACKBONE_ALONE = GraphSpec(k=10)
#: The atoms of a torsion by their Greek letter, as the authors' code takes them; SE is of MSE.
GREEK = (
    ("N",), ("CA",), ("CB",), ("CG", "SG", "OG", "CG1", "OG1"),
    ("CD", "SD", "SE", "CD1", "OD1", "ND1"), ("CE", "NE", "OE1"), ("CZ", "NZ"),
)  # fmt: skip


def torsion(a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> Tensor:
    steps, cross = (b - a, c - b, d - c), torch.linalg.cross
    first, second = cross(steps[0], steps[1], dim=0), cross(steps[1], steps[2], dim=0)
    return torch.atan2(cross(first, second, dim=0) @ steps[1] / steps[1].norm(), first @ second)


def test_pronets_all_atom_level_reads_the_papers_torsions() -> None:
    protein = example()
    graph, pos = build_graph(protein, ALL_ATOM), torch.from_numpy(protein.atoms.pos).double()
    chi = graph.nodes["node_s"][:, 6:14].double().unflatten(1, (2, 4))
    known = 0
    for node, residue in enumerate(graph.nodes["residue"].tolist()):
        mine = protein.atoms.residue == residue
        named = dict(
            zip(protein.atoms.name[mine].tolist(), pos[torch.from_numpy(mine)], strict=True)
        )
        atoms = [next((named[x] for x in names if x in named), None) for names in GREEK]
        for at in range(4):
            four = atoms[at : at + 4]
            if any(atom is None for atom in four):
                assert not chi[node, :, at].any()
                continue
            known += 1
            angle = torsion(*four)
            expected = torch.stack([angle.cos(), angle.sin()])
            torch.testing.assert_close(chi[node, :, at], expected, rtol=0, atol=1e-4)
    assert known > 100


def with_a_side_chain_turned(protein: Protein, residue: int) -> Protein:
    """Turn what lies behind CB about the bond from CA to CB, by 100 degrees."""
    atoms = protein.atoms
    mine = np.flatnonzero(atoms.residue == residue)
    at = {atoms.name[i]: i for i in mine}
    behind = [i for i in mine if atoms.name[i] not in ("N", "CA", "C", "O", "CB", "OXT")]
    assert behind
    axis = atoms.pos[at["CB"]] - atoms.pos[at["CA"]]
    turn = Rotation.from_rotvec(math.radians(100) * axis / np.linalg.norm(axis))
    pos = atoms.pos.copy()
    pos[behind] = turn.apply(pos[behind] - pos[at["CB"]]) + pos[at["CB"]]
    return dataclasses.replace(protein, atoms=dataclasses.replace(atoms, pos=pos))


def all_atom(spec: GraphSpec) -> StructureBackbone:
    torch.manual_seed(0)
    return STRUCTURE_BACKBONES["pronet"](FeatureWidths.of(spec)).double().eval()


@on_every_engine
def test_at_the_all_atom_level_a_turned_side_chain_is_seen_and_a_turned_protein_is_not(
    engine: str,
) -> None:
    protein, model = example(), all_atom(ALL_ATOM)
    turned = with_a_side_chain_turned(protein, 4)
    matrix = torch.from_numpy(shelf.rotation(2))
    graphs = [build_graph(x, ALL_ATOM).float_to(torch.float64) for x in (protein, turned)]
    with use_engine(engine), torch.no_grad():
        before, after = (through(model, graph)[1] for graph in graphs)
        moved = through(model, shelf.turned(graphs[0], matrix, (7, -3, 11)))[1]
        batched = through(model, Graph.batch(graphs))[1]
        alone, blind = all_atom(BACKBONE_ALONE), (protein, turned)
        same = [through(alone, build_graph(x, BACKBONE_ALONE).float_to(torch.float64))[1]
                for x in blind]  # fmt: skip
    shelf.assert_close(moved, before, scale=5)
    shelf.assert_close(batched, torch.cat([before, after]), scale=5)
    assert (before[4] - after[4]).norm() > 1e-3 * before[4].norm()
    assert torch.equal(*same)


@pytest.mark.parametrize("axes_of", [frames, local_frames])
def test_local_frames_do_not_hang_on_the_node_features(axes_of: Callable[[Graph], Tensor]) -> None:
    plain, other = (
        axes_of(build_graph(shelf.ordinary(), GraphSpec(k=6, features=sets)))
        for sets in (("backbone",), ("density",))
    )
    assert torch.equal(plain, other) and plain[1:-1].any(-1).all()


def test_a_residues_axes_are_right_handed_and_missing_at_ends_and_breaks() -> None:
    axes = frames(graphs("residue")["chain break"])
    missing = axes.eq(0).all(-1).all(-1)
    assert missing.nonzero()[:, 0].tolist() == [0, 7, 8, 13]
    b, n, o = axes[~missing].unbind(1)
    shelf.assert_close(axes[~missing] @ axes[~missing].mT, torch.eye(3).double().expand(10, 3, 3))
    shelf.assert_close(torch.linalg.cross(b, n, dim=-1), o)
    ca = graphs("residue")["chain break"].nodes["pos"]
    assert ((ca[1:-1] - (ca[:-2] + ca[2:]) / 2)[:6] * b[:6]).sum(-1).gt(0).all()  # b leads outward


def test_the_filters_of_schnet_are_the_papers_layers() -> None:
    from zoo.backbones.schnet import Interaction

    block = Interaction(8, 16, 10, 0.0).double()
    smeared = 100 * torch.randn(50, 10, dtype=torch.float64)  # from far below 0 to far above
    hidden = block.filter[0](smeared)
    assert hidden.min() < -30 and hidden.max() > 30
    hidden = torch.log(0.5 * hidden.exp() + 0.5)
    torch.testing.assert_close(block._filters(smeared), block.filter[2](hidden), rtol=0, atol=1e-7)
    torch.testing.assert_close(block.filter(smeared), block.filter[2](hidden), rtol=0, atol=1e-7)


def test_features_of_egnn_do_not_grow_with_its_weights() -> None:
    graph = build_graph(shelf.ordinary(), GraphSpec(k=10))
    net = STRUCTURE_BACKBONES["egnn"](FeatureWidths.of(GraphSpec(k=10)), hidden=16).eval()
    for parameter in net.parameters():
        parameter.data *= 5.0
    for layer in net.layers:
        torch.nn.init.ones_(layer.norm.weight)
    state = net.run(graph, net.embed(graph), 0, net.num_layers)
    assert state.s.square().mean() < 100.0
