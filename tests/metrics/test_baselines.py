"""Baselines predict what they say, in the shape of their target, from training data only."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import zoo.metrics.shape  # noqa: F401  # registers its baselines
from tests.metrics.samples import sample
from zoo.data.samples import Sample
from zoo.metrics import trees
from zoo.metrics.baselines import BASELINES, baselines_for, heavy_atoms, neighbours
from zoo.metrics.predictions import from_samples
from zoo.metrics.suite import evaluate
from zoo.metrics.window import one_hot_window
from zoo.proteins.build_graph import GraphSpec, build_graph
from zoo.proteins.density import density, place
from zoo.proteins.protein import Protein, from_sequence
from zoo.tasks import Target

NAN = float("nan")
LENGTHS = (6, 7, 9, 12, 5)


def shelf(target: Target):
    """Return samples with a random target, of different lengths and ligands, one entry unknown."""
    rng = np.random.default_rng(0)
    found = []
    for at, length in enumerate(LENGTHS):
        rows = (length,) if target.level == "residue" else ()
        several = target.outputs > 1 and target.kind != "multiclass"
        shape = (*rows, target.outputs) if several else rows
        y = np.asarray(rng.normal(size=shape) if target.kind == "regression" else
                       rng.integers(0, max(target.outputs, 2), shape) * 1.0)  # fmt: skip
        y = np.minimum(y, 1) if target.kind == "multilabel" else y
        if y.ndim and at == 1:
            y[0] = NAN
        found.append(sample(f"s{at}", {"y": y}, length=length, heavy=at, seed=at))
    return found


TARGETS = [
    Target("y", kind, level, outputs)
    for kind, outputs in [
        ("regression", 1), ("regression", 2), ("binary", 1), ("multiclass", 4), ("multilabel", 3),
    ]
    for level in ("residue", "protein")
]  # fmt: skip


@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_every_target_has_a_baseline_in_its_shape(target):
    samples = shelf(target)
    found = baselines_for(target)
    assert found
    for name, cls in found.items():
        outputs = cls(target).fit(samples).predict(samples)
        rows = from_samples(target, samples, outputs)
        assert np.isfinite(rows.y_pred).all(), name
        assert evaluate(rows, n=3)


def test_every_baseline_serves_something():
    served = {name for target in TARGETS for name in baselines_for(target)}
    assert served == set(BASELINES)
    assert all(BASELINES[name].__doc__ for name in BASELINES)


def test_test_data_are_refused():
    target = Target("y", "regression", "protein")
    with pytest.raises(ValueError, match="'test' is not a training sample"):
        BASELINES["mean"](target).fit([sample("a", {"y": 1.0}, split="test")])


def fitted(name, target, samples):
    return BASELINES[name](target).fit(samples)


def test_the_constant_ones():
    target = Target("y", "multiclass", "protein", 3)
    samples = [sample(f"s{at}", {"y": y}) for at, y in enumerate([0.0, 2.0, 2.0, NAN])]
    new = [sample("new", {})]
    np.testing.assert_allclose(fitted("prior", target, samples).predict(new), [[1 / 3, 0, 2 / 3]])
    np.testing.assert_allclose(fitted("majority", target, samples).predict(new), [[0, 0, 1]])
    numbers = Target("y", "regression", "protein")
    assert fitted("mean", numbers, samples).predict(new)[0] == pytest.approx(4 / 3)


def test_residue_propensity_is_the_mean_by_letter():
    target = Target("y", "binary", "residue")
    one = sample("a", {"y": [1, 0, 1, NAN, 0, 0, 1, 0]}, seed=3)
    sequence, y = one.protein.chains[0].sequence, one.targets["y"]
    outputs = fitted("residue_propensity", target, [one]).predict([one])[0]
    for letter, value in zip(sequence, outputs, strict=True):
        known = [v for x, v in zip(sequence, y, strict=True) if x == letter and not np.isnan(v)]
        assert value == pytest.approx(np.mean(known) if known else np.nanmean(y))


def test_lines_are_least_squares():
    target = Target("y", "regression", "protein")
    samples = [
        sample(f"s{at}", {"y": y}, length=3 + at, heavy=2 * at + 1)
        for at, y in enumerate([1.0, 2.5, 2.0, 4.0])
    ]
    expected = np.polyfit([1, 3, 5, 7], [1.0, 2.5, 2.0, 4.0], 1)
    found = fitted("ligand_size", target, samples).predict(samples)
    np.testing.assert_allclose(found, np.polyval(expected, [1, 3, 5, 7]))
    expected = np.polyfit([3, 4, 5, 6], [1.0, 2.5, 2.0, 4.0], 1)
    found = fitted("chain_length", target, samples).predict(samples)
    np.testing.assert_allclose(found, np.polyval(expected, [3, 4, 5, 6]))
    assert [heavy_atoms(one.protein) for one in samples] == [1, 3, 5, 7]


def test_equal_sizes_give_the_mean():
    target = Target("y", "regression", "protein")
    samples = [sample("a", {"y": 1.0}, heavy=2), sample("b", {"y": 3.0}, heavy=2)]
    assert fitted("ligand_size", target, samples).predict(samples) == [2.0, 2.0]


@pytest.mark.parametrize("sign", [1, -1])
def test_burial_learns_which_way_counts(sign):
    target = Target("y", "binary", "residue")
    one = sample("a", {}, length=40, seed=1)
    ca = one.protein.chains[0].coords[:, 1]
    near = (np.linalg.norm(ca[:, None] - ca, axis=-1) <= 10).sum(1) - 1
    np.testing.assert_array_equal(neighbours(one.protein), near)
    label = (sign * near > np.median(sign * near)).astype(float)
    train = sample("a", {"y": label}, length=40, seed=1)
    rows = from_samples(target, [train], fitted("burial", target, [train]).predict([train]))
    assert evaluate(rows, n=2)["roc_auc"].value == 1.0


def test_burial_of_an_unresolved_residue_is_the_middle():
    target = Target("y", "binary", "residue")
    one = sample("a", {"y": [0, 1, 0, 1, 0, 1, 0, 1]})
    one.protein.chains[0].coords[2] = NAN
    model = fitted("burial", target, [one])
    assert abs(model.predict([one])[0][2]) == pytest.approx(np.nanmean(neighbours(one.protein)))


# -------------------------------------------------------------------- windows and boosted trees


def of_sequence(name: str, sequence: str, labels, **more):
    made = sample(name, {"y": labels}, **more)
    return dataclasses.replace(made, protein=from_sequence(name, sequence))


def test_a_window_stays_within_its_chain():
    one, two = (from_sequence("x", letters).chains[0] for letters in ("ACD", "WWWW"))
    found = one_hot_window(Protein("x", (one, two), sample("s", {}).protein.atoms))
    assert found.shape == (7, 300)
    assert found.sum(1).tolist() == [3, 3, 3, 4, 4, 4, 4]
    middle = found.reshape(7, 15, 20)
    assert middle[0, 7, "ARNDCQEGHILKMFPSTWYV".index("A")] == 1
    assert middle[0, 8, "ARNDCQEGHILKMFPSTWYV".index("C")] == 1


def test_a_window_learns_what_the_next_letter_tells():
    rng, target = np.random.default_rng(0), Target("y", "binary", "residue")
    letters = ["".join(rng.choice(list("ACDE"), 60)) for _ in range(8)]
    labels = [[float(x == "C") for x in one[1:]] + [0.0] for one in letters]
    made = [of_sequence(f"s{i}", *pair) for i, pair in enumerate(zip(letters, labels, strict=True))]
    rows = from_samples(target, made, fitted("window", target, made[:4]).predict(made))
    assert evaluate(rows.take(rows.id >= "s4"), n=2)["average_precision"].value > 0.99


def test_trees_read_packing_letters_and_their_means_over_neighbours():
    one = sample("s", {}, length=40, seed=1)
    protein, found = one.protein, trees.residue_inputs(one.protein)
    assert found.shape == (40, 136)
    own = np.concatenate([density(protein), place(protein)], axis=1)
    np.testing.assert_allclose(found[:, :14], own, rtol=1e-6)
    ca = protein.chains[0].coords[:, 1].astype(np.float64)
    apart = np.linalg.norm(ca[:, None] - ca, axis=-1)
    for start, radius in ((34, 8.0), (68, 14.0)):
        for row in range(40):
            near = (apart[row] <= radius) & (np.arange(40) != row)
            expected = found[near, :34].mean(0) if near.any() else np.full(34, NAN)
            np.testing.assert_allclose(found[row, start : start + 34], expected, rtol=1e-5)
    one_side = found[:, 102:116][np.isfinite(found[:, 102])]
    assert len(one_side) and not np.allclose(one_side, found[: len(one_side), 68:82])


def test_trees_of_proteins_read_means_and_sizes():
    one = sample("s", {}, length=40, heavy=3, seed=1)
    found, rows = trees.mean_inputs(one.protein)[0], trees.residue_inputs(one.protein)
    np.testing.assert_allclose(found[:14], np.nanmean(rows[:, :14], axis=0), rtol=1e-5)
    np.testing.assert_allclose(found[136:], [np.log(40), np.log(4)], rtol=1e-6)


@pytest.mark.parametrize("features", [(), ("density", "secondary_structure")], ids=["own", "named"])
def test_trees_take_sequences_without_coordinates(features):
    found = trees.mean_inputs(from_sequence("x", "ACDEF"), features)
    count = 14 + 3 * bool(features)
    assert np.isnan(found[0, :count]).all()
    assert found[0, count : count + 20].sum() == pytest.approx(1.0)


def test_trees_on_named_sets_read_the_numbers_of_a_graph_and_letters():
    names = ("backbone", "density", "secondary_structure")
    protein = sample("s", {}, length=40, seed=1).protein
    found, default = trees.residue_inputs(protein, names), trees.residue_inputs(protein)
    nodes = build_graph(protein, GraphSpec(features=names)).nodes
    count = nodes["node_s"].shape[1]
    assert found.shape == (40, 4 * (count + 20))
    np.testing.assert_allclose(found[:, :count], nodes["node_s"].numpy(), rtol=1e-6)
    np.testing.assert_allclose(found[:, 6:20], np.nan_to_num(default[:, :14]), rtol=1e-5)
    np.testing.assert_array_equal(found[:, count : count + 20], default[:, 14:34])
    pooled = trees.mean_inputs(protein, names)[0]
    assert len(pooled) == found.shape[1] + 2
    np.testing.assert_allclose(pooled[:count], found[:, :count].mean(0), rtol=1e-4, atol=1e-6)


def test_trees_on_named_sets_know_nothing_of_a_residue_without_a_node():
    protein = sample("s", {}, length=12, seed=1).protein
    coords = protein.chains[0].coords.copy()
    coords[3] = np.nan
    chain = dataclasses.replace(protein.chains[0], coords=coords)
    found = trees.residue_inputs(dataclasses.replace(protein, chains=(chain,)), ("density",))
    assert np.isnan(found[3, :14]).all() and np.isfinite(found[2, :14]).all()


def sample_of(name, letters, value):
    return Sample(name, from_sequence(name, letters), {"y": np.float32(value)}, "train")


def test_composition_learns_what_a_letter_tells_of_a_protein():
    rng, target = np.random.default_rng(0), Target("y", "regression", "protein")
    letters = ["".join(rng.choice(list("ACDE"), 50)) for _ in range(80)]
    made = [sample_of(f"s{i}", one, one.count("C") / 50) for i, one in enumerate(letters)]
    rows = from_samples(
        target, made[60:], fitted("composition", target, made[:60]).predict(made[60:])
    )
    assert evaluate(rows, n=2)["pearson"].value > 0.95


def on_a_line(name, letters, apart, value):
    """A protein whose CA are `apart` angstrom from one to the next."""
    one = sample_of(name, letters, value)
    coords = np.zeros((len(letters), 4, 3), np.float32)
    coords[:, :, 0] = np.arange(len(letters))[:, None] * apart
    chain = dataclasses.replace(one.protein.chains[0], coords=coords)
    return dataclasses.replace(one, protein=dataclasses.replace(one.protein, chains=(chain,)))


def test_contacts_and_radius_are_those_of_the_coordinates():
    one = on_a_line("s", "AAAA", 5.0, 0.0).protein
    assert BASELINES["contacts"]._number(one) == pytest.approx((1 + 2 + 2 + 1) / 4)
    assert BASELINES["radius_of_gyration"]._number(one) == pytest.approx(np.sqrt(1.25) * 5)


@pytest.mark.parametrize("name", ["contacts", "radius_of_gyration"])
def test_a_line_needs_coordinates_and_gives_the_mean_without(name):
    target = Target("y", "regression", "protein")
    made = [on_a_line("a", "AAAA", 5.0, 1.0), on_a_line("b", "AAAA", 9.0, 0.0)]
    line = fitted(name, target, [*made, sample_of("c", "AAAA", 9.0)])
    assert line.possible
    found = line.predict([*made, sample_of("d", "AC", 0.0)])
    np.testing.assert_allclose(found, [1.0, 0.0, 0.5], atol=1e-6)
    assert not fitted(name, target, [sample_of("c", "AAAA", 9.0)]).possible


def test_trees_find_what_packing_tells_of_new_proteins():
    target = Target("y", "binary", "residue")

    def of(seed: int):
        one = sample(f"s{seed}", {}, length=80, seed=seed)
        near = neighbours(one.protein)
        return sample(f"s{seed}", {"y": (near > 8) * 1.0}, length=80, seed=seed)

    made = [of(seed) for seed in range(12)]
    rows = from_samples(target, made, fitted("boosted_trees", target, made[:8]).predict(made))
    assert (
        evaluate(rows.take(np.isin(rows.id, ["s8", "s9", "s10", "s11"])), n=2)["roc_auc"].value
        > 0.95
    )


@pytest.mark.parametrize("name", ["window", "boosted_trees"])
def test_a_class_that_training_lacks_has_probability_zero(name):
    target = Target("y", "multiclass", "residue", 4)
    train = [sample("a", {"y": [0, 0, 3, 0, 3, 3, 0, 3]})]
    found = fitted(name, target, train).predict(train)[0]
    assert found.shape == (8, 4) and not found[:, 1:3].any()
    np.testing.assert_allclose(found.sum(1), 1.0)
    alone = fitted(name, target, [sample("a", {"y": [2.0] * 8})]).predict(train)[0]
    np.testing.assert_array_equal(alone, np.eye(4)[[2] * 8])


def test_trees_are_fitted_without_stopping_early_on_a_part_of_the_data():
    assert trees.SETTINGS["early_stopping"] is False  # else it holds out a random tenth of residues


def test_there_are_no_trees_of_hundreds_of_classes():
    assert "boosted_trees" not in baselines_for(Target("y", "multiclass", "protein", 384))
    assert "boosted_trees" in baselines_for(Target("y", "multiclass", "protein", 7))


def test_chain_length_gives_all_residues_of_a_chain_one_value():
    target = Target("y", "binary", "residue")
    short, long = (
        sample("a", {"y": [1, 1, 0, 1]}, length=4),
        sample("b", {"y": [0] * 9 + [1]}, length=10),
    )
    found = fitted("chain_length", target, [short, long]).predict([short, long])
    assert np.ptp(found[0]) == np.ptp(found[1]) == 0
    np.testing.assert_allclose([found[0][0], found[1][0]], [0.75, 0.1])
