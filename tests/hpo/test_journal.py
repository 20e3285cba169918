"""A journal whose last line a killed worker did not finish is gone on with."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest

from hpo.study import open_storage


def study(path: Path) -> optuna.Study:
    return optuna.create_study(study_name="s", storage=open_storage(str(path)), load_if_exists=True)


@pytest.mark.parametrize("cut", [1, 5, 40, 200])
def test_the_fragment_is_cut_off(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "study.log"
    first = study(path)
    first.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=3)
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    open_storage(str(path))
    assert path.read_bytes().endswith(b"\n") and whole.startswith(path.read_bytes())
    study(path).optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
    assert len(study(path).trials) >= 4


def test_a_whole_journal_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "study.log"
    study(path)
    before = path.read_bytes()
    open_storage(str(path))
    assert path.read_bytes() == before
