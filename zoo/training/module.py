"""One model in training: what Lightning calls, step by step."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

import lightning
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zoo.checkpoint import load_state, own_state
from zoo.config import TrainConfig
from zoo.errors import ConfigError, ZooError
from zoo.model import FusedModel
from zoo.tasks.samples import Target
from zoo.training import optim
from zoo.training.examples import Examples
from zoo.training.objective import Objective
from zoo.training.scoring import score_of

PLATEAU = {"factor": 0.5, "patience": 3}
"""After three validations without a better score the learning rates are halved."""


class NotFiniteError(ZooError):
    """The loss, or the gradient, is NaN or infinite."""


@dataclass
class Seen:
    """Predictions of a validation, by sample."""

    logits: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    targets: dict[str, dict[str, NDArray[np.float64]]] = field(default_factory=dict)


class TrainingModule(lightning.LightningModule):
    """A model, its objective and its optimizer.

    All randomness of a step (dropout) comes from the seed and the number of the batch, so a run
    that goes on from a checkpoint draws what an uninterrupted one does.

    Args:
        model: with a head.
        objective: with what training data say of the targets.
        settings: of the training.
        seed: of dropout.
        steps: of the optimizer in the whole run.
    """

    def __init__(
        self, model: FusedModel, objective: Objective, settings: TrainConfig, seed: int, steps: int
    ) -> None:
        super().__init__()
        self.model, self.objective = model, objective
        self.settings, self.seed, self.steps = settings, seed, steps
        self.targets: tuple[Target, ...] = objective.targets
        self.seen = Seen()
        self.plateau = {"factor": 1.0, "best": float("-inf"), "since": 0}
        self.strict_loading = False  # frozen weights are not in checkpoints

    def configure_optimizers(self) -> Any:
        """Return AdamW with a group a part, and its schedule."""
        rates = self.settings.lr
        parts = optim.groups(self.model, self.objective, rates, self.settings.weight_decay)
        optimizer = torch.optim.AdamW(parts)
        at = optim.factor(self.settings.schedule, self.steps, self.settings.warmup)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: at(step) * self.plateau["factor"]
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_train_epoch_start(self) -> None:
        """Have the batches of this epoch; Lightning tells samplers, and not batch samplers."""
        loader = self.trainer.train_dataloader
        assert loader is not None
        loader.batch_sampler.set_epoch(self.current_epoch)

    def on_train_batch_start(self, batch: Examples, batch_idx: int) -> None:
        """Seed dropout for this very batch."""
        number = batch_idx * self.trainer.world_size + self.trainer.global_rank
        text = f"{self.seed} {self.current_epoch} {number}"
        digest = hashlib.sha256(text.encode()).digest()
        torch.manual_seed(int.from_bytes(digest[:8], "big") % 2**63)

    def training_step(self, batch: Examples, batch_idx: int) -> Tensor:
        """Return the loss of a batch.

        Raises:
            NotFiniteError: naming the samples of the batch.
        """
        loss: Tensor = self.objective(self.model(batch.batch, batch.hidden), batch)
        if not torch.isfinite(loss):
            shown = ", ".join(batch.keys[:5]) + (" ..." if len(batch.keys) > 5 else "")
            raise NotFiniteError(
                f"The loss is {loss.item()} at step {self.global_step} (epoch "
                f"{self.current_epoch}), on samples {shown}."
            )
        rows = len(batch.weight)
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=rows, sync_dist=True)
        if self.trainer.loggers:
            self.log("train_loss_step", loss, on_step=True, batch_size=rows)
        return loss

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Stop before a gradient that is NaN or infinite gets into the weights.

        Raises:
            NotFiniteError: if there is one.
        """
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"]]
        norm = torch.nn.utils.get_total_norm([g for g in gradients if g is not None])
        if not torch.isfinite(norm):
            raise NotFiniteError(
                f"The gradient is not finite at step {self.global_step} (epoch "
                f"{self.current_epoch})."
            )

    def on_validation_epoch_start(self) -> None:
        """Forget the last validation."""
        self.seen = Seen()

    def validation_step(self, batch: Examples, batch_idx: int) -> None:
        """Keep a batch's predictions by sample: two processes may have seen one both."""
        out = self.model(batch.batch, batch.hidden)
        loss = self.objective(out, batch)
        rows = len(batch.weight)
        self.log("val_loss", loss, batch_size=rows, sync_dist=True, on_epoch=True)
        self.keep(self.seen, batch, out)

    def keep(self, seen: Seen, batch: Examples, out: Tensor) -> None:
        """Put a batch's predictions (rows, columns) and targets down by sample."""
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
        """Score the validation data, and lower the learning rates where it has stopped rising."""
        self._gather()
        score = score_of(self.targets, self.seen.logits, self.seen.targets)
        self.log("val_score", score, sync_dist=True)  # the same in every process
        if self.settings.schedule == "plateau" and not self.trainer.sanity_checking:
            self._notice(score)

    def _gather(self) -> None:
        """Bring together what other processes have predicted."""
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
        """Take the weights of a checkpoint; all of them must fit."""
        own = {k.removeprefix("model."): v for k, v in state.items() if k.startswith("model.")}
        load_state(self.model, own, "the checkpoint")
        loss = {k.removeprefix("loss."): v for k, v in state.items() if k.startswith("loss.")}
        return self.objective.load_state_dict(loss)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep what the schedule has seen, and how many share the batches."""
        checkpoint["plateau"] = dict(self.plateau)
        checkpoint["processes"] = self.trainer.world_size

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take it up again, with the learning rates of the config: they may have been lowered.

        Raises:
            ConfigError: if another number of processes saved it, which had other batches.
        """
        now = self.trainer.world_size
        if (was := checkpoint.get("processes", now)) != now:
            raise ConfigError(
                f"{was} processes began this training and {now} cannot go on with it: batches, and "
                f"how many make a step, are others. Fix: --devices and --nodes as before ({was} in "
                "all), or train anew in another --out."
            )
        self.plateau = dict(checkpoint["plateau"])
        rates = self.settings.lr
        parts = optim.groups(self.model, self.objective, rates, self.settings.weight_decay)
        (optimizer,), (schedule,) = checkpoint["optimizer_states"], checkpoint["lr_schedulers"]
        for saved, part in zip(optimizer["param_groups"], parts, strict=True):
            saved["initial_lr"] = part["lr"]
        schedule["base_lrs"] = [part["lr"] for part in parts]
