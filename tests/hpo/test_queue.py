"""Exactly as many trials end as were asked for, one a place, whatever happens to the workers."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import optuna
import psutil
import pytest
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, Trial, TrialState

from hpo import queue as under_test
from hpo.queue import (
    BEAT,
    DEATHS,
    DEFAULT,
    DIED,
    LOST,
    MOST_DEATHS,
    PLACE,
    REASON,
    TRIALS,
    WORKER,
    Queue,
    beating,
    is_lost,
    this_worker,
)
from hpo.search import Search
from tests.hpo import workers
from tests.hpo.postgres import postgres_url  # noqa: F401  a fixture

Join = Callable[[], Queue]
PLACES = 5
OPEN = (TrialState.WAITING, TrialState.RUNNING)


class Clock:
    """Stands in for the module: a clock that a test sets, and waits in which others act."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.meanwhile: list[Callable[[], None]] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        if self.meanwhile:
            self.meanwhile.pop(0)()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(under_test, "time", made)
    return made


@pytest.fixture(params=["journal", "postgresql"])
def search(request: pytest.FixtureRequest, tmp_path: Path) -> Search:
    if request.param == "journal":
        return workers.search(str(tmp_path / "study.log"))
    return workers.search(request.getfixturevalue("postgres_url"))


@pytest.fixture
def join(search: Search, clock: Clock) -> Iterator[Join]:
    """Return the queue at each call, as another process would open it."""
    with ExitStack() as left:

        def joined() -> Queue:
            queue = workers.join(search)
            left.callback(workers.leave, queue)
            return queue

        yield joined


@pytest.fixture
def filled(join: Join) -> Queue:
    """A queue of some places that nobody has worked on."""
    queue = join()
    queue.fill(PLACES, workers.DEFAULT)
    return queue


def claimed(queue: Queue) -> Trial:
    trial = queue.claim()
    assert trial is not None
    return trial


def end(queue: Queue, trial: Trial) -> None:
    state, values = workers.Runner(None, bool).run(trial)  # type: ignore[arg-type]
    queue.study.tell(trial, values, state)


def work_off(queue: Queue) -> None:
    """Run all that waits."""
    while (trial := queue.claim()) is not None:
        end(queue, trial)


def places(trials: list[FrozenTrial]) -> list[int]:
    return sorted(trial.user_attrs[PLACE] for trial in trials)


def check_complete(queue: Queue, asked: int) -> None:
    """Check that one trial has ended at each place, and that nothing else is under way."""
    assert places(queue.ended()) == list(range(asked))
    assert queue.trials(*OPEN) == []
    assert queue.places == asked
    for trial in queue.trials():
        assert trial.user_attrs.get(LOST) or trial in queue.ended()


def turn_into_dead(queue: Queue) -> None:
    """Give a queue the mark of a process that ended before this one was given its number."""
    queue.me = {**queue.me, "started": queue.me["started"] - 60.0}


def only(trials: list[FrozenTrial]) -> FrozenTrial:
    (trial,) = trials
    return trial


# ---------------------------------------------------------------------------- filling, claiming


def test_every_place_gets_one_trial_and_the_first_the_default(join: Join, filled: Queue) -> None:
    work_off(filled)
    check_complete(join(), PLACES)
    assert len(filled.trials()) == PLACES
    first = filled.trials()[0]
    assert first.params == workers.DEFAULT and first.user_attrs[DEFAULT] is True
    assert all(DEFAULT not in trial.user_attrs for trial in filled.trials()[1:])


def test_trials_of_another_origin_have_no_part_in_it(filled: Queue) -> None:
    filled.study.enqueue_trial({"x": 0.5})
    work_off(filled)
    check_complete(filled, PLACES)
    assert len(filled.study.get_trials(states=[TrialState.WAITING])) == 1


def test_claims_in_turn_never_give_a_trial_twice(join: Join, filled: Queue) -> None:
    other, found = join(), []
    while (trial := (filled, other)[len(found) % 2].claim()) is not None:
        found.append(trial.number)
    assert found == list(range(PLACES))
    assert other.claim() is None


@pytest.mark.parametrize("far", ["claimed", "ended"])
def test_a_trial_that_was_claimed_a_moment_ago_is_passed_over(
    join: Join, filled: Queue, far: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    late, look = join(), Queue.trials
    seen = late.trials(TrialState.WAITING)
    first = claimed(filled)
    if far == "ended":
        end(filled, first)
    monkeypatch.setattr(late, "trials", lambda *states: seen if states else look(late))
    assert claimed(late).number == 1


def test_asking_for_more_adds_the_difference_and_for_fewer_nothing(join: Join) -> None:
    for asked, there in ((2, 2), (PLACES, PLACES), (3, PLACES), (PLACES, PLACES)):
        queue = join()
        queue.fill(asked, workers.DEFAULT)
        assert len(queue.trials()) == there
        work_off(queue)
        check_complete(queue, there)


def test_one_who_joins_waits_for_the_one_who_enqueues(
    join: Join, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = join(), join()
    first.study.set_user_attr(TRIALS, PLACES)

    def add(place: int) -> Callable[[], None]:
        marks = {PLACE: place} if place else {PLACE: place, DEFAULT: True}
        return lambda: first.study.enqueue_trial(dict(workers.DEFAULT), marks)

    add(0)()
    clock.meanwhile = [add(place) for place in range(1, PLACES)]
    second.fill(PLACES, workers.DEFAULT)
    assert clock.meanwhile == []
    assert places(second.trials()) == list(range(PLACES))


# --------------------------------------------------------------------------------------- deaths


@contextmanager
def hanging(search: Search) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Yield a process that has drawn a trial's numbers, and the trial's."""
    command = [sys.executable, "-m", "tests.hpo.workers", "hang", search.to_json()]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, int(process.stdout.readline())
        finally:
            process.kill()


def test_what_a_killed_worker_leaves_is_run_again_with_its_numbers(
    search: Search, filled: Queue
) -> None:
    end(filled, claimed(filled))  # the default, whose numbers are known
    with hanging(search) as (process, number):
        filled.sweep()
        assert only(filled.running()).number == number == 1
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # dead, and not yet buried
        filled.sweep()
    assert filled.running() == []
    left, again = filled.trials()[number], filled.trials()[-1]
    assert is_lost(left) and left.user_attrs[LOST] == DIED
    assert again.state == TrialState.WAITING and again.user_attrs == {PLACE: 1, DEATHS: 1}
    work_off(filled)
    check_complete(filled, PLACES)
    assert len(left.params) == 2 and filled.trials()[-1].params == left.params


def test_the_default_stays_the_default_after_a_death(join: Join, filled: Queue) -> None:
    turn_into_dead(filled)
    claimed(filled)  # and nothing drawn
    join().sweep()
    work_off(filled)
    check_complete(filled, PLACES)
    found = only([trial for trial in filled.ended() if DEFAULT in trial.user_attrs])
    assert found.params == workers.DEFAULT and found.number == PLACES


def test_a_number_drawn_after_a_look_is_kept_too(
    join: Join, filled: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = join()
    claimed(filled)
    turn_into_dead(filled)
    trial, running = claimed(filled), other.running
    trial.suggest_float("x", 0.0, 1.0)

    def look() -> list[FrozenTrial]:
        found = running()
        trial.suggest_float("y", 0.0, 1.0)
        return found

    monkeypatch.setattr(other, "running", look)
    other.sweep()
    fixed = other.trials()[-1].system_attrs["fixed_params"]
    assert fixed == trial.params and len(fixed) == 2


def test_a_trial_that_takes_down_several_workers_has_failed(join: Join, filled: Queue) -> None:
    other = join()
    work_off(filled)
    filled.fill(PLACES + 1, workers.DEFAULT)
    turn_into_dead(filled)
    for death in range(MOST_DEATHS):
        trial = claimed(filled)
        assert trial.user_attrs.get(DEATHS, 0) == death
        workers.draw(trial)
        other.sweep()
    assert filled.claim() is None
    check_complete(other, PLACES + 1)
    found = other.trials()[-1]
    assert found.state == TrialState.FAIL and not is_lost(found)
    assert found.user_attrs[REASON] == f"its worker died, {MOST_DEATHS} times"
    other.restore()
    assert other.trials()[-1].number == found.number


def test_giving_back_is_no_death(filled: Queue) -> None:
    trial = claimed(filled)
    drawn = None
    for _ in range(MOST_DEATHS + 1):
        workers.draw(trial)
        drawn = drawn or trial.params
        filled.give_back(trial, "its worker was stopped")
        left = filled.trials()[trial.number]
        assert is_lost(left) and left.user_attrs[LOST] == "its worker was stopped"
        while (trial := claimed(filled)).user_attrs[PLACE]:
            end(filled, trial)
        assert trial.user_attrs[DEATHS] == 0
    end(filled, trial)
    check_complete(filled, PLACES)
    assert filled.trials()[-1].params == drawn


def test_two_who_find_one_dead_enqueue_its_place_once(
    join: Join, filled: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    turn_into_dead(filled)
    claimed(filled)
    first, second = join(), join()
    seen = second.running()
    monkeypatch.setattr(second, "running", lambda: seen)
    first.sweep()
    second.sweep()
    assert len(filled.trials()) == PLACES + 1


# ---------------------------------------------------------------------------- workers elsewhere


def far_trial(queue: Queue) -> Trial:
    """Return a trial claimed by a process on another machine, of a number that is none here."""
    queue.me = {"host": "far away", "pid": 2**22 + 1, "started": 1e9}
    return claimed(queue)


@pytest.mark.parametrize("beats", [(7, 8), (8, 7), (None, 1e12)], ids=str)
def test_a_far_worker_is_dead_when_its_beat_stood_still_on_our_clock(
    join: Join, filled: Queue, clock: Clock, beats: tuple[Any, Any]
) -> None:
    trial, near = far_trial(filled), join()
    for beat in (*beats, *beats):
        trial.set_user_attr(BEAT, beat)
        near.sweep()
        clock.now += near.grace  # not a moment longer
        near.sweep()
        assert [x.number for x in near.running()] == [trial.number]
    clock.now += 0.1
    near.sweep()
    assert near.running() == []
    assert near.trials()[trial.number].user_attrs[LOST] == DIED
    work_off(near)
    check_complete(near, PLACES)


def test_a_far_worker_has_its_time_from_when_it_is_first_seen(
    join: Join, filled: Queue, clock: Clock
) -> None:
    far_trial(filled)
    clock.now += 1e6
    near = join()
    near.sweep()
    assert len(near.running()) == 1


def test_one_that_died_before_it_gave_its_name_is_dead_after_a_while(
    join: Join, filled: Queue, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    near = join()
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Trial, "set_user_attr", interrupt)
        filled.claim()
    near.sweep()
    assert WORKER not in only(near.running()).user_attrs
    clock.now += near.grace + 1.0
    near.sweep()
    work_off(near)
    check_complete(near, PLACES)


def interrupt(*_: Any, **__: Any) -> None:
    raise KeyboardInterrupt


@pytest.mark.skipif(not psutil.LINUX, reason="where times count from the boot")
def test_setting_the_clock_kills_nobody(
    join: Join, filled: Queue, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    claimed(filled)
    proc = tmp_path / "proc"
    proc.mkdir()
    (proc / str(os.getpid())).symlink_to("/proc/self")
    shutil.copyfile("/proc/stat", proc / "stat")
    lines = (proc / "stat").read_text().splitlines(keepends=True)
    moved = [f"btime {int(x.split()[1]) + 3600}\n" if x.startswith("btime") else x for x in lines]
    (proc / "stat").write_text("".join(moved))
    before = psutil.Process().create_time()
    monkeypatch.setattr(psutil, "PROCFS_PATH", str(proc))
    assert psutil.Process().create_time() > before + 3000.0
    join().sweep()
    assert len(filled.running()) == 1


def test_one_worker_is_told_from_another() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        me, its = this_worker(), under_test._started(psutil.Process(other.pid))
        assert me == this_worker() == json.loads(json.dumps(me))
        assert under_test._lives(me) and under_test._lives({**me, "pid": other.pid, "started": its})
        assert not under_test._lives({**me, "started": its - 3600.0})
        other.kill()


# ------------------------------------------------------------------------- taken for dead, alive


def test_a_worker_that_was_taken_for_dead_changes_nothing(
    join: Join, filled: Queue, clock: Clock
) -> None:
    trial, near = far_trial(filled), join()
    workers.draw(trial)
    near.sweep()
    clock.now += near.grace + 1.0
    near.sweep()
    for act in (
        lambda: trial.report(1.0, 0),
        lambda: trial.set_user_attr(BEAT, 1),
        lambda: trial.suggest_float("z", 0.0, 1.0),
        lambda: filled.study.tell(trial, 1.0, TrialState.COMPLETE),
    ):
        with pytest.raises((UpdateFinishedTrialError, ValueError)):
            act()
    filled.give_back(trial, "its worker was stopped")
    work_off(near)
    check_complete(near, PLACES)
    assert len(near.trials()) == PLACES + 1


def test_one_taken_for_dead_while_it_claims_goes_on_to_the_next(
    join: Join, filled: Queue, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    near, set_attr = join(), Trial.set_user_attr

    def slow(trial: Trial, key: str, value: Any) -> None:
        monkeypatch.setattr(Trial, "set_user_attr", set_attr)
        near.sweep()
        clock.now += near.grace + 1.0
        near.sweep()
        set_attr(trial, key, value)

    monkeypatch.setattr(Trial, "set_user_attr", slow)
    assert claimed(filled).number == 1
    assert is_lost(near.trials()[0])


def test_a_beat_goes_on_after_an_error_of_the_storage_and_ends_with_the_trial(
    filled: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(under_test, "BEAT_SECONDS", 0.001)
    trial, set_attr, tried = claimed(filled), Trial.set_user_attr, []

    def away(self: Trial, key: str, value: Any) -> None:
        tried.append(value)
        if value == 1:
            raise optuna.exceptions.StorageInternalError
        set_attr(self, key, value)

    monkeypatch.setattr(Trial, "set_user_attr", away)
    with beating(filled, trial):
        wait_for(lambda: filled.running()[0].user_attrs.get(BEAT, 0) > 1)
        filled.study.tell(trial, 1.0)
        wait_for(lambda: tried[-1] > filled.trials()[0].user_attrs[BEAT])
        count = len(tried)
        time.sleep(0.05)
        assert len(tried) == count


def wait_for(there: Callable[[], bool]) -> None:
    until = time.monotonic() + 60.0
    while not there():
        assert time.monotonic() < until
        time.sleep(0.005)


# -------------------------------------------------------------------------- doubles, half-done


def enqueue_twice(first: Queue, second: Queue) -> None:
    """Have two processes fill a queue, neither of which sees what the other does."""
    first.fill(PLACES, workers.DEFAULT)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(second, "trials", lambda *_: [])
        second.restore(workers.DEFAULT)
    assert len(first.trials()) == 2 * PLACES


def test_of_a_place_enqueued_twice_the_second_is_lost(join: Join) -> None:
    first, second = join(), join()
    enqueue_twice(first, second)
    work_off(second)
    check_complete(first, PLACES)
    assert [trial.number for trial in first.ended()] == list(range(PLACES))
    lost = first.trials()[PLACES:]
    assert all("two processes" in trial.user_attrs[LOST] for trial in lost)


def test_of_a_place_enqueued_twice_one_ends_though_the_first_is_lost(join: Join) -> None:
    first, second = join(), join()
    enqueue_twice(first, second)
    turn_into_dead(first)
    for _ in range(2):
        workers.draw(claimed(first))
    second.sweep()
    work_off(second)
    check_complete(second, PLACES)


def test_a_place_lost_and_not_enqueued_is_restored(
    join: Join, filled: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    turn_into_dead(filled)
    trial = [claimed(filled) for _ in range(2)][1]
    workers.draw(trial)
    half = join()
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(half.study, "enqueue_trial", interrupt)
        half.give_back(trial, "its worker was stopped")
    assert places(half.trials(*OPEN)) == [0, 2, 3, 4]
    half.restore()
    half.restore()
    again = half.trials()[-1]
    assert again.user_attrs == {PLACE: 1, DEATHS: 0} and again.number == PLACES
    assert again.system_attrs["fixed_params"] == trial.params
    half.sweep()
    work_off(half)
    check_complete(half, PLACES)


def test_a_death_found_by_one_that_died_itself_counts(
    join: Join, filled: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    turn_into_dead(filled)
    claimed(filled)
    half = join()
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(half.study, "enqueue_trial", interrupt)
        half.sweep()
    half.restore()
    assert half.trials()[-1].user_attrs == {PLACE: 0, DEFAULT: True, DEATHS: 1}


@pytest.mark.parametrize("done", [0, 1, PLACES - 1])
def test_a_queue_half_filled_is_filled_by_the_next(
    join: Join, done: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = join()
    enqueue, calls = first.study.enqueue_trial, iter([True] * done)

    def die(*given: Any) -> None:
        if not next(calls, False):
            raise KeyboardInterrupt
        enqueue(*given)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(first.study, "enqueue_trial", die)
        first.fill(PLACES, workers.DEFAULT)
    assert len(first.trials()) == done
    second = join()
    second.fill(PLACES, workers.DEFAULT)
    work_off(second)
    check_complete(second, PLACES)
    assert len(second.trials()) == PLACES
    assert second.trials()[0].params == workers.DEFAULT


# ------------------------------------------------------------------------------ many, and kills


@pytest.mark.slow
def test_of_many_workers_some_killed_the_others_end_every_place_once(
    search: Search,
) -> None:
    asked, number, kills = 40, 4, 2
    told = dataclasses.replace(search, grace=2.0)
    command = [sys.executable, "-m", "tests.hpo.workers", "crowd", told.to_json()]
    done = subprocess.run([*command, *map(str, (asked, number, kills))], capture_output=True,
                          text=True, timeout=300)  # fmt: skip
    assert done.returncode == 0, done.stderr
    codes = json.loads(done.stdout)
    assert codes[kills:] == [0] * (number - kills), done.stderr
    queue = workers.join(told)
    check_complete(queue, asked)
    ended = {trial.user_attrs[PLACE]: trial for trial in queue.ended()}
    assert ended[0].params == workers.DEFAULT
    for trial in queue.trials():
        assert trial.params.items() <= ended[trial.user_attrs[PLACE]].params.items()
    workers.leave(queue)
