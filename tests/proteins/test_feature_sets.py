"""What the named sets of node features hold, with and without all atoms, and invariance."""

from __future__ import annotations

import dataclasses
import math
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

import zoo
from tests import shelf
from zoo.errors import ConfigError
from zoo.examples import example
from zoo.models.blueprint import resolve
from zoo.proteins import accessibility, density, features, secondary_structure, side_chain
from zoo.proteins.build_graph import FeatureWidths, GraphSpec, build_graph
from zoo.proteins.feature_sets import (
    BACKBONE,
    FEATURE_SETS,
    ORDER,
    Columns,
    Feature,
    FeatureSet,
    computed,
)
from zoo.proteins.feature_sets import numbers as columns
from zoo.proteins.protein import Atoms, Chain, Protein, from_sequence
from zoo.proteins.structure import read_structure
from zoo.settings.config import Config
from zoo.training.examples import PreparedExamples

EXAMPLE = example()
SETS = [name for name in FEATURE_SETS if name != BACKBONE]
of_every_set = pytest.mark.parametrize("name", SETS)
on_the_shelf = pytest.mark.parametrize("protein", shelf.SHELF.values(), ids=lambda p: p.name)


def scalars(name: str, protein: Protein) -> np.ndarray:
    return computed(protein, [name]).scalars


@of_every_set
@on_the_shelf
def test_a_set_has_the_columns_that_it_declares_and_no_gaps(name: str, protein: Protein) -> None:
    found = computed(protein, [name])
    assert found.scalars.shape == (len(protein), FEATURE_SETS[name].scalars)
    assert found.vectors.shape == (len(protein), FEATURE_SETS[name].vectors, 3)
    assert np.isfinite(found.scalars).all() and np.isfinite(found.vectors).all()


@of_every_set
def test_unknown_coordinates_give_zeros(name: str) -> None:
    found = computed(from_sequence("x", "ACDEFGHIKL"), [name])
    assert not found.scalars.any() and not found.vectors.any()


@of_every_set
def test_a_real_protein_has_no_column_without_information(name: str) -> None:
    # Numbers of the whole protein, what is known everywhere, and strands, which 1A8O lacks.
    constant = {"density": [10, 11, 12], "surface": [1], "secondary_structure": [1]}
    columns = np.flatnonzero(scalars(name, EXAMPLE).std(0) < 1e-6).tolist()
    assert columns == constant.get(name, [])


@of_every_set
def test_numbers_stay_and_vectors_turn_with_a_real_protein(name: str) -> None:
    turn = shelf.rotation(3)
    before, after = (
        computed(p, [name]) for p in (EXAMPLE, shelf.rotate(EXAMPLE, turn, (50, -9, 20)))
    )
    np.testing.assert_allclose(after.scalars, before.scalars, atol=1e-4)
    np.testing.assert_allclose(after.vectors, before.vectors @ turn.T, atol=1e-4)


@of_every_set
def test_the_order_of_the_files_atoms_does_not_matter(name: str) -> None:
    order = np.random.default_rng(0).permutation(len(EXAMPLE.atoms))
    mixed = Atoms(*(getattr(EXAMPLE.atoms, f.name)[order] for f in dataclasses.fields(Atoms)))
    other = computed(dataclasses.replace(EXAMPLE, atoms=mixed), [name])
    np.testing.assert_allclose(other.scalars, scalars(name, EXAMPLE), atol=1e-9)


def test_the_default_is_the_graph_of_before() -> None:
    assert GraphSpec() == GraphSpec(features=(BACKBONE,))
    plain, more = (
        build_graph(EXAMPLE, GraphSpec(features=names)) for names in ((BACKBONE,), [*FEATURE_SETS])
    )
    assert (FeatureWidths.of(GraphSpec()).node_s, FeatureWidths.of(GraphSpec()).node_v) == (6, 3)
    assert torch.equal(more.nodes["node_s"][:, :6], plain.nodes["node_s"])
    assert torch.equal(more.nodes["node_v"][:, :3], plain.nodes["node_v"])


def test_the_order_of_the_names_does_not_matter() -> None:
    one = GraphSpec(features=("surface", "backbone"))
    assert one == GraphSpec(features=("backbone", "surface", "surface"))


def test_ligand_atoms_have_zeros() -> None:
    spec = GraphSpec(ligands=True, features=tuple(FEATURE_SETS))
    graph = build_graph(shelf.with_ligand(), spec)
    atoms = graph.nodes["residue"] < 0
    assert atoms.sum() == 3
    assert not graph.nodes["node_s"][atoms].any() and not graph.nodes["node_v"][atoms].any()
    assert graph.nodes["node_s"][~atoms].any(1).all()


def test_a_graph_may_have_no_features_of_nodes_at_all() -> None:
    graph = build_graph(EXAMPLE, GraphSpec(features=()))
    assert graph.nodes["node_s"].shape == (70, 0) and graph.nodes["node_v"].shape == (70, 0, 3)


def test_a_wrong_name_is_an_error_that_names_the_nearest() -> None:
    config = Config.from_dict({"sequence": {"name": "none"}, "graph": {"features": ["sidechain"]}})
    with pytest.raises(ConfigError, match="Did you mean 'side_chain'"):
        resolve(config)


def test_atom_graphs_have_no_features_of_residues() -> None:
    with pytest.raises(ConfigError, match=r"graph\.kind=residue"):
        GraphSpec(kind="atom", features=("backbone", "surface"))


# ------------------------------------------------------------------------------------- density


def test_counts_equal_the_plain_formula() -> None:
    coords = np.concatenate([c.coords for c in EXAMPLE.chains]).astype(np.float64)
    ca = coords[:, 1]
    apart = np.linalg.norm(ca[:, None] - ca, axis=-1)
    np.fill_diagonal(apart, np.inf)
    found = density.density(EXAMPLE)
    for column, radius in enumerate(density.CA_RADII):
        full = 4 / 3 * math.pi * radius**3 / density.VOLUME
        np.testing.assert_allclose(found[:, column], (apart <= radius).sum(1) / full)
    n, c = (coords[:, i] - ca for i in (0, 2))
    n, c = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (n, c))
    across = np.cross(c, n)
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    middle = (n + c) / np.linalg.norm(n + c, axis=1, keepdims=True)
    beta = -math.sqrt(1 / 3) * middle - math.sqrt(2 / 3) * across
    for column, radius in enumerate(density.HALF_RADII, len(density.CA_RADII)):
        outward = np.einsum("ijk,ik->ij", ca[None] - ca[:, None], beta) > 0
        full = 2 / 3 * math.pi * radius**3 / density.VOLUME
        np.testing.assert_allclose(found[:, column], ((apart <= radius) & outward).sum(1) / full)


def test_the_place_in_a_protein_equals_the_plain_formula() -> None:
    ca = EXAMPLE.chains[0].coords[:, 1].astype(np.float64)
    middle = np.linalg.norm(ca - ca.mean(0), axis=1)
    radius = math.sqrt((middle**2).mean())
    found = density.place(EXAMPLE)
    np.testing.assert_allclose(found[:, 0], middle / radius, rtol=1e-6)
    expected = [radius / 10, radius / 70**0.4, math.log(70 / 200)]
    np.testing.assert_allclose(found[3, 1:4], expected, rtol=1e-6)
    np.testing.assert_allclose(found[:, 4], np.arange(70) / 69)


def test_a_half_sphere_needs_n_and_c_and_a_count_does_not() -> None:
    found = density.density(shelf.SHELF["missing atoms"])
    known = np.isfinite(found[:, [0, 6]])
    assert known[:, 0].all()
    assert np.flatnonzero(~known[:, 1]).tolist() == [3, 6]


def test_position_in_the_chain_starts_again_with_each_chain() -> None:
    assert density.place(shelf.two_chains())[[0, 8, 9, 15], 4].tolist() == [0, 1, 0, 1]


# ---------------------------------------------------------------------------------- side chains


def lysine(angles: list[float], lost: str = "") -> Protein:
    """Return one lysine with these chi angles in degrees, without the atom `lost`."""
    names = ["N", "CA", "CB", "CG", "CD", "CE", "NZ"]
    pos = [np.array([1.46, 0, 0]), np.zeros(3), np.array([-0.5, 1.45, 0])]
    for angle in angles:
        pos.append(shelf._place(pos[-3:], 1.53, math.radians(111), math.radians(angle)))
    keep = [i for i, name in enumerate(names) if name != lost]
    atoms = Atoms(
        np.array(pos, np.float32)[keep], np.full(len(keep), 6, np.uint8),
        np.array(names)[keep], np.zeros(len(keep), np.int64),
    )  # fmt: skip
    coords = np.full((1, 4, 3), np.nan, np.float32)
    coords[0, :2] = pos[:2]
    chain = Chain("A", "A", "K", coords, np.zeros(1, np.float32), ("1",))
    return Protein("lysine", (chain,), atoms)


def test_chi_angles_are_those_that_the_atoms_were_placed_with() -> None:
    angles = [-65.0, 178.0, 62.0, -171.0]
    found = side_chain.chi_angles(lysine(angles))[0]
    radians = np.radians(angles)
    np.testing.assert_allclose(found, [*np.cos(radians), *np.sin(radians)], atol=1e-5)


def test_chi_angles_of_a_missing_atom_are_zero() -> None:
    found = side_chain.chi_angles(lysine([-65.0, 178.0, 62.0, -171.0], lost="CE"))[0]
    assert np.hypot(found[:4], found[4:]).round(5).tolist() == [1, 1, 0, 0]


def test_residues_have_as_many_chi_angles_as_their_letter() -> None:
    found = side_chain.chi_angles(EXAMPLE)
    seen = np.hypot(found[:, :4], found[:, 4:]).round(3).sum(1)
    letters = EXAMPLE.chains[0].sequence
    usual = {letter: len(names) - 1 for letter, names in side_chain.CHI_ATOMS.items()}
    assert seen.tolist() == [usual.get(letter, 0) for letter in letters]  # M of MSE has three too


def test_the_middle_of_a_side_chain_is_the_mean_of_its_atoms() -> None:
    atoms, ca = EXAMPLE.atoms, EXAMPLE.chains[0].coords[:, 1]
    length, direction = side_chain.centroids(EXAMPLE)
    for row, letter in enumerate(EXAMPLE.chains[0].sequence):
        own = (atoms.residue == row) & ~np.isin(atoms.name, ["N", "CA", "C", "O", "OXT"])
        expected = atoms.pos[own].mean(0) - ca[row] if own.any() else np.zeros(3)
        np.testing.assert_allclose(5 * length[row] * direction[row], expected, atol=1e-4)
        assert own.any() != (letter == "G")


# ------------------------------------------------------------------------------------- surface


def spheres(*middles: tuple[float, float, float]) -> Protein:
    """Return residues of one carbon atom each, the others of their backbones far from all."""
    coords = np.zeros((len(middles), 4, 3), np.float32)
    coords[:, 0], coords[:, 1], coords[:, 2] = [1, 0, 0], [0, 0, 0], [0, 1, 0]
    count = len(middles)
    chain = Chain(
        "A", "A", "G" * count, coords, np.zeros(count, np.float32), ("",) * count
    )  # fmt: skip
    pos = np.array(middles, np.float32)
    atoms = Atoms(pos, np.full(count, 6, np.uint8), np.full(count, "CA"), np.arange(count))
    return Protein("spheres", (chain,), atoms)


RADIUS = accessibility.RADII[6] + accessibility.PROBE


def test_a_sphere_alone_is_wholly_accessible() -> None:
    found = accessibility.accessible_surface(spheres((0, 0, 0), (50, 0, 0)))
    np.testing.assert_allclose(found, 4 * math.pi * RADIUS**2)


@pytest.mark.parametrize("apart", [2.0, 3.0, 5.0])
def test_two_spheres_cover_the_caps_of_each_other(apart: float) -> None:
    found = accessibility.accessible_surface(spheres((0, 0, 0), (0, apart, 0)))
    expected = 4 * math.pi * RADIUS**2 - 2 * math.pi * RADIUS * (RADIUS - apart / 2)
    np.testing.assert_allclose(found, expected, rtol=0.03)


def test_the_surface_agrees_with_biotites() -> None:
    structure = pytest.importorskip("biotite.structure")
    heavy = EXAMPLE.atoms.element != 1
    atoms = structure.AtomArray(int(heavy.sum()))
    atoms.coord = EXAMPLE.atoms.pos[heavy]
    atoms.element = np.full(int(heavy.sum()), "C")  # the radii are given
    single = np.array([accessibility._radii(e[None])[0] - 1.4 for e in EXAMPLE.atoms.element])
    by_atom = structure.sasa(atoms, point_number=2000, vdw_radii=single[heavy], ignore_ions=False)
    expected = np.bincount(EXAMPLE.atoms.residue[heavy], by_atom)
    found = accessibility.accessible_surface(EXAMPLE)
    assert np.corrcoef(found, expected)[0, 1] > 0.998
    assert np.abs(found - expected).mean() < 2.5  # of about 70 square angstrom
    assert abs(found.sum() / expected.sum() - 1) < 0.02


def test_accessibility_is_unknown_where_nothing_but_ca_is_known() -> None:
    assert not scalars("surface", shelf.ca_only()).any()
    assert scalars("surface", shelf.SHELF["missing atoms"])[:, 1].tolist() == [
        0.0 if row in (3, 6) else 1.0 for row in range(10)
    ]


# -------------------------------------------------------------------------- secondary structure


def letters(protein: Protein) -> str:
    return "".join("HEC-"[state] for state in secondary_structure.states(protein))


def of_torsions(phi: float, psi: float, length: int) -> Chain:
    """Return an ideal stretch of alanines."""
    atoms = [np.zeros(3), np.array([1.46, 0, 0]), np.array([2.0, 1.42, 0])]
    for _ in range(1, length):
        for kind, torsion in enumerate((psi, 180.0, phi)):
            angle = math.radians(shelf.ANGLES[kind])
            new = shelf._place(atoms[-3:], shelf.BONDS[kind], angle, math.radians(torsion))
            atoms.append(new)
    trace = np.array(atoms).reshape(length, 3, 3)
    turn, bend = math.radians(psi + 180), math.radians(120.5)
    oxygen = [shelf._place(list(row), 1.23, bend, turn) for row in trace]
    coords = np.concatenate([trace, np.array(oxygen)[:, None]], axis=1).astype(np.float32)
    flat = np.zeros(length, np.float32)
    return Chain("A", "A", "A" * length, coords, flat, ("",) * length)


def test_an_ideal_helix_is_a_helix_up_to_its_ends() -> None:
    assert letters(shelf.protein("helix", of_torsions(-57, -47, 14))) == "C" + 12 * "H" + "C"


def test_a_strand_alone_is_no_strand_as_it_has_no_partner() -> None:
    assert letters(shelf.protein("strand", of_torsions(-120, 130, 12))) == 12 * "C"


def test_a_helix_ends_at_a_break_and_at_a_missing_atom() -> None:
    helix = of_torsions(-57, -47, 14)
    assert letters(shelf.protein("gap", shelf.without(helix, [7], (3,)))) == "CHHHHHC-CHHHHC"
    assert letters(shelf.protein("trace", shelf.without(helix, range(14), (0, 2, 3)))) == 14 * "-"


def test_the_shipped_structure_has_its_four_helices() -> None:
    """1A8O, the C-terminal domain of HIV-1 capsid, is four helices after an extended start."""
    found = letters(EXAMPLE)
    helices = [part for part in found.replace("E", "C").split("C") if len(part) > 5]
    assert found.count("E") == 0 and len(helices) == 4


@pytest.mark.parametrize(
    ("bonds", "residues"),
    [
        ([(3, 11), (11, 3)], [3, 11]),  # antiparallel, a bond in each direction
        ([(2, 12), (10, 4)], [3, 11]),  # antiparallel, bonds around the residues
        ([(2, 11), (11, 4)], [3, 11]),  # parallel
        ([(3, 11)], []),
        ([(3, 5), (5, 3)], []),  # too near in sequence
    ],
)
def test_bridges_are_those_of_the_dictionary(bonds: list[tuple[int, int]], residues: list) -> None:
    made = secondary_structure._Bonds(np.zeros((0, 4, 3)), np.zeros(0, int), np.zeros(0, bool))
    made.size, made.codes = 16, np.sort([acceptor * 16 + donor for acceptor, donor in bonds])
    found = secondary_structure._strands(made, np.zeros(16, int))
    assert np.flatnonzero(found).tolist() == residues


@pytest.mark.data
def test_states_agree_with_dssp(data_dir: Path) -> None:
    h5py = pytest.importorskip("h5py")
    table = np.zeros((3, 3))
    with h5py.File(data_dir / "ppbs_profiles" / "profiles.h5") as profiles:
        for name in sorted(profiles)[::25]:
            path = data_dir / "ppbs" / "structures" / f"{name}.pdb.gz"
            protein = read_structure(path) if path.exists() else None
            sequence = profiles[name].attrs["sequence"]
            if protein is None or "".join(c.sequence for c in protein.chains) != sequence:
                continue
            dssp = np.asarray(profiles[name]["dssp"][:, 5:], np.float64)
            # The order of its nine states was inferred from the values: H, B, E, G, I first.
            state = np.array([0, 1, 1, 0, 0, 2, 2, 2, 2])[dssp.argmax(1)]
            mine = secondary_structure.states(protein)
            known = (mine >= 0) & (dssp.sum(1) > 0)
            np.add.at(table, (state[known], mine[known]), 1)
    assert table.sum() > 2000 and np.trace(table) / table.sum() > 0.95


# ---------------------------------------------------------------------------------- confidence


def test_confidence_is_the_rank_of_the_b_factor() -> None:
    chain = dataclasses.replace(shelf.chain(5), bfactor=np.array([30, 10, 20, 20, np.nan], "f4"))
    expected = [1.0, 0.0, 0.5, 0.5, 0.0]
    assert scalars("confidence", shelf.protein("x", chain))[:, 0].tolist() == expected


def test_the_order_of_columns_names_every_set_of_the_library() -> None:
    assert sorted(ORDER) == FEATURE_SETS.known()


def test_a_set_of_a_plug_in_comes_after_the_librarys(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = FeatureSet(
        (Feature("number of the residue", 1, "none", "0"),),
        lambda protein: columns(np.arange(len(protein), dtype=float)[:, None]),
    )
    monkeypatch.setitem(FEATURE_SETS._entries, "a_mine", mine)
    graph = build_graph(EXAMPLE, GraphSpec(features=("a_mine", "density", BACKBONE)))
    assert GraphSpec(features=("a_mine", BACKBONE)).features == (BACKBONE, "a_mine")
    assert graph.nodes["node_s"][:, -1].tolist() == list(range(len(EXAMPLE)))


def test_graphs_that_are_kept_belong_to_the_code_of_a_plug_ins_set(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    module, file = ModuleType("their_sets"), tmp_path / "their_sets.py"
    module.__file__ = str(file)
    monkeypatch.setitem(sys.modules, "their_sets", module)
    for name, function in (("of_a_file", lambda protein: 1), ("of_a_notebook", lambda protein: 2)):
        monkeypatch.setitem(FEATURE_SETS._entries, name, FeatureSet((), function))
    monkeypatch.setitem(FEATURE_SETS._owners, "of_a_file", "their_sets")

    def kept(*features: str) -> str:
        spec = GraphSpec(features=features)
        return PreparedExamples(tmp_path, "1234", [], [], [], spec, None)._name("1234")

    file.write_text("first = 1\n")
    before = kept("of_a_file"), kept("of_a_notebook"), kept("density")
    file.write_text("first = 2\n")
    other = FeatureSet((), lambda protein: 3)
    monkeypatch.setitem(FEATURE_SETS._entries, "of_a_notebook", other)
    after = kept("of_a_file"), kept("of_a_notebook"), kept("density")
    assert [a == b for a, b in zip(before, after, strict=True)] == [False, False, True]


@pytest.mark.parametrize("given, message", [
    (np.zeros((len(EXAMPLE) - 1, 1)), "and declares .* for a protein of .* residues, unresolved"),
    (np.zeros((len(EXAMPLE), 2)), "and declares"),
    (np.full((len(EXAMPLE), 1), np.nan), "values that are not finite"),
], ids=["rows", "columns", "values"])  # fmt: skip
def test_a_set_that_does_not_give_what_it_declares_is_an_error(
    given: np.ndarray, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Columns(given, np.zeros((len(given), 0, 3)))
    mine = FeatureSet((Feature("mine", 1, "none", "0"),), lambda protein: found)
    monkeypatch.setitem(FEATURE_SETS._entries, "mine", mine)
    with pytest.raises(ConfigError, match=f"The feature set mine gives .*{message}"):
        build_graph(EXAMPLE, GraphSpec(features=("mine",)))


def test_reading_features_draws_no_random_numbers() -> None:
    from zoo.backbones.mpnn_features import _network

    _network.cache_clear()
    before = torch.get_rng_state()
    computed(shelf.ordinary(20), tuple(FEATURE_SETS))
    assert torch.equal(torch.get_rng_state(), before)


def test_what_mpnn_knows_is_what_the_network_says_of_the_structure() -> None:
    model = zoo.create_model("none", "mpnn", values={"structure.args.log_odds": True})
    with torch.inference_mode():
        live = model.features(model.batch([EXAMPLE]))
    found = torch.from_numpy(scalars("mpnn", EXAMPLE)).float()
    torch.testing.assert_close(found, live, atol=1e-5, rtol=1e-5)
    likely = found[:, 128:].exp()
    assert likely.sum(1).max() <= 20.001 and likely.sum(1).min() > 19  # the 21st letter is X
    letters = dataclasses.replace(EXAMPLE.chains[0], sequence="A" * len(EXAMPLE))
    other = dataclasses.replace(EXAMPLE, chains=(letters,))
    assert np.array_equal(scalars("mpnn", other), scalars("mpnn", EXAMPLE))


def test_sequence_fit_is_what_mpnn_says_of_the_residue_that_is_there() -> None:
    odds = scalars("mpnn", EXAMPLE)[:, 128:]
    own = [features.LETTERS.index(letter) for letter in EXAMPLE.chains[0].sequence]
    fit = scalars("sequence_fit", EXAMPLE)
    np.testing.assert_array_equal(fit[:, 0], odds[np.arange(len(own)), own])
    assert fit.mean() > 0.5  # a natural sequence fits its own structure
    moved = EXAMPLE.chains[0].sequence[35:] + EXAMPLE.chains[0].sequence[:35]
    other = dataclasses.replace(EXAMPLE, chains=(replaced(moved),))
    assert scalars("sequence_fit", other).mean() < fit.mean() - 0.5
    unknown = dataclasses.replace(EXAMPLE, chains=(replaced("X" * len(EXAMPLE)),))
    assert not scalars("sequence_fit", unknown).any()


def replaced(sequence: str) -> Chain:
    """Return the chain of the example with other letters."""
    return dataclasses.replace(EXAMPLE.chains[0], sequence=sequence)
