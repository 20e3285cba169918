"""Probing: a planted layer is found, on validation samples alone, and rows are the same for all."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tests import shelf
from tests.training import runs
from zoo.data.preparing import index_record
from zoo.data.rounds import Round, rounds
from zoo.data.samples import Sample
from zoo.errors import DataError
from zoo.probing.answer import common_layer
from zoo.probing.linear import PENALTIES, fits
from zoo.probing.parts import Array, Part, Source, letters, nothing
from zoo.probing.probe import (
    Probed,
    _merit,
    best_layers,
    gains,
    headline,
    on_test,
    probe,
    scores,
    tables,
)  # fmt: skip
from zoo.probing.structure import feature_sets
from zoo.probing.study import UNREAD, Findings, Settings, study
from zoo.probing.tables import BOUND, UNDRAWN, UNKNOWN, UNRESOLVED, table
from zoo.system.listener import Listener, Stopped
from zoo.tasks import Target

PLANTED = 2
QUICK = Settings(bootstrap=50)


class Data:
    """Samples in memory, that note which of them were read."""

    def __init__(self, target: Target, count: int = 24, samples: list[Sample] | None = None):
        self.target, self.read = target, set[str]()
        found = runs.samples(target, count=count) if samples is None else samples
        self.all = {sample.id: sample for sample in found}
        self.index = {key: index_record(sample, [target]) for key, sample in self.all.items()}

    def __call__(self, key: str) -> Sample:
        self.read.add(key)
        return self.all[key]

    @property
    def keys(self) -> Round:
        return rounds(self.index)[0]


def planted(target: Target, name: str = "model") -> Source:
    """Return three layers of noise, of which the second also holds what the target is made of."""

    def rows(layer: int, key: str, sample: Sample) -> Array:
        rng = np.random.default_rng([layer, *key.encode()])
        found = rng.normal(size=(len(sample.protein), 6)).astype(np.float32)
        if layer == PLANTED:
            letters = "".join(chain.sequence for chain in sample.protein.chains)
            found[:, 3] += 3.0 * np.array([letter in "AVILMFWC" for letter in letters])
        return found

    def part(layer: int) -> Part:
        return Part(name, f"layer {layer}", lambda *given: rows(layer, *given), layer)

    return Source(name, tuple(part(layer) for layer in (1, 2, 3)), nothing)


def found_in(data: Data, *sources: Source, settings: Settings = QUICK) -> Findings:
    return study(data, data.index, data.keys, [data.target], sources, settings)


@pytest.mark.parametrize("kind", [kind for kind in runs.TARGETS if kind != "binary"])
def test_a_planted_layer_is_found(kind: str) -> None:
    data = Data(runs.TARGETS[kind], count=90)
    found = found_in(data, planted(data.target))
    assert found.layers == {"model": PLANTED}
    (one,) = found.targets
    above = one["layers"]["model"]["above"]["model layer 3"][one["metric"]]
    assert (above["value"] > 0) == (one["better"] == "higher")
    chosen = [row["title"] for row in one["parts"] if row["chosen"]]
    assert chosen == ["model layer 2"]


def test_intervals_hold_the_value_and_draw_kin_together() -> None:
    data = Data(runs.BINDING)
    copies = {key: dataclasses.replace(s, group="g") for key, s in data.all.items()}
    for row in found_in(data, planted(data.target)).targets[0]["parts"]:
        for one in row["validation"].values():
            assert one["low"] <= one["value"] <= one["high"] and one["n_groups"] > 1
    family = Data(runs.BINDING, samples=list(copies.values()))
    row = found_in(family, planted(data.target)).targets[0]["parts"][0]
    assert row["validation"]["average_precision"]["n_groups"] == 1


def test_the_same_seed_finds_the_same() -> None:
    data = Data(runs.BINDING)
    settings = dataclasses.replace(QUICK, rows=100)
    first, again = (found_in(data, planted(data.target), settings=settings) for _ in range(2))
    assert first == again
    other = found_in(data, planted(data.target), settings=dataclasses.replace(settings, seed=1))
    assert other.targets != first.targets
    assert first.targets[0]["rows"]["train"] == 100


def test_test_samples_are_not_read_unless_asked_for() -> None:
    data = Data(runs.BINDING)
    found = found_in(data, planted(data.target))
    assert data.keys.test and not data.read & set(data.keys.test)
    assert found.left_out == dict.fromkeys(data.keys.test, UNREAD)
    assert not any("test" in row for row in found.targets[0]["parts"])


def test_test_samples_choose_nothing() -> None:
    data = Data(runs.BINDING)
    settings = dataclasses.replace(QUICK, test=True)
    before = found_in(data, planted(data.target), settings=settings)
    for key in data.keys.test:
        flipped = {data.target.name: 1.0 - data.all[key].targets[data.target.name]}
        data.all[key] = dataclasses.replace(data.all[key], targets=flipped)
    after = found_in(data, planted(data.target), settings=settings)
    for old, new in zip(before.targets[0]["parts"], after.targets[0]["parts"], strict=True):
        assert {**old, "test": 0} == {**new, "test": 0}
        assert ("test" in old) == (old["chosen"] or old["layer"] is None)
    scored = [one["parts"][1]["test"]["average_precision"]["value"]
              for one in (before.targets[0], after.targets[0])]  # fmt: skip
    assert scored[0] > 0.8 > scored[1]


def test_a_part_of_structures_leaves_out_residues_without_coordinates_for_all() -> None:
    protein = shelf.unresolved()
    y = np.arange(len(protein), dtype=np.float32) % 2
    sample = Sample("p", protein, {"binding_site": y}, split="train")
    sequence = Sample("s", dataclasses.replace(protein, chains=(
        shelf.without(protein.chains[0], range(len(protein))),)), {"binding_site": y})  # fmt: skip
    data = {"p": sample, "s": sequence}.__getitem__
    every = table(runs.BINDING, data, ["p", "s"], {}, of_structure=False)
    there = table(runs.BINDING, data, ["p", "s"], {}, of_structure=True)
    assert len(every) == 2 * len(protein) and len(there) == protein.nodes.sum() < len(protein)
    assert dict(there.left_out) == {"s": UNRESOLVED} and not every.left_out
    (part,) = feature_sets(["surface"]).parts
    assert np.isnan(part.rows("p", sample)[~protein.nodes]).all()
    assert np.isfinite(there.inputs(part, data)).all()


def test_rows_that_are_drawn_keep_their_inputs_and_truth() -> None:
    data = Data(runs.BINDING)
    part = planted(data.target).parts[1]
    whole = table(data.target, data, data.keys.train, {}, of_structure=False)
    some = whole.drawn(50, seed=3)
    places = [(i, r) for i, r in zip(whole.truth.id, whole.truth.residue, strict=True)]
    at = [places.index(place) for place in zip(some.truth.id, some.truth.residue, strict=True)]
    assert len(some) == 50 and at == sorted(set(at))
    assert np.array_equal(some.inputs(part, data), whole.inputs(part, data)[at])
    assert np.array_equal(some.truth.y_true, whole.truth.y_true[at])
    assert whole.drawn(len(whole), 0) is whole


def test_proteins_are_read_by_the_mean_over_their_residues() -> None:
    data = Data(runs.TARGETS["regression"])
    rows = table(data.target, data, data.keys.train, {}, of_structure=False)
    (composition,) = letters("protein").parts
    x = rows.inputs(composition, data)
    assert composition.name == "composition" and len(x) == len(data.keys.train)
    sequence = data.all[data.keys.train[0]].protein.chains[0].sequence
    assert x[0].max() == pytest.approx(max(map(sequence.count, set(sequence))) / len(sequence))


def test_what_is_chosen_predicts_test_samples_as_its_map_says() -> None:
    data = Data(runs.TARGETS["regression residue"])
    sources = [planted(data.target), letters("residue")]
    found = tables(data.target, data, data.index, data.keys, sources, test=True)
    probed = probe([part for one in sources for part in one.parts], found, data)
    best = best_layers(probed)["model"]
    assert found.test is not None
    (said,) = on_test([best], found.test, data)
    x = found.test.inputs(best.part, data)
    assert said.y_pred == pytest.approx(x @ best.map.weight[:, 0] + best.map.bias[0])
    assert scores(said, 50)["rmse"].value == pytest.approx(
        np.sqrt(np.mean((said.y_pred - said.y_true) ** 2))
    )
    assert gains(said, said, 50)["rmse"].value == 0


@pytest.mark.parametrize("what", ["training", "validation"])
def test_one_kind_of_value_is_an_error(what: str) -> None:
    data = Data(runs.BINDING)
    for key in data.keys.train if what == "training" else data.keys.validation:
        old = data.all[key].targets[data.target.name]
        same = {data.target.name: np.where(np.isnan(old), np.nan, 1.0).astype(np.float32)}
        data.all[key] = dataclasses.replace(data.all[key], targets=same)
    with pytest.raises(DataError, match=f"binding_site: the {what} samples"):
        found_in(data, planted(data.target))


def test_labels_that_no_validation_sample_has_are_an_error() -> None:
    data = Data(runs.TARGETS["multilabel"], count=90)
    for key in data.keys.validation:
        none = {data.target.name: np.zeros(2, np.float32)}
        data.all[key] = dataclasses.replace(data.all[key], targets=none)
    with pytest.raises(DataError, match="15 known values, all the same"):
        found_in(data, planted(data.target))


def test_drawn_rows_of_one_class_are_an_error() -> None:
    data = Data(runs.BINDING)
    positive = 0
    for key in data.keys.train:
        y = np.zeros(len(data.all[key].protein), np.float32)
        y[0], positive = float(positive == 0), 1
        data.all[key] = dataclasses.replace(data.all[key], targets={data.target.name: y})
    found_in(data, planted(data.target))
    with pytest.raises(DataError, match="the 5 training rows that were drawn.*--rows"):
        found_in(data, planted(data.target), settings=dataclasses.replace(QUICK, rows=5))


def test_training_samples_that_no_map_is_fitted_on_are_told() -> None:
    data = Data(runs.TARGETS["regression"])
    bound, *others = data.keys.train
    data.all[bound] = dataclasses.replace(data.all[bound], censored=1)
    found = found_in(data, planted(data.target), settings=dataclasses.replace(QUICK, rows=3))
    assert found.targets[0]["rows"]["train"] == 3
    reasons = [found.left_out.get(key) for key in others]
    assert found.left_out[bound] == BOUND and reasons.count(UNDRAWN) == len(others) - 3


@pytest.mark.parametrize("split", ["validation", "test"])
def test_values_that_are_only_bounds_are_not_scored(split: str) -> None:
    data = Data(runs.TARGETS["regression"])
    keys = data.keys.validation if split == "validation" else data.keys.test
    for key in keys:
        data.all[key] = dataclasses.replace(data.all[key], censored=1)
    settings = dataclasses.replace(QUICK, test=True)
    if split == "validation":
        with pytest.raises(DataError, match="the validation samples have no.*only a bound"):
            found_in(data, planted(data.target), settings=settings)
    else:
        found = found_in(data, planted(data.target), settings=settings)
        assert "no test sample has a known value" in found.skipped[0]
        assert found.left_out == dict.fromkeys(keys, BOUND)


def test_test_samples_without_known_values_are_told() -> None:
    data = Data(runs.BINDING)
    for key in data.keys.test:
        unknown = {data.target.name: np.full(len(data.all[key].protein), np.nan, np.float32)}
        data.all[key] = dataclasses.replace(data.all[key], targets=unknown)
    found = found_in(data, planted(data.target), settings=dataclasses.replace(QUICK, test=True))
    assert found.skipped == ["binding_site: no test sample has a known value, so none is scored"]
    assert not any("test" in row for row in found.targets[0]["parts"])
    assert found.left_out == dict.fromkeys(data.keys.test, UNKNOWN)


def test_a_target_that_all_layers_tell_alike_has_no_say() -> None:
    data = Data(runs.TARGETS["regression residue"])
    found = tables(data.target, data, data.index, data.keys, [planted(data.target)])
    probed = probe(planted(data.target).parts, found, data)

    def scored(*merits: float) -> list[Probed]:
        return [dataclasses.replace(one, merit=x) for one, x in zip(probed, merits, strict=True)]

    alike, last = scored(1.0, 1.0, 1.0), scored(1.0, 2.0, 3.0)
    assert common_layer([alike, last], "model") == 3
    assert common_layer([alike], "model") == 1
    assert common_layer([scored(-float("inf"), 1.0, 2.0)], "model") == 3


def test_what_is_not_defined_is_never_the_best() -> None:
    rmse, precision = headline("regression"), headline("binary")
    assert [_merit(rmse, x) for x in (2.0, float("nan"))] == [-2.0, -np.inf]
    assert [_merit(precision, x) for x in (0.5, float("nan"))] == [0.5, -np.inf]


def test_a_stop_is_heeded_between_parts() -> None:
    data = Data(runs.BINDING)
    fitted: list[int] = []
    listener = Listener(asked=lambda: bool(fitted))

    def rows(key: str, sample: Sample) -> Array:
        fitted.append(1)
        return np.ones((len(sample.protein), 1), np.float32)

    parts = (Part("m", "layer 1", rows, 1), *planted(data.target).parts)
    with pytest.raises(Stopped, match="the same command continues"):
        study(data, data.index, data.keys, [data.target], [Source("m", parts, nothing)], QUICK,
              listener)  # fmt: skip


# Linear maps


def random(rows: int = 200, columns: int = 5) -> tuple[Array, np.random.Generator]:
    rng = np.random.default_rng(0)
    return (rng.normal(size=(rows, columns)) * [1, 2, 3, 4, 100]).astype(np.float32), rng


def test_numbers_are_fitted_by_ridge_in_closed_form() -> None:
    x, rng = random()
    y = x @ rng.normal(size=5) + rng.normal(size=len(x)) + 7
    z = (x - x.mean(0)) / x.std(0)
    for penalty, one in fits(x, y, Target("y", "regression", "residue")):
        weight = np.linalg.solve(
            z.T @ z / len(x) + penalty * np.eye(5), z.T @ (y - y.mean()) / len(x)
        )
        assert one.predict(x) == pytest.approx(z @ weight + y.mean(), rel=1e-3, abs=1e-2)


@pytest.mark.parametrize("classes", [2, 3])
def test_classes_are_fitted_by_logistic_regression(classes: int) -> None:
    from sklearn.linear_model import LogisticRegression

    x, rng = random()
    y = (x[:, :classes] + rng.normal(size=(len(x), classes))).argmax(1).astype(float)
    z = (x - x.mean(0)) / x.std(0)
    kind, outputs = ("binary", 1) if classes == 2 else ("multiclass", 3)
    found = dict(fits(x, y, Target("y", kind, "residue", outputs)))
    assert tuple(found) == PENALTIES
    for penalty, one in found.items():
        alone = LogisticRegression(C=1 / (penalty * len(x)), tol=1e-8, max_iter=1000).fit(z, y)
        expected = alone.predict_proba(z)
        got = one.predict(x)
        assert got == pytest.approx(expected[:, 1] if classes == 2 else expected, abs=0.01)


def test_a_class_that_training_lacks_has_no_probability() -> None:
    x, _ = random()
    y = np.where(x[:, 0] > 0, 0.0, 2.0)
    *_, (_, one) = fits(x, y, Target("y", "multiclass", "protein", 4))
    found = one.predict(x)
    assert (found[:, [1, 3]] == 0).all() and found.sum(1) == pytest.approx(1)
    assert np.mean(found.argmax(1) == y) > 0.95


def test_unknown_labels_count_as_the_mean_of_their_column() -> None:
    x, _ = random()
    y = np.stack([x[:, 0], x[:, 1]], axis=1).astype(float)
    y[::2, 1] = np.nan
    *_, (_, one) = fits(x, y, Target("y", "multilabel", "protein", 2))
    found = one.predict(x)
    assert found.shape == (200, 2) and np.corrcoef(found[:, 1], x[:, 1])[0, 1] > 0.9


def test_a_column_that_never_changes_is_no_trouble() -> None:
    x, _ = random()
    y = x[:, 0].copy()
    x[:, 2] = 5
    *_, (_, one) = fits(x, y, Target("y", "regression", "residue"))
    assert np.isfinite(one.predict(x)).all()
