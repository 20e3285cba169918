"""Baselines predict what they say, in the shape of their target, from training data only."""

from __future__ import annotations

import numpy as np
import pytest

from tests.metrics.samples import sample
from zoo.metrics.baselines import BASELINES, baselines_for, heavy_atoms, neighbours
from zoo.metrics.predictions import from_samples
from zoo.metrics.suite import evaluate
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
