"""Every kind of target has its metrics, pooled and for every subset, beside its baselines."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from tests.metrics.samples import predictions
from zoo.errors import ZooError
from zoo.metrics.binary import best_threshold, mcc, weighted_aucpr
from zoo.metrics.scannet import scannet_protocol
from zoo.metrics.suite import evaluate, report, validation_threshold

NAN = float("nan")
GLOBAL = {"rmse", "mae", "pearson", "spearman", "kendall", "concordance_index"}
GROUPS = {"group_pearson", "group_spearman", "group_kendall", "top1_loss"}
CHAINS = {"aucpr_weighted", "chain_roc_auc", "chain_average_precision"}
EXPECTED = [
    (predictions("regression"), GLOBAL),
    (predictions("regression", grouped=True), GLOBAL | GROUPS),
    (predictions("regression", "residue", per=4), GLOBAL),
    (predictions("binary"), {"average_precision", "roc_auc"}),
    (predictions("binary", "residue", per=9), {"average_precision", "roc_auc"} | CHAINS),
    (predictions("multiclass", outputs=3), {"accuracy", "macro_accuracy"}),
    (predictions("multilabel", outputs=5), {"fmax", "micro_average_precision"}),
]


@pytest.mark.parametrize(("one", "names"), EXPECTED)
def test_each_kind_has_its_metrics(one, names):
    found = evaluate(one, n=20)
    assert set(found) == names
    for name, value in found.items():
        assert value.low <= value.value <= value.high or name in GLOBAL | GROUPS, name
        assert value.n_groups == len(np.unique(one.cluster))


def test_mcc_uses_the_threshold_of_the_validation_split():
    one = predictions("binary", "residue", per=9)
    validation, test = one.split == "validation", one.split == "test"
    threshold = best_threshold(one.y_true[validation], one.y_pred[validation])
    assert validation_threshold(one) == threshold
    part = report(one, n=10).parts[0]
    expected = mcc(one.y_true[test], one.y_pred[test], threshold)
    assert part.values["mcc"].value == pytest.approx(expected)
    assert "mcc" not in report(one.take(test), n=10).parts[0].values


def test_a_report_has_subsets_and_baselines_and_is_plain():
    one = predictions("regression", n=60, subsets=("easy", "hard"))
    dull = dataclasses.replace(one, y_pred=np.zeros(60))
    found = report(one, {"mean": dull}, n=20)
    rows = [(part.model, part.subset) for part in found.parts]
    names = ["all", "easy", "hard"]
    assert sorted(rows) == sorted([(m, s) for m in ("model", "mean") for s in names])
    assert found.parts[0].examples == found.parts[1].examples + found.parts[2].examples == 40
    plain = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert plain["parts"][3]["values"]["pearson"]["value"] is None


def test_unknown_targets_are_not_scored():
    one = predictions("binary", "residue", per=9)
    holes = one.y_true.copy()
    holes[::4] = NAN
    some = dataclasses.replace(one, y_true=holes, y_pred=np.where(np.isnan(holes), NAN, one.y_pred))
    kept = one.take(~np.isnan(holes))
    assert evaluate(some, n=20) == evaluate(kept, n=20)


def test_a_known_target_without_prediction_is_an_error():
    one = predictions("regression", n=6)
    one.y_pred[2] = NAN
    with pytest.raises(ZooError, match="1 of 6 predictions of 'y' are not numbers: those for s2"):
        evaluate(one)


def test_several_columns_are_pooled():
    one = predictions("regression", n=10)
    two = dataclasses.replace(
        one,
        target=dataclasses.replace(one.target, outputs=2),
        y_true=np.column_stack([one.y_true, np.full(10, NAN)]),
        y_pred=np.column_stack([one.y_pred, np.zeros(10)]),
    )
    assert evaluate(two, n=5)["rmse"].value == pytest.approx(evaluate(one, n=5)["rmse"].value)


def test_scannets_number_stands_beside_the_clean_one():
    one = predictions("binary", "residue", per=9)
    one.y_true[::5] = NAN
    found = evaluate(one, n=10, scannet_length=6)
    columns = (one.y_true, one.y_pred, one.weight)
    published = scannet_protocol(*columns, one.id, length=6)
    assert found["aucpr_scannet_protocol"].value == pytest.approx(published)
    assert found["aucpr_weighted"].value == pytest.approx(weighted_aucpr(*columns))


def test_nothing_to_score_gives_no_number():
    one = predictions("regression", n=3)
    one.y_true[:] = NAN
    assert all(np.isnan(value.value) for value in evaluate(one, n=5).values())
