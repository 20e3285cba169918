"""Train the best trials and the config again on several seeds, and choose the best of them."""

from __future__ import annotations

import json
import math
import os
import statistics
import subprocess
import sys
import textwrap
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
import yaml
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState
from scipy.stats import t as student

from hpo.checking import depths, relevant
from hpo.queue import PLACE
from hpo.search import Search
from hpo.space import parse_space
from hpo.study import NoTrialError, load_study
from zoo.errors import CheckpointError, ConfigError, ZooError
from zoo.models.runs import read_facts, read_run
from zoo.settings.config import Config
from zoo.settings.safe_yaml import read_yaml
from zoo.system.counting import counted
from zoo.system.devices import share
from zoo.system.files import write_json, write_whole
from zoo.system.listener import SILENT, Listener, Stopped
from zoo.system.locks import claimed
from zoo.system.reading import text

FOLDER, RESULTS, BEST = "retrained", "retrained.json", "best.yaml"
POLL_SECONDS = 1.0


@dataclass(frozen=True, eq=False)
class Candidate:
    """A trial to train again.

    Attributes:
        trial: number of the trial.
        value: score of the trial in the search; None if it did not complete.
        config: config of the trial, in the form that zoo.train reads.
        default: whether it is the config that the search began with.
    """

    trial: int
    value: float | None
    config: dict[str, Any]
    default: bool

    @property
    def name(self) -> str:
        """The name of the folder of its models."""
        return f"trial_{self.trial:04}"


def config_of(made_for: Mapping[str, Any], trial: FrozenTrial) -> dict[str, Any]:
    """Return the config that a trial drew, without the values that are set in trials only.

    Args:
        made_for: `Search.identity` of the study.
        trial: trial with its drawn values.
    """
    base = Config.from_dict(made_for["config"])
    space = relevant(parse_space("", made_for["space"]), base)
    drawn = space.draw(optuna.trial.FixedTrial(trial.params), base.to_dict(), depths)
    config = Config.from_dict(drawn).to_dict()
    del config["targets"]  # they are read from the data
    return config


def _whole(config: Mapping[str, Any]) -> Config:
    from zoo.models.branches import with_neighbours  # imports torch, which takes seconds

    return with_neighbours(Config.from_dict(config))


def candidates(search: Search, study: Study, best: int) -> list[Candidate]:
    """Return the best trials, and the trial of the config itself.

    Raises:
        NoTrialError: if no trial completed with a latency within the limit.
    """
    ended = [trial for trial in study.get_trials(deepcopy=False) if PLACE in trial.user_attrs]
    limit = search.latency_limit or math.inf
    good = [t for t in ended if t.state == TrialState.COMPLETE
            and t.user_attrs.get("latency", 0.0) <= limit]  # fmt: skip
    if not good:
        raise NoTrialError(
            "No trial ended with a score within the limits, so none can be the best."
        )
    chosen: dict[str, Candidate] = {}
    default = [t for t in ended if t.user_attrs[PLACE] == 0 and t.params]
    ranked = sorted(good, key=lambda t: (-(t.value or 0.0), t.number))
    for trial in [*default[-1:], *ranked]:
        config = config_of(search.identity(), trial)
        own = trial.user_attrs[PLACE] == 0
        value = trial.value if trial.state == TrialState.COMPLETE else None
        chosen.setdefault(json.dumps(config), Candidate(trial.number, value, config, own))
        if sum(not candidate.default for candidate in chosen.values()) == best:
            break
    return list(chosen.values())


def retrained(
    search: Search, best: int, seeds: int, workers: int, listener: Listener = SILENT
) -> list[dict[str, Any]]:
    """Train candidates that are not trained yet, and write best.yaml and retrained.json.

    Args:
        search: search whose trials are trained again.
        best: number of best trials to train, apart from the config itself.
        seeds: number of models to train for each candidate.
        workers: number of trainings that run at once.
        listener: receives the progress, and may ask to stop.

    Raises:
        NoTrialError: if no trial ended with a score.
        ZooError: if a training fails.
        Stopped: when asked to stop; the same command continues.
    """
    with claimed(search.folder / ".finishing") as mine:
        if not mine:
            listener.say("another process is training the best trials again")
            return []
        study = load_study(search.storage, search.name)
        chosen = candidates(search, study, best)
        _train(search, chosen, seeds, workers, listener)
        return _conclude(search, chosen)


def _train(
    search: Search, chosen: Sequence[Candidate], seeds: int, workers: int, listener: Listener
) -> None:
    for candidate in chosen:
        _check_own(search, candidate, seeds)
    todo = [candidate for candidate in chosen if not _done(search, candidate)]
    running: dict[int, tuple[Candidate, subprocess.Popen[bytes]]] = {}
    listener.say(
        f"training {counted(len(chosen), 'config')} again, {counted(seeds, 'seed')} each, "
        f"{len(chosen) - len(todo)} done"
    )
    with listener.progress("configs", len(chosen)) as show:
        try:
            while todo or running:
                for place in range(workers):
                    if place not in running and todo:
                        own = share(place, workers, search.accelerator)
                        running[place] = (todo[0], _start(search, todo.pop(0), seeds, own))
                for place, (candidate, process) in list(running.items()):
                    if process.poll() is not None:
                        del running[place]
                        _check(search, candidate, process.returncode)
                show(len(chosen) - len(todo) - len(running))
                if listener.asked():
                    raise Stopped("stopped; run the same command again to continue")
                time.sleep(POLL_SECONDS)
        finally:
            for _, process in running.values():
                process.terminate()
            for _, process in running.values():
                process.wait()


def _folder(search: Search, candidate: Candidate) -> Path:
    return search.folder / FOLDER / candidate.name


def _check_own(search: Search, candidate: Candidate, seeds: int) -> None:
    """Check that what a folder holds is the training of this candidate, on so many seeds.

    Raises:
        ConfigError: If it is that of another study, or of another call's number of seeds.
    """
    folder = _folder(search, candidate)
    facts = read_facts(folder)
    if facts is None:
        return
    path = folder.with_suffix(".yaml")
    asked = read_yaml(text(path)) if path.is_file() else None
    same = asked is not None and _whole(asked) == _whole(candidate.config)
    if not same or facts["inputs"] != search.inputs:
        raise ConfigError(
            f"{folder} holds the training of another study. Choose another --out for this one."
        )
    if len(facts["members"]) != seeds:
        raise ConfigError(
            f"{folder} was begun with --seeds {len(facts['members'])}, not {seeds}. Give the same "
            "number, or choose another --out to train again on another number of seeds."
        )


def _done(search: Search, candidate: Candidate) -> bool:
    try:
        read_run(_folder(search, candidate))
    except CheckpointError:
        return False
    return True


def _start(
    search: Search, candidate: Candidate, seeds: int, own: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    folder = _folder(search, candidate)
    folder.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "zoo.train", "--out", str(folder),
               "--accelerator", search.accelerator]  # fmt: skip
    if search.root is not None:
        command += ["--store", search.root]
    if search.limit is not None:
        command += ["--store-limit", str(search.limit / 1e9)]
    if (folder / "run.json").exists():
        command += ["--resume"]
    else:
        path = folder.with_suffix(".yaml")
        write_whole(path, yaml.safe_dump(candidate.config, sort_keys=False))
        command += [str(path), "--data", search.data, "--seeds", str(seeds)]
        command += [] if search.fold is None else ["--fold", str(search.fold)]
    with folder.with_suffix(".log").open("ab") as log:
        return subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT,
                                start_new_session=True, env={**os.environ, **own})  # fmt: skip


def _check(search: Search, candidate: Candidate, code: int) -> None:
    if code != 0:
        log = _folder(search, candidate).with_suffix(".log")
        last = (log.read_text(errors="replace").strip().splitlines() or ["nothing"])[-1]
        raise ZooError(f"Training {candidate.name} again ended with exit code {code}: {last} "
                       f"({log}). Run the same command again to continue.")  # fmt: skip


def _conclude(search: Search, chosen: Sequence[Candidate]) -> list[dict[str, Any]]:
    """Write the scores and the best config; return a row for each candidate, the best first."""
    from zoo.training.curves import best_row  # imports torch, which a report does not need

    rows: list[dict[str, Any]] = []
    for candidate in chosen:
        run = read_run(_folder(search, candidate))
        scores = [best_row(member.folder)["val_score"] for member in run.members]
        mean, half = interval(scores)
        rows.append({"trial": candidate.trial, "default": candidate.default,
                     "search_score": candidate.value, "scores": scores, "mean": mean,
                     "half_width": half, "folder": str(run.folder)})  # fmt: skip
    rows.sort(key=lambda row: -float(row["mean"]))
    write_json(search.folder / RESULTS, rows)
    winner = next(c for c in chosen if c.trial == rows[0]["trial"])
    write_whole(search.folder / BEST, _best_yaml(search, winner, rows[0]))
    return rows


def interval(scores: Sequence[float]) -> tuple[float, float | None]:
    """Return the mean and half the width of its 95 % interval (Student's t; None for 1 score)."""
    mean, count = statistics.fmean(scores), len(scores)
    if count < 2:
        return mean, None
    return mean, float(student.ppf(0.975, count - 1)) * statistics.stdev(scores) / math.sqrt(count)


def _seeds(count: int) -> str:
    return f"{count} seed" if count == 1 else f"{count} seeds"


def _best_yaml(search: Search, winner: Candidate, row: dict[str, Any]) -> str:
    return as_yaml(
        winner.config,
        f"Trial {winner.trial} of study {search.name}, the best on validation data of those "
        f"trained again: mean score {row['mean']:.4f} over {counted(len(row['scores']), 'seed')}. "
        "Selected on that score, so it is optimistic.",
    )


def as_yaml(config: Mapping[str, Any], told: str) -> str:
    """Return a config as YAML for zoo.train, with a comment at its top."""
    lines = textwrap.wrap(told, 98, initial_indent="# ", subsequent_indent="# ")
    return "\n".join(lines) + "\n" + yaml.safe_dump(dict(config), sort_keys=False)
