"""A run goes on in the revision that it began with, and its seeds differ in their orders."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from tests import shelf
from tests.training import runs
from zoo.models.blueprint import resolve
from zoo.models.revisions import REVISIONS
from zoo.models.runs import CHECKSUM, FACTS
from zoo.settings.config import Config
from zoo.settings.revision import FIRST, NEWEST
from zoo.system.files import read_json, write_json
from zoo.training.curves import CURVES, read_curves
from zoo.training.fitting import train
from zoo.training.planning import Wish, lay_out
from zoo.training.record import begin, resumed


def test_a_run_of_before_goes_on_as_it_began_with_its_config_given_again(tmp_path: Path) -> None:
    given = Config(task="ppbs")
    begin(tmp_path, given, tmp_path, {"inputs": "1"}, [], [])
    facts = read_json(tmp_path / FACTS)
    del facts[CHECKSUM], facts["config"]["revision"], facts["config"]["train"]["lr"]["lora"]
    write_json(tmp_path / FACTS, facts)
    assert given.revision == NEWEST
    for config in (given, None):
        assert resumed(tmp_path, config)[0].revision == FIRST


@pytest.mark.parametrize("revision", REVISIONS)
def test_each_seed_sees_an_order_of_its_own_on_the_same_splits(
    tmp_path: Path, revision: int
) -> None:
    data = runs.quick_data(tmp_path / "data")
    values = {**runs.SCHNET, "sequence.name": "none", "task": "ppbs", "train.data_seed": 5,
              "revision": revision, "seed": 3}  # fmt: skip
    config = Config().with_values([f"{key}={value}" for key, value in values.items()])
    wish = Wish(config=config, data=data, out=tmp_path / "run", seeds=3)
    jobs = lay_out(wish, resolve(config))
    assert [job.config.seed for job in jobs] == [3, 4, 5]
    orders = [job.config.train.data_seed for job in jobs]
    assert orders == ([5, 5, 5] if revision == FIRST else [5, 6, 7])
    assert len({str(dataclasses.asdict(job.plan)) for job in jobs}) == 1


def test_the_curves_say_how_much_each_exchange_changes(tmp_path: Path) -> None:
    plm = str(shelf.save_plm("esm", tmp_path / "plm"))
    data = runs.quick_data(tmp_path / "data")
    job = runs.job(data, plm, tmp_path / "run", tmp_path / "store",
                   **{"fusion.write_back": "deep"})  # fmt: skip
    train(job)
    rows = read_curves(job.folder / CURVES)
    names = [f"change_sequence_{k}_{j}" for k, j in job.blueprint.exchanges]
    assert names and all(0 < row[name] < 1 for row in rows for name in names)
