"""`zoo.evaluate`: the scores that the verb of that name writes, in memory."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.data.samples import SPLITS
from zoo.errors import ConfigError, RandomWeightsWarning, unknown
from zoo.metrics.predictions import table
from zoo.models.runs import Run, read_run
from zoo.models.summary import RANDOM_WARNING
from zoo.prediction.evaluation import Scored, Settings, evaluate_run
from zoo.prediction.scope import checked_scope
from zoo.prediction.score_files import scores_folder, write_scores
from zoo.pretrained import folder_of
from zoo.system.devices import choose_device
from zoo.system.listener import SILENT, Listener

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True)
class Evaluation:
    """The scores of a run."""

    _scored: Scored = field(repr=False)

    @property
    def metrics(self) -> dict[str, Any]:
        """What the verb writes to metrics.json, without its command and its sum."""
        return self._scored.metrics

    @property
    def predictions(self) -> DataFrame:
        """The rows of predictions.csv: each prediction beside the true value, unrounded."""
        return table(self._scored.predictions)

    @property
    def scores(self) -> DataFrame:
        """A row for each score of the model and of the baselines, with its 95 % interval.

        Columns: target, model ("model" or a baseline), subset, metric, value, low, high.
        """
        import pandas as pd

        return pd.DataFrame(
            {"target": target, **{name: part[name] for name in ("model", "subset")},
             "metric": metric, **{name: value[name] for name in ("value", "low", "high")}}
            for target, found in self.metrics["targets"].items()
            for part in found["parts"] for metric, value in part["values"].items()
        )  # fmt: skip

    def write(self, folder: str | os.PathLike[str]) -> None:
        """Write metrics.json and predictions.csv; `zoo report` reads those of a run's folder.

        Raises:
            ConfigError: If the folder holds predictions of `zoo predict`.
        """
        write_scores(scores_folder(Path(folder)), self._scored)


def evaluate(
    run: str | os.PathLike[str] | Run,
    split: str = "test",
    *,
    data: str | os.PathLike[str] | None = None,
    scope: str | None = None,
    states: str | None = None,
    bootstrap: int | None = None,
    seed: int = 0,
    device: str = "auto",
    tokens: int = 4096,
    listener: Listener = SILENT,
) -> Evaluation:
    """Return the scores of a trained model, as `zoo evaluate` computes them.

    An ensemble is scored by the mean prediction of its members. In a cross-validation, a sample is
    scored by the members that were not trained on it. Nothing is written.

    Args:
        run: Folder of a run, name of a shipped model, or what `zoo.train` returned.
        split: Split to score: "test", "validation" or "train".
        data: Folder of prepared data: those of the run if they have moved, or new ones, which all
            members predict. Without splits, all samples of new data count as test.
        scope: "chain" takes each chain of a complex alone, "complex" all together; None for what
            the models were trained on.
        states: File of hidden states, for a model that reads one.
        bootstrap: Number of resamples; None for as many as the intervals and p-values need.
        seed: Seed of the random numbers that draw the resamples.
        device: Device to predict on; "auto" is the best one available.
        tokens: Maximum number of tokens in a batch, padding included.
        listener: Receives the progress.

    Raises:
        CheckpointError: If the folder is no run, or a model was not trained to its end.
        ConfigError: For a wrong split or device, or if there is nothing to predict in the split.
        DataError: If the data are not there, or do not fit the run.
        WeightsError: If the weights of the language model cannot be had here.
    """
    if split not in SPLITS:
        raise unknown("split", split, SPLITS)
    if not isinstance(run, str | os.PathLike | Run):
        raise ConfigError(
            f"{run!r:.80} ({type(run).__name__}) is not a run. Valid: the folder of a run, the "
            "name of a shipped model, or what `zoo.train` returned."
        )
    found = run if isinstance(run, Run) else read_run(folder_of(os.fspath(run)))
    taken = checked_scope(scope)
    settings = Settings(split, bootstrap, seed, choose_device(device), tokens, states, taken)
    scored = evaluate_run(
        found, found.data if data is None else Path(data), settings, new=data is not None,
        progress=listener.progress,
    )  # fmt: skip
    if scored.metrics["random_plm"]:
        warnings.warn(RANDOM_WARNING, RandomWeightsWarning, stacklevel=2)
    return Evaluation(scored)
