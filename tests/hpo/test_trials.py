"""A trial ends with a value, pruned, or as a recorded failure, and the next one is run."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch
from optuna.trial import TrialState

from hpo import trials as under_test
from hpo.checking import own_numbers
from hpo.queue import AFTER, OWN_SECONDS, REASON, Queue, has_ended
from hpo.search import Search
from hpo.study import open_storage, open_study
from hpo.trials import Runner, Watch
from hpo.worker import work
from tests.hpo import tiny
from zoo.system.listener import SILENT, Stopped
from zoo.training.examples import PreparedExamples
from zoo.training.module import TrainingModule


def fill(search: Search, places: int) -> Queue:
    storage = open_storage(search.storage)
    queue = Queue(open_study(search, storage), storage, search.grace)
    queue.fill(places, own_numbers(search.ranges(), search.base()))
    return queue


def done(search: Search, places: int) -> list[optuna.trial.FrozenTrial]:
    """Return the trials of a search that one worker has done."""
    queue = fill(search, places)
    work(search, 0, lambda: False)
    return queue.ended()


def smoke(tmp_path: Path, plm_folders: dict[str, str], **given: Any) -> Search:
    entries = {"fusion.after": {"exchanges": [1, 3]},
               "fusion.args.gate_width": {"int": [2, 8]}}  # fmt: skip
    made = tiny.search(tmp_path, plm_folders["esm"], **given)
    return dataclasses.replace(made, space=entries)


def test_trials_end_with_scores_and_say_what_they_took(
    tmp_path: Path, plm_folders: dict[str, str]
) -> None:
    found = done(smoke(tmp_path, plm_folders), 3)
    assert [trial.state for trial in found] == [TrialState.COMPLETE] * 3
    for trial in found:
        assert trial.value == max(trial.intermediate_values.values())
        assert trial.user_attrs["epochs"] == 2 == len(trial.intermediate_values)
        assert trial.user_attrs[AFTER]
    assert found[0].params["fusion.args.gate_width"] == 4  # the config itself
    assert max(trial.user_attrs[OWN_SECONDS] for trial in found[1:]) < 2.0


def test_one_seed_gives_one_study(tmp_path: Path, plm_folders: dict[str, str]) -> None:
    first, second = (
        done(smoke(tmp_path, plm_folders, storage=str(tmp_path / name)), 4) for name in "ab"
    )
    assert [t.params for t in first] == [t.params for t in second]
    assert [t.values for t in first] == [t.values for t in second]


def test_the_language_model_is_loaded_once(
    tmp_path: Path, plm_folders: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    load = under_test.load_sequence
    monkeypatch.setattr(under_test, "load_sequence", lambda c: calls.append(c) or load(c))
    done(smoke(tmp_path, plm_folders), 3)
    assert len(calls) == 1


def test_a_search_does_not_read_the_test_split(
    tmp_path: Path, plm_folders: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    read: set[str] = set()
    samples = PreparedExamples.samples
    monkeypatch.setattr(PreparedExamples, "samples",
                        lambda self, keys: (read.update(keys), samples(self, keys))[1])  # fmt: skip
    search = smoke(tmp_path, plm_folders)
    done(search, 2)
    study = optuna.load_study(study_name="tiny", storage=open_storage(search.storage))
    keys = Runner(search, lambda: False).job(optuna.trial.FixedTrial(study.trials[1].params))
    assert read and not read & set(keys.plan.keys.test)


@pytest.mark.parametrize(
    "error", [RuntimeError("DefaultCPUAllocator: can't allocate memory"), MemoryError(),
              OSError(28, "No space left on device"), torch.OutOfMemoryError("CUDA out of memory")],
)  # fmt: skip
def test_a_trial_that_breaks_is_a_recorded_failure_and_the_next_one_runs(
    tmp_path: Path, plm_folders: dict[str, str], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    step, calls = TrainingModule.training_step, []

    def breaking(self: TrainingModule, *args: Any) -> Any:
        calls.append(1)
        if len(calls) == 1:
            raise error
        return step(self, *args)

    monkeypatch.setattr(TrainingModule, "training_step", breaking)
    found = done(smoke(tmp_path, plm_folders), 2)
    assert [trial.state for trial in found] == [TrialState.FAIL, TrialState.COMPLETE]
    assert type(error).__name__ in found[0].user_attrs[REASON]


def test_a_loss_that_is_not_finite_is_a_recorded_failure(
    tmp_path: Path, plm_folders: dict[str, str]
) -> None:
    values = {"train.lr.fusion": 1e30, "train.lr.structure": 1e30, "train.warmup": 0.0}
    found = done(smoke(tmp_path, plm_folders, **values), 1)
    assert found[0].state == TrialState.FAIL
    assert "NotFiniteError" in found[0].user_attrs[REASON]


@pytest.mark.parametrize("limit, said", [({"minutes": 1e-9}, "minutes"),
                                         ({"gigabytes": 1e-9}, "GB of memory")])  # fmt: skip
def test_limits_end_a_trial(
    tmp_path: Path, plm_folders: dict[str, str], limit: dict[str, float], said: str
) -> None:
    (found,) = done(smoke(tmp_path, plm_folders, **limit), 1)
    assert found.state == TrialState.FAIL
    assert said in found.user_attrs[REASON]


def test_a_trial_over_its_time_counts_as_pruned_once_it_has_a_score(
    tmp_path: Path, plm_folders: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    epoch = Watch.epoch

    def slow(self: Watch, *args: Any) -> None:
        epoch(self, *args)
        self.begun -= 3600.0

    monkeypatch.setattr(Watch, "epoch", slow)
    (found,) = done(smoke(tmp_path, plm_folders, minutes=30.0), 1)
    assert found.state == TrialState.PRUNED
    assert found.user_attrs["epochs"] == 1
    assert "more than 30 minutes" in found.user_attrs[REASON]


def test_a_pruner_ends_trials(tmp_path: Path, plm_folders: dict[str, str]) -> None:
    search = smoke(tmp_path, plm_folders, pruner="hyperband", **{"train.epochs": 9})
    found = done(search, 8)
    states = {trial.state for trial in found}
    assert TrialState.PRUNED in states and TrialState.COMPLETE in states
    assert all(has_ended(trial) for trial in found)


def test_several_objectives_have_a_front_and_no_pruning(
    tmp_path: Path, plm_folders: dict[str, str]
) -> None:
    search = smoke(tmp_path, plm_folders, objectives=("score", "latency", "parameters"),
                   pruner="hyperband")  # fmt: skip
    found = done(search, 3)
    assert all(len(trial.values) == 3 and trial.values[1] > 0 for trial in found)
    widths = sorted((t.params["exchanges"], t.params["fusion.args.gate_width"], t.values[2])
                    for t in found)  # fmt: skip
    assert [size for *_, size in widths] == sorted(size for *_, size in widths)


def test_a_latency_limit_rules_trials_out(tmp_path: Path, plm_folders: dict[str, str]) -> None:
    from hpo.finishing import finish
    from hpo.retrain import candidates
    from hpo.study import NoTrialError, load_study

    search = smoke(tmp_path, plm_folders, latency_limit=1e-6)
    found = done(search, 2)
    assert all(trial.user_attrs["latency"] > 1e-6 for trial in found)
    with pytest.raises(NoTrialError, match="within the limits"):
        candidates(search, load_study(search.storage, None), 2)
    with pytest.raises(NoTrialError):  # and the report is there, which shows why
        finish(search, 2, 1, 1, SILENT)
    assert (search.folder / "report" / "index.html").is_file()


def test_a_worker_that_is_stopped_gives_its_trial_back(
    tmp_path: Path, plm_folders: dict[str, str]
) -> None:
    search, steps = smoke(tmp_path, plm_folders), []
    queue = fill(search, 2)
    with pytest.raises(Stopped):
        work(search, 0, lambda: len(steps) > 4 or bool(steps.append(1)))
    assert not queue.running() and not queue.ended()
    work(search, 0, lambda: False)
    assert sorted(trial.user_attrs["place"] for trial in queue.ended()) == [0, 1]


def test_what_holds_in_trials_only_is_not_in_the_config_that_comes_of_them(
    tmp_path: Path, plm_folders: dict[str, str]
) -> None:
    from hpo.retrain import candidates
    from hpo.study import load_study

    search = smoke(tmp_path, plm_folders, in_trials=("train.epochs=1",))
    found = done(search, 2)
    assert {trial.user_attrs["epochs"] for trial in found} == {1}
    chosen = candidates(search, load_study(search.storage, None), 2)
    assert {candidate.config["train"]["epochs"] for candidate in chosen} == {2}
    assert [candidate.default for candidate in chosen].count(True) == 1
