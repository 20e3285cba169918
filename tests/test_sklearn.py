"""`zoo.sklearn`: estimators that scikit-learn's own tools take, over paths and proteins."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.utils.estimator_checks import parametrize_with_checks

import zoo
from tests import shelf
from zoo.errors import ConfigError, DataError
from zoo.proteins.files.scores import write_scored
from zoo.sklearn import ZooClassifier, ZooRegressor

SMALL = {
    "structure.args.head_dim": 4, "structure.args.num_layers": 2, "graph.k": 6,
    "head.args.hidden": 8, "fusion.args.width": 8, "fusion.args.gate_width": 4,
    "fusion.write_back": "side",
}  # fmt: skip
PROTEINS = [shelf.ordinary(12 + at, seed=at) for at in range(12)]
LONG = np.array([len(protein) > 17 for protein in PROTEINS])
ARRAYS = "its inputs are paths and proteins, and this check fits or predicts arrays"
#: Checks of scikit-learn that fit or predict a table of numbers.
OF_ARRAYS = """
    fit_score_takes_y estimators_overwrite_params dont_overwrite_parameters pipeline_consistency
    estimators_fit_returns_self readonly_memmap_input positive_only_tag_during_fit estimators_dtypes
    estimator_sparse_tag estimator_sparse_array estimator_sparse_matrix estimators_pickle
    f_contiguous_array_estimator classifier_data_not_an_array regressor_data_not_an_array
    classifiers_classes classifiers_train regressors_train regressors_no_decision_function
    regressors_int methods_sample_order_invariance methods_subset_invariance fit2d_1sample
    fit2d_1feature dict_unchanged fit_idempotent fit_check_is_fitted
""".split()


def small(cls, **given):
    return cls(**{"epochs": 2, "device": "cpu", "values": SMALL, **given})


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    folder = tmp_path_factory.mktemp("structures")
    for at, protein in enumerate(PROTEINS):
        write_scored(folder / f"{at}.cif", protein, np.zeros(len(protein)))
    return [folder / f"{at}.cif" for at in range(len(PROTEINS))]


@pytest.fixture(scope="module")
def fitted():
    return small(ZooClassifier).fit(PROTEINS, LONG)


class _OfTables:
    """Says that tables are taken: for other inputs, scikit-learn runs hardly any check."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        return tags


class Classifier(_OfTables, ZooClassifier):
    pass


class Regressor(_OfTables, ZooRegressor):
    pass


def failing(estimator) -> dict[str, str]:
    passing = {"fit2d_1sample"} if isinstance(estimator, ZooClassifier) else set()  # one class
    return {f"check_{name}": ARRAYS for name in OF_ARRAYS if name not in passing}


@parametrize_with_checks(
    [Classifier(), Regressor()],
    expected_failed_checks=failing,
)
def test_scikit_learn_finds_no_fault(estimator, check):
    check(estimator)


def test_probabilities_and_classes_fit_each_other(fitted):
    found = fitted.predict_proba(PROTEINS)
    assert found.shape == (12, 2)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert fitted.classes_.tolist() == [False, True]
    np.testing.assert_array_equal(fitted.predict(PROTEINS), found[:, 1] > 0.5)
    assert 0 <= fitted.score(PROTEINS, LONG) <= 1
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.predict_proba(PROTEINS), found)


def test_a_fit_depends_on_its_seed_alone(fitted, paths):
    again = small(ZooClassifier).fit(paths, LONG.tolist())
    expected = fitted.predict_proba(PROTEINS)
    np.testing.assert_array_equal(again.predict_proba(paths), expected)
    other = clone(fitted).set_params(random_state=1).fit(PROTEINS, LONG)
    assert not np.allclose(other.predict_proba(PROTEINS), expected)


def test_more_than_two_classes_have_a_probability_each():
    names = np.array(["short", "middle", "long"])[np.arange(12) // 4]
    found = small(ZooClassifier).fit(PROTEINS, names)
    assert found.classes_.tolist() == ["long", "middle", "short"]
    assert found.predict_proba(PROTEINS[:5]).shape == (5, 3)
    assert set(found.predict(PROTEINS)) <= {*names}


def test_a_number_is_learnt(tmp_path):
    sizes = np.array([float(len(protein)) for protein in PROTEINS])
    rates = {"train.lr.structure": 0.01, "train.lr.fusion": 0.01}
    model = small(ZooRegressor, epochs=40, store=str(tmp_path), values={**SMALL, **rates})
    found = model.fit(PROTEINS, sizes).predict(PROTEINS)
    assert np.corrcoef(found, sizes)[0, 1] > 0.8 and any(tmp_path.iterdir())
    assert model.predict(PROTEINS[0]).shape == (1,)


def test_scikit_learns_searches_take_paths(paths):
    scores = cross_val_score(small(ZooRegressor), paths, np.arange(12.0), cv=2)
    assert scores.shape == (2,) and np.isfinite(scores).all()
    search = GridSearchCV(small(ZooClassifier), {"epochs": [1, 2]}, cv=2)
    search.fit(paths, LONG)
    assert search.best_params_["epochs"] in (1, 2)
    assert search.predict(paths).shape == (12,)


@pytest.mark.parametrize(
    ("work", "error", "says"),
    [
        (lambda: ZooClassifier().fit(PROTEINS, [1] * 12), ValueError, "y has one class"),
        (lambda: ZooClassifier().fit(PROTEINS, LONG[:3]), ValueError, "inconsistent numbers"),
        (lambda: ZooRegressor().fit(PROTEINS[:2], [1, np.nan]), ValueError, "NaN or infinity"),
        (lambda: ZooRegressor().fit([3, 4], [1, 2]), ConfigError, r"3 \(int\) is not an input"),
        (lambda: ZooRegressor().predict(PROTEINS), NotFittedError, "not fitted"),
        (lambda: ZooRegressor().fit(PROTEINS[:1], [1]), DataError, "too little training data"),
    ],
)
def test_what_cannot_be_learnt_is_told(work, error, says):
    with pytest.raises(error, match=says):
        work()


def test_a_file_of_several_sequences_has_no_label_of_its_own(tmp_path):
    (tmp_path / "two.fasta").write_text(">p\nMKT\n>q\nMKTA\n")
    with pytest.raises(DataError, match="holds 2 sequences, and a label is for one"):
        zoo.sklearn.ZooRegressor().fit([tmp_path / "two.fasta"], [1.0])
