"""Train once and leave no files: what a search does again and again."""

from __future__ import annotations

from collections.abc import Callable

from zoo.create import LoadedPLM, build_model
from zoo.training.callbacks import Watched
from zoo.training.data import TrainingData
from zoo.training.engine import early_stopping, quiet, trainer_for
from zoo.training.fitting import assemble
from zoo.training.job import Job
from zoo.training.module import TrainingModule


def try_out(
    job: Job,
    *,
    epoch: Callable[[int, float, float], None],
    step: Callable[[], None],
    loaded: LoadedPLM | None = None,
) -> tuple[TrainingModule, TrainingData]:
    """Train a model; return it as the last epoch left it, and its data.

    Args:
        job: what to train; its folder is not written to.
        epoch: told each epoch's number, from 0, its validation score and its seconds; ends all
            by raising.
        step: called after every batch; ends all by raising.
        loaded: the config's language model, if it is in memory already.
    """
    with quiet():
        model = build_model(job.config, loaded)
        module, data = assemble(job, model, lambda: False, 1)
        trainer = trainer_for(job, [*early_stopping(job), Watched(epoch, step)])
        trainer.fit(module, datamodule=data)
    return module, data
