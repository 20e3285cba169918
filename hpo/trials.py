"""Run one trial: draw a config, train it and score it; every failure has a defined outcome."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable

import optuna
import psutil
import torch
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import Trial, TrialState

from hpo.checking import depths, relevant
from hpo.queue import AFTER, EPOCHS, OWN_SECONDS, REASON, SECONDS
from hpo.search import Search
from zoo.models.blueprint import Blueprint
from zoo.models.create import LoadedPLM, load_sequence
from zoo.models.summary import count
from zoo.settings.config import Config
from zoo.system.listener import Stopped
from zoo.training.data import TrainingData
from zoo.training.fitting import try_out
from zoo.training.job import Job
from zoo.training.module import TrainingModule

REPEATS = 5
"""Number of timed predictions of one protein."""


class OverLimitError(Exception):
    """A trial took more time or memory than its limit."""


class Runner:
    """Runs the trials of a search in this process, which loads the language model once.

    Args:
        search: search that the trials belong to.
        asked: returns whether to stop after the current step.
    """

    def __init__(self, search: Search, asked: Callable[[], bool]) -> None:
        self.search, self.asked = search, asked
        self.base = search.base()
        self.space = relevant(search.ranges(), self.base)
        self.loaded: dict[str, LoadedPLM | None] = {}

    def run(self, trial: Trial) -> tuple[TrialState, list[float] | None]:
        """Run a trial to its end, and return its state and values; its attributes hold the reason.

        Raises:
            Stopped: if this process was asked to stop.
            UpdateFinishedTrialError: if another worker counts this one as dead.
        """
        begun = time.monotonic()
        watch = Watch(self.search, trial, self.asked)
        try:
            values = self._values(trial, watch)
            state, reason = TrialState.COMPLETE, None
        except optuna.TrialPruned:
            values, state, reason = None, TrialState.PRUNED, "pruned"
        except OverLimitError as error:
            ended = TrialState.PRUNED if watch.reported else TrialState.FAIL
            values, state, reason = None, ended, str(error)
        except (Stopped, UpdateFinishedTrialError):
            raise
        except Exception as error:  # out of memory, NaN, a full disk, a bug of ours
            values, state, reason = None, TrialState.FAIL, _reason(error)
        if state != TrialState.COMPLETE:
            self._tidy()
        took = time.monotonic() - begun
        trial.set_user_attr(EPOCHS, len(watch.scores))
        trial.set_user_attr(SECONDS, took)
        trial.set_user_attr(OWN_SECONDS, took - watch.seconds)
        if reason is not None:
            trial.set_user_attr(REASON, reason)
        return state, values

    def _values(self, trial: Trial, watch: Watch) -> list[float]:
        job = self.job(trial)
        module, data = try_out(
            job, epoch=watch.epoch, step=watch.step, loaded=self._language_model(job.blueprint)
        )
        trial.set_user_attr("parameters", count(module.model, trainable=True))
        return [
            self._objective(name, module, data, watch, trial) for name in self.search.objectives
        ]

    def job(self, trial: Trial) -> Job:
        """Draw the values of a trial, and return the job of training them."""
        config = Config.from_dict(self.space.draw(trial, self.base.to_dict(), depths))
        trial.set_user_attr(AFTER, config.fusion.after)
        return self.search.job(config)

    def _language_model(self, blueprint: Blueprint) -> LoadedPLM | None:
        """Return the language model, which is reused in later trials if it is frozen."""
        config = blueprint.config
        if config.sequence.tuning != "frozen":
            return None
        key = f"{config.sequence} {config.seed}"
        if key not in self.loaded:
            self.loaded = {key: load_sequence(blueprint)}  # only one is kept, as they are large
        return self.loaded[key]

    def _objective(
        self, name: str, module: TrainingModule, data: TrainingData, watch: Watch, trial: Trial
    ) -> float:
        if name == "parameters":
            return float(count(module.model, trainable=True))
        if name == "latency":
            return latency(module, data)
        if self.search.latency_limit is not None:
            took = latency(module, data)
            trial.set_user_attr("latency", took)
            trial.set_constraint("latency", took - self.search.latency_limit)
        return max(watch.scores)

    def _tidy(self) -> None:
        """Free the memory of a trial that ended early."""
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


class Watch:
    """Enforces the limits of a trial, and reports its scores to Optuna, which may prune it.

    Args:
        search: search with the limits.
        trial: trial to watch.
        asked: returns whether to stop.
    """

    def __init__(self, search: Search, trial: Trial, asked: Callable[[], bool]) -> None:
        self.search, self.trial, self.asked = search, trial, asked
        self.begun = time.monotonic()
        self.scores: list[float] = []
        self.seconds = 0.0
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()

    @property
    def reported(self) -> bool:
        """Whether a score was reported to Optuna, so that it can learn from the trial."""
        return bool(self.scores) and len(self.search.objectives) == 1

    def step(self) -> None:
        """Check the limits.

        Raises:
            Stopped: if this process was asked to stop.
            OverLimitError: if the trial takes too much time or memory.
        """
        if self.asked():
            raise Stopped
        minutes, most = self.search.minutes, self.search.gigabytes
        if minutes is not None and time.monotonic() - self.begun > 60 * minutes:
            raise OverLimitError(f"took more than {minutes:g} minutes")
        if most is not None and (held := memory()) > most * 1e9:
            raise OverLimitError(f"took {held / 1e9:.1f} GB of memory, more than {most:g}")

    def epoch(self, number: int, score: float, seconds: float) -> None:
        """Report the score of an epoch.

        Raises:
            TrialPruned: if the pruner stops the trial.
        """
        self.scores.append(score)
        self.seconds += seconds
        if len(self.search.objectives) > 1:  # Optuna accepts no reports then
            return
        self.trial.report(score, step=number)
        if self.trial.should_prune():
            raise optuna.TrialPruned


def memory() -> int:
    """Return the bytes that this process holds, on the GPU if it uses one."""
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        return torch.cuda.max_memory_allocated()
    held: int = psutil.Process().memory_info().rss
    return held


def latency(module: TrainingModule, data: TrainingData) -> float:
    """Return the milliseconds of a prediction for one protein, language model included.

    The protein has the median length of the validation data; the time is the median of five
    predictions.
    """
    part, model = data.parts["validation"], module.model.eval()
    sizes = part.residues()
    key = sorted(part.keys, key=lambda key: sizes[key])[len(part.keys) // 2]
    (sample,) = part.samples([key])
    device = next(module.parameters()).device
    batch = model.batch([sample.protein]).to(device)
    took = []
    with torch.inference_mode():
        for _ in range(REPEATS + 1):
            begun = time.perf_counter()
            model(batch).cpu()
            took.append(time.perf_counter() - begun)
    return 1e3 * statistics.median(took[1:])


def _reason(error: Exception) -> str:
    first = (str(error).strip().splitlines() or ["no reason given"])[0]
    return f"{type(error).__name__}: {first}"
