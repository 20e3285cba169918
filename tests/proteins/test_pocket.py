"""Pockets: nodes near the ligand, with the features that they have in the whole protein."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from tests import shelf
from zoo.data.layouts import lba
from zoo.data.layouts.base import find_layout
from zoo.data.preparing import STORE, prepared, read_manifest, write_manifest
from zoo.data.reading.pocket import complex_of
from zoo.data.samples import Sample
from zoo.data.store import Store, pack, unpack
from zoo.errors import ConfigError, StructureError
from zoo.models.blueprint import resolve
from zoo.models.checkpoint import load_model, save_model
from zoo.models.checksums import CHECKSUMS
from zoo.proteins.build_graph import GraphSpec, build_graph
from zoo.proteins.feature_sets import FEATURE_SETS
from zoo.proteins.noise import moved
from zoo.proteins.pocket import POCKET_CUTOFF, cut_out, inside, near
from zoo.proteins.protein import Atoms, Ligand, Protein
from zoo.settings.config import Config
from zoo.settings.safe_yaml import read_yaml

SPEC = GraphSpec(k=8, ligands=True)
RANDOM = np.random.default_rng(0)


def ligand(pos: np.ndarray, name: str = "LIG") -> Ligand:
    n = len(pos)
    atoms = Atoms(
        pos.astype(np.float32), np.full(n, 6, np.uint8), np.full(n, "C1"), np.full(n, -1)
    )  # fmt: skip
    return Ligand(name, "A", "1", atoms)


@pytest.fixture
def whole() -> Protein:
    """A protein of 40 residues with a ligand beside its residue 20."""
    protein = shelf.ordinary(40)
    beside = protein.chains[0].coords[20, 1] + np.array([[1.0, 0.5, 0.0], [2.0, 1.0, 0.5]])
    return dataclasses.replace(protein, ligands=(ligand(beside),))


@pytest.fixture
def pocket(whole: Protein) -> Protein:
    kept = near(whole, whole.ligands[0])
    assert 3 <= kept.sum() < 30
    return complex_of(dataclasses.replace(whole, ligands=()), whole.ligands[0], kept)


def cut_before(whole: Protein, kept: np.ndarray) -> Protein:
    """Return the pocket as an older version prepared it: the others have no coordinates."""
    (chain,) = whole.chains
    coords = chain.coords.copy()
    coords[~kept] = np.nan
    return dataclasses.replace(whole, chains=(dataclasses.replace(chain, coords=coords),))


@pytest.mark.parametrize("names", [("backbone",), tuple(FEATURE_SETS)])
def test_nodes_have_the_features_of_the_whole_protein(
    whole: Protein, pocket: Protein, names: tuple[str, ...]
) -> None:
    spec = dataclasses.replace(SPEC, features=names)
    all_of_it, part = build_graph(whole, spec), build_graph(pocket, spec)
    kept = torch.from_numpy(np.append(pocket.nodes, [True, True]))  # and two ligand atoms
    for name in ("node_s", "node_v", "node_type", "residue"):
        torch.testing.assert_close(part.nodes[name], all_of_it.nodes[name][kept])
    before = build_graph(cut_before(whole, pocket.nodes), spec)
    assert (before.nodes["node_s"] != part.nodes["node_s"]).any()


def test_neighbours_are_chosen_among_the_nodes(pocket: Protein) -> None:
    graph = build_graph(pocket, SPEC)
    (count,) = graph.num_nodes
    assert count == pocket.nodes.sum() + 2
    assert torch.bincount(graph.dst, minlength=count).unique().tolist() == [min(8, count - 1)]
    moved = graph.nodes["pos"][graph.src] - graph.nodes["pos"][graph.dst]
    torch.testing.assert_close(graph.edges["dist"], moved.norm(dim=-1))


@pytest.mark.parametrize("kind", ["residue", "atom"])
def test_the_old_way_gives_the_old_graph_bit_for_bit(whole, pocket, kind: str) -> None:
    spec = dataclasses.replace(SPEC, kind=kind, cut=True)
    before = cut_before(whole, pocket.nodes)
    before = dataclasses.replace(before, atoms=inside(pocket))
    old, now = build_graph(before, dataclasses.replace(spec, cut=False)), build_graph(pocket, spec)
    assert old.nodes.keys() == now.nodes.keys()
    for name in old.nodes:
        assert torch.equal(old.nodes[name], now.nodes[name]), name
    for name in old.edges:
        assert torch.equal(old.edges[name], now.edges[name]), name


def test_noise_joins_no_residues_across_a_cut(pocket: Protein) -> None:
    """What is bonded after a cut is the same whether the noise (here none) was added before."""
    spec = dataclasses.replace(SPEC, cut=True)
    still, noisy = (build_graph(one, spec) for one in (pocket, moved(pocket, 0.0, RANDOM)))
    for name in still.nodes:
        assert torch.equal(still.nodes[name], noisy.nodes[name]), name
    (plain,), (after,) = (cut_out(one).chains for one in (pocket, moved(pocket, 0.1, RANDOM)))
    assert after.segments.tolist() == plain.segments.tolist() and plain.segments.max() > 0


@pytest.mark.parametrize("kind", ["residue", "atom"])
def test_prepared_pockets_without_the_atoms_around_them_load(pocket: Protein, kind: str) -> None:
    spec = dataclasses.replace(SPEC, kind=kind)
    fewer = dataclasses.replace(pocket, atoms=inside(pocket))
    assert len(fewer.atoms) < len(pocket.atoms)
    old = unpack(pack(Sample("a", fewer, {}))).protein
    was, now = build_graph(old, spec), build_graph(pocket, spec)
    for name in now.nodes:
        assert torch.equal(was.nodes[name], now.nodes[name]), name
    assert torch.equal(was.src, now.src) and torch.equal(was.dst, now.dst)


@pytest.mark.parametrize("kind", ["residue", "atom"])
def test_a_complex_of_a_users_own_is_what_prepare_makes(
    whole: Protein, pocket: Protein, kind: str
) -> None:
    spec = dataclasses.replace(SPEC, kind=kind, pocket=POCKET_CUTOFF)
    own, ours = build_graph(whole, spec), build_graph(pocket, spec)
    for name in ours.nodes:
        assert torch.equal(own.nodes[name], ours.nodes[name]), name
    assert torch.equal(own.src, ours.src) and torch.equal(own.dst, ours.dst)


def test_several_proteins_are_as_each_alone(whole: Protein, pocket: Protein) -> None:
    from zoo.proteins.build_graph import build_graphs
    from zoo.proteins.graph import Graph

    both = build_graphs([pocket, whole, pocket], SPEC)
    alone = Graph.batch([build_graph(one, SPEC) for one in (pocket, whole, pocket)])
    assert both.num_nodes == alone.num_nodes and torch.equal(both.src, alone.src)
    for name in both.nodes:
        torch.testing.assert_close(both.nodes[name], alone.nodes[name])


@pytest.mark.parametrize(
    "ligands, message",
    [
        ((), "has none"),
        ((ligand(np.zeros((1, 3))), ligand(np.ones((1, 3)), "GOL")), "has 2: LIG A:1, GOL A:1"),
        ((ligand(np.full((1, 3), 500.0)),), "no residue is within 6 angstrom of the ligand LIG"),
    ],
)
def test_what_has_no_pocket_is_an_error_with_the_fix(whole, ligands, message: str) -> None:
    other = dataclasses.replace(whole, ligands=ligands)
    with pytest.raises(StructureError, match=message):
        build_graph(other, dataclasses.replace(SPEC, pocket=POCKET_CUTOFF))
    assert build_graph(other, SPEC).num_nodes[0] >= 40


def test_the_store_keeps_the_pocket(pocket: Protein) -> None:
    sample = Sample("a", pocket, {"pk": np.array(5.0, np.float32)})
    found = unpack(pack(sample)).protein
    assert found.pocket is not None and found.pocket.tolist() == pocket.pocket.tolist()
    assert found.nodes.tolist() == pocket.nodes.tolist()
    whole = dataclasses.replace(pocket, pocket=None)
    assert unpack(pack(dataclasses.replace(sample, protein=whole))).protein.pocket is None


def test_training_takes_the_pocket_of_the_data() -> None:
    blueprint = resolve(Config().with_values(["structure.name=gat", "sequence.name=none"]))
    assert blueprint.with_pocket(None) is blueprint
    found = blueprint.with_pocket(6.0)
    assert found.config.graph.pocket == found.graph.pocket == 6.0
    assert found.with_pocket(6.0).graph == found.graph
    with pytest.raises(ConfigError, match="pockets of 8 angstrom"):
        found.with_pocket(8.0)
    old = resolve(found.config.with_values(["graph.pocket=null", "graph.cut=true"]))
    assert old.with_pocket(6.0) is old


def test_a_saved_model_without_the_keys_cuts_pockets_out_as_before(
    whole: Protein, pocket: Protein, tmp_path
) -> None:
    plm = shelf.save_plm("esm", tmp_path / "plm")
    model = shelf.small_model(plm, "gat", "local", task="lba").eval()
    assert not model.graph_spec.cut
    path = save_model(model, tmp_path / "model") / "config.yaml"
    data = read_yaml(path.read_text())
    assert data["graph"].pop("cut") is False and data["graph"].pop("pocket") is None
    import yaml

    path.write_text(yaml.safe_dump(data))
    (path.parent / CHECKSUMS).unlink()  # which older versions did not write
    old = load_model(path.parent)
    assert old.graph_spec.cut and old.graph_spec.pocket is None
    before = dataclasses.replace(cut_before(whole, pocket.nodes), atoms=inside(pocket))
    with torch.no_grad():
        was, now, other = (
            one(one.batch([protein]))
            for one, protein in ((model, before), (old, pocket), (model, pocket))
        )
    assert torch.equal(was, now)  # what an older version predicted for the same complex
    assert not torch.equal(was, other)
    assert load_model(save_model(old, tmp_path / "again")).graph_spec.cut


@pytest.mark.data
def test_no_node_of_real_pockets_is_taken_for_a_chain_end(data_dir, tmp_path) -> None:
    layout = find_layout("lba", data_dir / "lba" / "atom3d")
    free = lba.Atom3DAffinity(data_dir / "lba" / "atom3d", pocket=False)
    for key in layout.keys()[::40]:
        protein, other = layout.read(key).protein, free.read(key).protein
        part, all_of_it = build_graph(protein), build_graph(other)
        kept = torch.isin(all_of_it.nodes["residue"], part.nodes["residue"])
        torch.testing.assert_close(part.nodes["node_s"], all_of_it.nodes["node_s"][kept])


def test_the_manifest_says_the_size_of_pockets_and_old_data_are_not_taken_for_new(tmp_path) -> None:
    from tests.data.benchmarks import write_container
    from tests.data.test_lba import lba_item

    write_container(tmp_path / "train", [lba_item()])
    layout, out = find_layout("lba", tmp_path), tmp_path / "out"
    prepared(layout, "lba", out, "way")
    assert read_manifest(out)["pocket"] == POCKET_CUTOFF
    with Store(out / STORE) as store:
        (sample,) = store
    assert sample.protein.nodes.tolist() == [True, False, True, False, False]
    free = lba.Atom3DAffinity(tmp_path, pocket=False)
    assert prepared(free, "lba", tmp_path / "free", "way")["pocket"] is None
    old = {key: value for key, value in read_manifest(out).items() if key != "pocket"}
    write_manifest(out, {**old, "stamp": "of an older version"})
    with pytest.raises(ConfigError, match="other pockets, such as an older version cut out"):
        prepared(layout, "lba", out, "way")
