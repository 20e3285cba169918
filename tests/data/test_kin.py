"""Kin are found for every task, stored once, and drawn together in every interval."""

from __future__ import annotations

import random

import numpy as np
import pytest

from tests.data.structures import write_pdb
from tests.data.test_scannet import SEQUENCE, entry, ppbs
from tests.data.test_similarity import mutant, sequence
from tests.metrics.samples import predictions, sample
from zoo.data.kin import KIN, kin_of, related, with_kin
from zoo.data.layouts.base import find_layout
from zoo.data.preparing import STORE, index_record, prepared
from zoo.data.store import Store
from zoo.metrics.floor import predict_all
from zoo.metrics.predictions import Predictions, read_predictions, write_predictions
from zoo.metrics.suite import evaluate
from zoo.tasks import Target

VALUE = Target("y", "regression", "protein")


def index(chains: dict[str, tuple[str, ...]], **more: dict[str, str]):
    """Return index records of samples with these chains; `more` sets fields by key."""
    records = {}
    for key, sequences in chains.items():
        fact = index_record(sample(key, {"y": 1.0}, split="test"), (VALUE,))
        records[key] = {**fact, "sequences": list(sequences), **more.get(key, {})}
    return records


@pytest.fixture
def families():
    """Return four sequences: the second is a mutant of the first, the others are unrelated."""
    rng = random.Random(0)
    first = sequence(rng, 120)
    return first, mutant(rng, first, 0.6), sequence(rng, 120), sequence(rng, 120)


def test_samples_with_one_like_chain_are_kin(families):
    first, mutated, third, fourth = families
    found = kin_of(index({"a": (first,), "b": (third, mutated), "c": (third,), "d": (fourth,)}),
                   "abcd")  # fmt: skip
    assert found == {"a": "a", "b": "a", "c": "a", "d": "d"}


def test_a_group_of_the_data_goes_before_similarity(families):
    first, mutated, third, fourth = families
    records = index({"a": (first,), "b": (mutated,), "c": (third,), "d": (fourth,)},
                    a={"group": "g"}, d={"group": "g"})  # fmt: skip
    found = kin_of(records, "abcd")
    assert found == {"a": "", "b": "b", "c": "c", "d": ""}
    one = predictions("regression", n=4)
    one = Predictions(**{**vars(one), "id": np.array(list("abcd")),
                         "group": np.array(["g", "", "", "g"])}).with_kin(found)  # fmt: skip
    assert one.cluster.tolist() == ["g", "b", "c", "g"]


def test_the_kin_are_stored_and_not_searched_again(families, monkeypatch):
    records = index(dict(zip("abcd", ((s,) for s in families), strict=True)),
                    d={"split": "train"})  # fmt: skip
    stored = with_kin(records)
    assert {key: fact[KIN] for key, fact in stored.items()} == {"a": "a", "b": "a", "c": "c"}
    fresh = kin_of(records, "abc")
    monkeypatch.setattr("zoo.data.kin.clusters_built_in", None)
    assert kin_of({**records, **stored}, "abc") == fresh


def test_a_dropped_sample_is_no_ones_kin(families):
    records = {**index({"a": (families[0],)}), "x": {"dropped": "no file"}}
    assert kin_of(records, records) == {"a": "a"}


def test_samples_without_a_chain_are_alone():
    assert related([(), ("ACDEFGHIKLMNPQ",), ()], 0.3) == [0, 1, 2]


def test_copies_do_not_narrow_an_interval():
    rng = np.random.default_rng(0)
    one = predictions("regression", n=40, noise=1.0, seed=int(rng.integers(9)))
    twice = one.take(np.repeat(np.arange(40), 4))
    names = np.array([f"{name}#{at}" for at, name in enumerate(twice.id)])
    twice = Predictions(**{**vars(twice), "id": names})
    kin = {name: name.partition("#")[0] for name in names.tolist()}
    alone, naive, told = (
        evaluate(each, n=300)["rmse"] for each in (one, twice, twice.with_kin(kin))
    )
    assert told.n_groups == 40 and naive.n_groups == 160
    assert (told.low, told.high) == (alone.low, alone.high)
    assert naive.high - naive.low < 0.7 * (told.high - told.low)


def test_the_column_kin_goes_round_and_may_be_missing(tmp_path):
    one = predictions("regression", n=6)
    one = one.with_kin({str(one.id[0]): "NA", str(one.id[1]): "NA"})
    write_predictions(tmp_path / "p.csv", [one])
    assert read_predictions(tmp_path / "p.csv")["y"].cluster.tolist() == one.cluster.tolist()
    head, *rows = (tmp_path / "p.csv").read_text().splitlines()
    place = head.split(",").index(KIN)
    cut = [
        ",".join(x for at, x in enumerate(row.split(",")) if at != place) for row in [head, *rows]
    ]
    (tmp_path / "p.csv").write_text("\n".join(cut))
    assert read_predictions(tmp_path / "p.csv")["y"].cluster.tolist() == one.id.tolist()


def test_prepared_scannet_data_have_kin_and_the_tables_group(tmp_path):
    names = ("1abcA", "2abcA", "3abcA", "4abcA")
    for name in names:
        write_pdb(tmp_path / "structures" / f"{name}.pdb.gz", {"A": SEQUENCE})
    layout = ppbs(tmp_path, "".join(entry(name, ("A", SEQUENCE)) for name in names))
    rows = ("1abcA,Test_60,1,", "2abcA,UBtest_31,1,", "3abcA,Test_60,1,own", "4abcA,Train,1,")
    (tmp_path / "table.csv").write_text("\n".join(["PDB ID,Set,Sample weight,group", *rows]))
    prepared(layout, "ppbs", tmp_path / "out", "way")
    with Store(tmp_path / "out" / STORE) as store:
        records = store.index()
        assert [records[name].get(KIN) for name in names] == ["1abcA", "1abcA", None, None]
        assert [store[name].group for name in names] == ["", "", "own", ""]
        found = predict_all(store, layout.targets[0])["prior"]
    clusters = dict(zip(found.id.tolist(), found.cluster.tolist(), strict=True))
    assert clusters == {"1abcA": "1abcA", "2abcA": "1abcA", "3abcA": "own"}


def test_the_unbound_forms_of_ppbs_are_kin_of_the_bound_ones(data_dir, tmp_path):
    layout = find_layout("ppbs", data_dir / "ppbs")
    bound, unbound = (
        {key: read for key in layout.keys() if (read := layout._listed[key]).subset == subset}
        for subset in ("60", "ubtest_31")
    )
    records = {key: index_record(layout.read(key), layout.targets) for key in (*bound, *unbound)}
    kin = kin_of(records, records)
    assert sum(kin[key] in {kin[other] for other in bound} for key in unbound) == len(unbound) == 31
