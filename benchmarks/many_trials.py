"""What a search costs beside training, when its study has thousands of trials.

    python benchmarks/many_trials.py [--trials 100 1000 10000] [--storage study.log]

Nothing is trained: trials of the shipped `fusion` space with eight reported epochs each are put
into a study, in a journal file unless an address of a database is given. Then a worker joins it:
how long until it has opened the study and asked for ten trials more, what each of these takes
(claimed, drawn by TPE, eight epochs reported and pruning asked about, ended), and the report.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import optuna
import psutil
from optuna.trial import TrialState, create_trial

from hpo.checking import depths, own_numbers, relevant
from hpo.queue import PLACE, TRIALS, Queue
from hpo.report import write_report
from hpo.search import Search
from hpo.space import load_space
from hpo.study import open_storage, open_study
from zoo.settings.config import load_config

CONFIG, SPACE, EPOCHS, MORE = "ppbs_esm2_650m_gvp_local", "fusion", 8, 10


def search(storage: str, count: int) -> Search:
    """Return a search without data."""
    config = load_config(CONFIG).with_values([f"train.epochs={EPOCHS}"])
    return Search(
        name=f"trials{count}", storage=storage, config=config.to_dict(),
        space=dict(load_space(SPACE).source), space_name=SPACE, in_trials=(), data="", inputs="",
        root=None, limit=None, fold=None, objectives=("score",), latency_limit=None,
        pruner="hyperband", minutes=None, gigabytes=None, seed=0, accelerator="cpu", out="",
        grace=60.0,
    )  # fmt: skip


def crowd(told: Search, count: int) -> None:
    """Put so many ended trials into the study, drawn at random."""
    base = told.base()
    space, values = relevant(told.ranges(), base), base.to_dict()
    draws = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    random, ended = np.random.default_rng(0), []
    for place in range(count):
        trial = draws.ask()
        space.draw(trial, values, depths)
        score = float(random.uniform(0.4, 0.5))
        ended.append(create_trial(
            params=trial.params, distributions=trial.distributions, value=score,
            user_attrs={PLACE: place},
            intermediate_values={epoch: score * epoch / EPOCHS for epoch in range(EPOCHS)},
        ))  # fmt: skip
    study = open_study(told, open_storage(told.storage))
    study.set_user_attr(TRIALS, count)
    study.add_trials(ended)


def worker(told: Search, count: int) -> None:
    """Time a worker that joins."""
    base = told.base()
    space, values = relevant(told.ranges(), base), base.to_dict()
    begun = time.perf_counter()
    storage = open_storage(told.storage)
    study = open_study(told, storage, worker=1)
    queue = Queue(study, storage, told.grace)
    queue.fill(count + MORE, own_numbers(space, base))
    joined = time.perf_counter() - begun
    took = []
    for _ in range(MORE):
        begun = time.perf_counter()
        trial = queue.claim()
        assert trial is not None
        space.draw(trial, values, depths)
        for epoch in range(EPOCHS):
            trial.report(0.4, epoch)
            trial.should_prune()
        study.tell(trial, 0.4)
        took.append(time.perf_counter() - begun)
    assert len(study.get_trials(states=[TrialState.COMPLETE])) == count + MORE
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        write_report(study, Path(folder) / "report")
    report = time.perf_counter() - begun
    memory = psutil.Process().memory_info().rss / 1e6
    print(f"{count:7,} trials  joined in {joined:6.1f} s  a trial {statistics.median(took):6.2f} s "
          f"({min(took):.2f} .. {max(took):.2f})  report {report:5.1f} s  {memory:,.0f} MB",
          flush=True)  # fmt: skip


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--trials", type=int, nargs="+", default=[100, 1000, 10000])
    parser.add_argument("--storage", help="a journal file that is not there yet, or an address")
    given = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        for count in given.trials:
            told = search(given.storage or str(Path(folder) / f"{count}.log"), count)
            crowd(told, count)
            worker(told, count)


if __name__ == "__main__":
    main()
