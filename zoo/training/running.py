"""Train the requested models one by one, and log their progress in the folder of the run."""

from __future__ import annotations

from collections.abc import Sequence

from zoo.models.changes import changes_text
from zoo.models.summary import RANDOM_WARNING, title
from zoo.settings.config import GraphConfig
from zoo.system.listener import SILENT, Listener, Stopped, leader
from zoo.system.locks import alone
from zoo.training.curves import best_row
from zoo.training.engine import together
from zoo.training.finishing import finish_ensemble
from zoo.training.fitting import train
from zoo.training.job import Job
from zoo.training.module import TrainingModule
from zoo.training.optim import describe, groups
from zoo.training.planning import Wish, plan, write_down

LOG = "train.log"


def fit(wish: Wish, listener: Listener = SILENT) -> list[Job]:
    """Train the requested models, and return them.

    Raises:
        Stopped: if the listener asked to stop; a checkpoint is written, and the message says how
            to continue.
        ConfigError: for a wrong config, or a folder that another run or process uses.
        WeightsError: if the weights of the language model cannot be found.
        DataError: if the data cannot be read, or are for another task.
    """
    jobs = plan(wish, listener)
    with alone(wish.out), together():
        _train_all(wish, jobs, listener)
    return jobs


def _train_all(wish: Wish, jobs: Sequence[Job], listener: Listener) -> None:
    written = wish.resume

    def begun(module: TrainingModule) -> None:
        nonlocal written
        if leader():
            lines.begin(module)
            if not written:
                write_down(wish, jobs)
            written = True

    for number, job in enumerate(jobs, 1):
        if job.finished:
            continue
        lines = Lines(job, f"{job.name} ({number} of {len(jobs)})" if len(jobs) > 1 else "",
                      listener)  # fmt: skip
        try:
            train(job, listener=listener, epoch=lines.epoch, begun=begun)
        except Stopped:
            raise Stopped(
                f"stopped; continue with: python -m zoo.train --resume --out {wish.out}"
            ) from None
    if leader():
        finish_ensemble(wish.out, jobs)


class Lines:
    """Reports the training of one model, to the listener and in train.log."""

    def __init__(self, job: Job, name: str, listener: Listener) -> None:
        self.job, self.name, self.listener = job, name, listener

    def begin(self, module: TrainingModule) -> None:
        """Report the model, its learning rates and the number of samples."""
        settings, keys = self.job.config.train, self.job.plan.keys
        self.say(f"{self.name or self.job.folder}: {title(module.model)}")
        parts = groups(module.model, module.objective, settings.lr, settings.weight_decay)
        for name, count, rate, decay in describe(parts):
            self.say(f"  {name:20} {count:>12,} parameters  lr {rate:g}  weight decay {decay:g}")
        drawn = " (drawn from the training samples)" if self.job.plan.drawn else ""
        self.say(f"  {len(keys.train):,} training, {len(keys.validation):,} validation{drawn}, "
                 f"{len(keys.test):,} test samples (not read)")  # fmt: skip
        self.say(f"  score: {self.job.score}, on the validation samples")
        without = self.job.undefined
        rest = len(without) < len(self.job.targets)
        for name, reason in without.items():
            self.warn(
                f"  {name} {reason} in the validation samples, so its score is undefined there: "
                f"the best epoch is chosen by {'the other targets' if rest else 'the loss'}"
            )
        if self._unread(module):
            self.warn(
                f"  {module.model.recipe.config.structure.name} reads neither residue types nor "
                "named features, so graph.features and train.mask_types have no effect on it"
            )
        for target in module.objective.constant:
            self.warn(f"  {target} has only one value in training: there is nothing to learn")
        model = module.model
        last = model.seq.num_layers if model.seq is not None else 0
        if model.side is None and any(tap < last for tap in model.taps):
            self.say("  the language model runs in every step from its first exchange on; with "
                     "fusion.write_back=side it would run once")  # fmt: skip
        if module.model.recipe.random_plm:
            self.warn(RANDOM_WARNING)

    def _unread(self, module: TrainingModule) -> bool:
        """Return whether the config asks for features or masks that the graph network ignores."""
        struct, config = module.model.struct, self.job.config
        asked = config.graph.features != GraphConfig().features or config.train.mask_types > 0
        return struct is not None and not struct.reads_features and asked

    def epoch(self, row: dict[str, float]) -> None:
        """Report the losses and the score of an epoch; "*" marks the best epoch so far."""
        mark = " *" if best_row(self.job.folder)["epoch"] == row["epoch"] else ""
        self.say(
            f"epoch {row['epoch'] + 1:.0f} of {self.job.config.train.epochs}: "
            f"train loss {row['train_loss']:.4f}, validation loss {row['val_loss']:.4f}, "
            f"score {row['val_score']:.4f}{mark}, {row['seconds']:.1f} s"
        )
        if text := changes_text(row):
            self.say(f"  {text}")

    def say(self, text: str) -> None:
        """Report a line, and add it to train.log."""
        self.listener.say(text)
        self._keep(text)

    def warn(self, text: str) -> None:
        """Report a line as a warning, and add it to train.log."""
        self.listener.warn(text)
        self._keep(text)

    def _keep(self, text: str) -> None:
        self.job.folder.mkdir(parents=True, exist_ok=True)
        with (self.job.folder / LOG).open("a", encoding="utf-8") as file:
            file.write(text + "\n")
