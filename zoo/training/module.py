"""The Lightning module of a training: its steps, optimizer, validation and checkpoints."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

import lightning
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zoo.errors import ConfigError, ZooError
from zoo.models.changes import named_changes
from zoo.models.checkpoint import load_state, own_state
from zoo.models.model import Change, FusedModel
from zoo.settings.config import TrainConfig
from zoo.tasks import Target
from zoo.training import optim
from zoo.training.batching import StepCounts
from zoo.training.examples import Examples
from zoo.training.objective import Objective
from zoo.training.scoring import score_of

PLATEAU = {"factor": 0.5, "patience": 3}
"""Schedule "plateau": more than 3 validations without a better score halve the learning rates."""


class NotFiniteError(ZooError):
    """The loss, or the gradient, is NaN or infinite."""


@dataclass
class Seen:
    """Predictions and true values of a validation, by sample key."""

    logits: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    targets: dict[str, dict[str, NDArray[np.float64]]] = field(default_factory=dict)


class TrainingModule(lightning.LightningModule):
    """A model, its objective and its optimizer.

    All randomness of a step (dropout) comes from the seed and the number of the batch, so a run
    that is resumed from a checkpoint draws the same numbers as an uninterrupted one.

    Args:
        model: model with a head.
        objective: loss, with the statistics of the training targets.
        settings: section `train` of the config.
        seed: seed of dropout.
        steps: number of optimizer steps in the whole run.
        counts: number of labels in each step.
    """

    def __init__(
        self,
        model: FusedModel,
        objective: Objective,
        settings: TrainConfig,
        seed: int,
        steps: int,
        counts: StepCounts,
    ) -> None:
        super().__init__()
        self.counts = counts
        self.model, self.objective = model, objective
        self.settings, self.seed, self.steps = settings, seed, steps
        self.targets: tuple[Target, ...] = objective.targets
        self.seen = Seen()
        self.plateau = {"factor": 1.0, "best": float("-inf"), "since": 0}
        self.strict_loading = False  # frozen weights are not in checkpoints

    def configure_optimizers(self) -> Any:
        """Return AdamW with parameter groups for each part of the model, and its schedule."""
        rates = self.settings.lr
        parts = optim.groups(self.model, self.objective, rates, self.settings.weight_decay)
        optimizer = torch.optim.AdamW(parts)
        at = optim.factor(self.settings.schedule, self.steps, self.settings.warmup)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: at(step) * self.plateau["factor"]
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_train_epoch_start(self) -> None:
        """Set the epoch of the batches: Lightning does so for samplers, but not batch samplers."""
        loader = self.trainer.train_dataloader
        assert loader is not None
        loader.batch_sampler.set_epoch(self.current_epoch)

    def on_train_batch_start(self, batch: Examples, batch_idx: int) -> None:
        """Seed dropout for this batch."""
        number = batch_idx * self.trainer.world_size + self.trainer.global_rank
        text = f"{self.seed} {self.current_epoch} {number}"
        digest = hashlib.sha256(text.encode()).digest()
        torch.manual_seed(int.from_bytes(digest[:8], "big") % 2**63)

    def training_step(self, batch: Examples, batch_idx: int) -> Tensor:
        """Return a batch's part of the loss of its step.

        Raises:
            NotFiniteError: if the loss is NaN or infinite; names samples of the batch.
        """
        parts = self.objective.parts(self.model(batch.batch, batch.hidden), batch)
        loss = self.objective.mean(parts, self.counts.share(self.current_epoch, batch_idx))
        if not torch.isfinite(loss):
            shown = ", ".join(batch.keys[:5]) + (" ..." if len(batch.keys) > 5 else "")
            raise NotFiniteError(
                f"The loss is {loss.item()} at step {self.global_step} (epoch "
                f"{self.current_epoch}), on samples {shown}."
            )
        rows, own = len(batch.weight), self.objective.mean(parts).detach()
        self.log("train_loss", own, on_step=False, on_epoch=True, batch_size=rows, sync_dist=True)
        if self.trainer.loggers:
            self.log("train_loss_step", own, on_step=True, batch_size=rows)
        return loss

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Stop before a gradient that is NaN or infinite changes the weights.

        Raises:
            NotFiniteError: if the norm of the gradient is NaN or infinite.
        """
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"]]
        norm = torch.nn.utils.get_total_norm([g for g in gradients if g is not None])
        if not torch.isfinite(norm):
            raise NotFiniteError(
                f"The gradient is not finite at step {self.global_step} (epoch "
                f"{self.current_epoch})."
            )

    def on_validation_epoch_start(self) -> None:
        """Clear the predictions of the last validation."""
        self.seen = Seen()

    def validation_step(self, batch: Examples, batch_idx: int) -> None:
        """Keep the predictions by sample, since two processes may both see the same sample."""
        changes: list[Change] = []
        out = self.model(batch.batch, batch.hidden, changes)
        loss = self.objective(out, batch)
        rows = len(batch.weight)
        for name, value in named_changes(changes).items():
            self.log(name, value, batch_size=rows, sync_dist=True, on_epoch=True)
        self.log("val_loss", loss, batch_size=rows, sync_dist=True, on_epoch=True)
        self.keep(self.seen, batch, out)

    def keep(self, seen: Seen, batch: Examples, out: Tensor) -> None:
        """Store the predictions (rows, columns) and true values of a batch by sample."""
        values = {name: x.double().cpu().numpy() for name, x in batch.targets.items()}
        logits = out.double().cpu().numpy()
        starts = np.cumsum([0, *self._rows(batch)])
        for index, key in enumerate(batch.keys):
            mine = slice(starts[index], starts[index + 1])
            seen.logits[key] = logits[mine]
            seen.targets[key] = {name: x[mine] for name, x in values.items()}

    def _rows(self, batch: Examples) -> tuple[int, ...]:
        at_residues = self.targets[0].level == "residue"
        return batch.batch.graph.num_nodes if at_residues else (1,) * len(batch.keys)

    def on_validation_epoch_end(self) -> None:
        """Score the validation data, and lower the learning rates if the score has stalled."""
        self._gather()
        score = score_of(self.targets, self.seen.logits, self.seen.targets)
        self.log("val_score", score, sync_dist=True)  # the same in every process
        if self.settings.schedule == "plateau" and not self.trainer.sanity_checking:
            self._notice(score)

    def _gather(self) -> None:
        """Add the predictions of the other processes."""
        if self.trainer.world_size == 1:
            return
        parts: list[Any] = [None] * self.trainer.world_size
        torch.distributed.all_gather_object(parts, self.seen)
        for part in parts:
            self.seen.logits |= part.logits
            self.seen.targets |= part.targets

    def _notice(self, score: float) -> None:
        if score > self.plateau["best"]:
            self.plateau |= {"best": score, "since": 0}
            return
        self.plateau["since"] += 1
        if self.plateau["since"] > PLATEAU["patience"]:
            self.plateau["factor"] *= PLATEAU["factor"]
            self.plateau["since"] = 0

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:  # type: ignore[override]
        """Return the weights that are trained: those of a frozen language model never change."""
        own = own_state(self.model)
        loss = self.objective.state_dict()
        return {f"model.{k}": v for k, v in own.items()} | {f"loss.{k}": v for k, v in loss.items()}

    def load_state_dict(self, state: Any, strict: bool = True, assign: bool = False) -> Any:
        """Load the weights of a checkpoint, all of which must fit."""
        own = {k.removeprefix("model."): v for k, v in state.items() if k.startswith("model.")}
        load_state(self.model, own, "the checkpoint")
        loss = {k.removeprefix("loss."): v for k, v in state.items() if k.startswith("loss.")}
        return self.objective.load_state_dict(loss)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the state of the plateau schedule and the number of processes to the checkpoint."""
        checkpoint["plateau"] = dict(self.plateau)
        checkpoint["processes"] = self.trainer.world_size

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore that state, with the learning rates of the config, which may have changed.

        Raises:
            ConfigError: if another number of processes saved it, as their batches differ.
        """
        now = self.trainer.world_size
        if (was := checkpoint.get("processes", now)) != now:
            raise ConfigError(
                f"{was} processes began this training and {now} cannot continue it: batches, and "
                f"how many make a step, would change. Fix: --devices and --nodes as before ({was} "
                "in all), or start again in another --out."
            )
        self.plateau = dict(checkpoint["plateau"])
        rates = self.settings.lr
        parts = optim.groups(self.model, self.objective, rates, self.settings.weight_decay)
        (optimizer,), (schedule,) = checkpoint["optimizer_states"], checkpoint["lr_schedulers"]
        for saved, part in zip(optimizer["param_groups"], parts, strict=True):
            saved["initial_lr"] = part["lr"]
        schedule["base_lrs"] = [part["lr"] for part in parts]
