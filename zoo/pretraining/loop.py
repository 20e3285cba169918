"""The training loop of a small language model, which can be interrupted and continued."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from zoo.backbones.residue_tokens import published
from zoo.backbones.tokenizer import ResidueTokenizer
from zoo.errors import CheckpointError, ConfigError, ZooError
from zoo.pretraining.batches import Batch, batches
from zoo.pretraining.network import loss, network, optimizers
from zoo.pretraining.second import StructureObjective
from zoo.pretraining.structures import Structures
from zoo.system.checkpoint_files import save_whole
from zoo.system.reading import plain_file

CHECKPOINT, CURVES = "checkpoint.pt", "curves.csv"
COLUMNS = ("step", "tokens", "seconds", "train_loss", "validation_perplexity")
LETTERS_LOSS = "letters_loss"
"""Column beside these with structures, as is one for the accuracy of each kind of letter."""
WARMUP, FALL = 100, 0.3
"""Steps over which the learning rate rises, and share of all tokens over which it falls."""
LOOK = 256
"""Number of validation sequences that are scored during training; all are scored at the end."""


@dataclass(frozen=True)
class Settings:
    """The settings of pretraining.

    Attributes:
        num_layers: Number of layers of the network.
        width: Width of the hidden states.
        num_heads: Number of attention heads in each layer.
        tokens: Number of tokens to train on in all: residues and special tokens, without padding.
        budget: Tokens in each step, padding included.
        longest: Largest number of residues of a crop.
        rate: Peak learning rate.
        decay: Weight decay of the matrices.
        seed: Seed of the weights, the order of the sequences, the crops and the hidden residues.
        patience: Number of validations without a better perplexity after which training ends.
        every: Tokens between two validations.
        precision: Number format of matrix products: "float32" or "bf16".
        checkpoint_seconds: Seconds between two checkpoints.
        structures: Hash of the chains with known structures, "" without any.
        structure_share: Tokens of such chains in each step, as a share of `budget`; they come on
            top of it and do not count as `tokens`.
        structure_weight: Weight of the loss of their letters.
    """

    num_layers: int = 6
    width: int = 160
    num_heads: int = 5
    tokens: int = 20_000_000
    budget: int = 4096
    longest: int = 254
    rate: float = 1e-2
    decay: float = 0.02
    seed: int = 0
    patience: int = 8
    every: int = 1_000_000
    precision: str = "float32"
    checkpoint_seconds: float = 60.0
    structures: str = ""
    structure_share: float = 0.25
    structure_weight: float = 0.3


MAY_CHANGE = ("tokens", "patience", "every", "checkpoint_seconds", "precision")
"""Settings that may differ when training is continued; `tokens` until the learning rate falls."""


@dataclass
class Progress:
    """The progress of training, which a checkpoint saves."""

    step: int = 0
    tokens: int = 0
    """Tokens trained on so far."""
    epoch: int = 0
    done: int = 0
    """Batches of the current epoch that were used."""
    best: float = float("inf")
    """Best validation perplexity so far."""
    stale: int = 0
    """Validations since the best one."""
    looked: int = 0
    """Tokens trained on at the last validation."""
    seconds: float = 0.0


class Pretraining:
    """The training of one language model.

    Args:
        settings: Settings of the network and its training.
        train: Training sequences.
        validation: Validation sequences, which should be of other families.
        folder: Folder of the checkpoint and the learning curves; if it has a checkpoint, training
            continues from it.
        structures: Chains whose letters the states shall tell as well; None for none.

    Raises:
        ConfigError: If the training in the folder had other settings.
    """

    def __init__(
        self, settings: Settings, train: Sequence[str], validation: Sequence[str], folder: Path,
        structures: Structures | None = None,
    ) -> None:  # fmt: skip
        self.settings, self.train, self.folder = settings, train, folder
        self.tokenizer: ResidueTokenizer = published("esm2")
        self.validation = list(self._of(validation, seed=settings.seed + 1))
        self.looks = list(self._of(validation[:LOOK], seed=settings.seed + 1))
        torch.manual_seed(settings.seed)
        self.model: Any = network(
            num_layers=settings.num_layers, width=settings.width, num_heads=settings.num_heads
        )
        self.optimizers = optimizers(self.model, settings.rate, settings.decay)
        self.second = None if structures is None else self._second(structures)
        self.at = Progress()
        self.best_state: dict[str, torch.Tensor] = {}
        if (folder / CHECKPOINT).is_file():
            self._load()

    def run(self, asked: Callable[[], bool], tell: Callable[[dict[str, float]], None]) -> bool:
        """Train; return True at the end, and False after a requested stop.

        Args:
            asked: Returns whether to stop after the current step.
            tell: Called with the row of the learning curves after each validation.
        """
        saved = began = time.monotonic()
        losses: list[dict[str, float]] = []
        for batch in self._stream():
            if self._ended():
                break
            losses.append(self._step(batch))
            self.at.seconds, began = self.at.seconds + time.monotonic() - began, time.monotonic()
            if self.at.tokens - self.at.looked >= self.settings.every:
                tell(self._look(losses))
                losses, began = [], time.monotonic()
            stop = asked()
            if stop or time.monotonic() - saved > self.settings.checkpoint_seconds:
                self.save()
                saved = time.monotonic()
            if stop:
                return False
        if losses:
            tell(self._look(losses))
        self.save()
        self.model.load_state_dict(self.best_state)
        return True

    def perplexity(self, looks: Sequence[Batch]) -> float:
        """Return the perplexity: exp of the mean negative log-likelihood of the hidden residues."""
        self.model.eval()
        with torch.no_grad():
            told = [loss(self.model, batch) for batch in looks]
        self.model.train()
        return float(np.exp(sum(float(x) for x, _ in told) / sum(n for _, n in told)))

    def accuracies(self) -> dict[str, float]:
        """Return the accuracy of each kind of letter on held-out chains; none without any."""
        if self.second is None:
            return {}
        self.model.eval()
        found = self.second.accuracies(self.model)
        self.model.train()
        return found

    def save(self) -> None:
        """Write the checkpoint, which replaces the last one once it is complete.

        Raises:
            CheckpointError: If it cannot be written.
        """
        path = self.folder / CHECKPOINT
        try:
            save_whole({
                "settings": asdict(self.settings), "progress": asdict(self.at),
                "model": self.model.state_dict(), "best": self.best_state,
                "heads": None if self.second is None else self.second.heads.state_dict(),
                "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            }, path)  # fmt: skip
        except OSError as error:
            raise CheckpointError(
                f"{path} cannot be written: {error.strerror}. Fix that, then run the same "
                "command: it continues from the last checkpoint."
            ) from error

    def _load(self) -> None:
        held = torch.load(plain_file(self.folder / CHECKPOINT, whole=True), weights_only=True)
        before, now = asdict(Settings()) | held["settings"], asdict(self.settings)
        if wrong := [x for x in now if now[x] != before[x] and x not in MAY_CHANGE]:
            raise ConfigError(
                f"{self.folder} was trained with {wrong[0]}={before[wrong[0]]!r}, not "
                f"{now[wrong[0]]!r}. Give the same settings, or another --out."
            )
        self.model.load_state_dict(held["model"])
        if self.second is not None:
            self.second.heads.load_state_dict(held["heads"])
        for optimizer, state in zip(self.optimizers, held["optimizers"], strict=True):
            optimizer.load_state_dict(state)
        self.at, self.best_state = Progress(**held["progress"]), held["best"]

    def _second(self, structures: Structures) -> StructureObjective:
        found = StructureObjective(
            structures, self.tokenizer, width=self.settings.width, longest=self.settings.longest,
            budget=round(self.settings.structure_share * self.settings.budget),
            weight=self.settings.structure_weight, seed=self.settings.seed,
        )  # fmt: skip
        rate = self.settings.rate
        self.optimizers.append(torch.optim.AdamW(found.heads.parameters(), lr=rate, weight_decay=0))
        return found

    def _of(self, sequences: Sequence[str], seed: int) -> Iterator[Batch]:
        return batches(
            sequences, self.tokenizer, longest=self.settings.longest,
            budget=self.settings.budget, seed=seed,
        )  # fmt: skip

    def _stream(self) -> Iterator[Batch]:
        """Yield batches epoch after epoch, starting where training stopped."""
        while True:
            epoch = self._of(self.train, seed=1000 * self.settings.seed + 2 + self.at.epoch)
            for batch in islice(epoch, self.at.done, None):
                self.at.done += 1
                yield batch
            self.at.epoch, self.at.done = self.at.epoch + 1, 0

    def _ended(self) -> bool:
        if self.at.stale >= self.settings.patience or self.at.tokens >= self.settings.tokens:
            self.at.done -= 1  # the last batch was drawn but not used
            return True
        return False

    def _step(self, batch: Batch) -> dict[str, float]:
        rate = self.settings.rate * self._share_of_rate()
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
        found = self._gradients(batch)
        trained = [*self.model.parameters()]
        if self.second is not None:
            trained += self.second.heads.parameters()
        norm = nn.utils.clip_grad_norm_(trained, 1.0)
        if not torch.isfinite(norm):
            raise ZooError(
                f"The gradient is not finite at step {self.at.step}. Lower the learning rate "
                f"(--rate); {self.folder / CHECKPOINT} is as it was before."
            )
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad()
        self.at.step += 1
        self.at.tokens += int(batch.attend.sum())
        return found

    def _gradients(self, batch: Batch) -> dict[str, float]:
        """Add the gradients of one step, and return the losses by their column."""
        with torch.autocast("cpu", torch.bfloat16, enabled=self.settings.precision == "bf16"):
            total, count = loss(self.model, batch)
        (total / count).backward()
        found = {"train_loss": total.item() / count}
        if self.second is not None:
            with torch.autocast("cpu", torch.bfloat16, enabled=self.settings.precision == "bf16"):
                letters = self.second.loss(self.model, self.at.step)
            letters.backward()
            found[LETTERS_LOSS] = letters.item()
        return found

    def _share_of_rate(self) -> float:
        """Return the learning rate as a share of its peak: it rises, stays, and falls linearly.

        The number of tokens can be raised as long as the rate has not begun to fall.
        """
        left = 1 - self.at.tokens / self.settings.tokens
        return min(1.0, (self.at.step + 1) / WARMUP, max(left, 0.0) / FALL + 1e-3)

    def _look(self, losses: Sequence[dict[str, float]]) -> dict[str, float]:
        found = self.perplexity(self.looks)
        self.at.looked = self.at.tokens
        self.at.stale = 0 if found < self.at.best else self.at.stale + 1
        if found < self.at.best:
            self.at.best = found
            self.best_state = {k: v.clone() for k, v in self.model.state_dict().items()}
        mean = {name: float(np.mean([one[name] for one in losses])) for name in losses[0]}
        values = (self.at.step, self.at.tokens, self.at.seconds, mean.pop("train_loss"), found)
        row = dict(zip(COLUMNS, values, strict=True)) | mean
        row |= {f"{kind}_accuracy": share for kind, share in self.accuracies().items()}
        row = {name: round(value, 1 if name == "seconds" else 4) for name, value in row.items()}
        self._write(row)
        return row

    def _write(self, row: dict[str, float]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / CURVES
        new = not path.exists()
        with path.open("a", newline="") as file:
            writer = csv.DictWriter(file, list(row))
            if new:
                writer.writeheader()
            writer.writerow(row)
