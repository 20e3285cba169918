"""The data of one run: prepared samples, featurised once, and the language model's states."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import lightning
import torch
from torch.utils.data import DataLoader

from zoo.cli import err_console, progress
from zoo.config import TrainConfig
from zoo.metrics.floor import Round
from zoo.model import FusedModel
from zoo.tasks.samples import Target
from zoo.training.batching import TokenBatches
from zoo.training.callbacks import Stopped
from zoo.training.examples import Collate, Examples, PreparedExamples
from zoo.training.room import check_space
from zoo.training.states import StateStore

CHUNK = 64
"""Graphs written at a time."""
DTYPES = {"bfloat16": torch.bfloat16, "float32": torch.float32}


class TrainingData(lightning.LightningDataModule):
    """Training and validation examples of one round; the test split is not in it.

    Args:
        data: prepared folder.
        manifest: of it.
        index: of its store.
        plan: keys of the samples.
        targets: what is predicted.
        model: whose graphs, tokens and states are needed.
        settings: of the training.
        root: of the store of graphs and states.
        limit: bytes that the root may hold; None: what the disk holds.
        asked: whether to stop.
    """

    def __init__(
        self, data: Path, manifest: Mapping[str, Any], index: Mapping[str, Any], plan: Round,
        targets: Sequence[Target], model: FusedModel, settings: TrainConfig, root: Path,
        limit: int | None, asked: Callable[[], bool],
    ) -> None:  # fmt: skip
        super().__init__()
        self.model, self.settings, self.asked, self.limit = model, settings, asked, limit
        self.root = root
        kept = None if settings.store == "none" else root
        self.parts = {
            name: PreparedExamples(
                data, manifest["inputs"], keys, [tuple(index[key]["sequences"]) for key in keys],
                targets, model.graph_spec, kept,
            ) for name, keys in (("train", plan.train), ("validation", plan.validation))
        }  # fmt: skip
        self.states = None if kept is None else self._open_states(kept)
        self.ready: Callable[[torch.device], None] = lambda device: None
        """Called when all that is kept on disk is there, before training."""

    def _open_states(self, root: Path) -> StateStore | None:
        """Return the store; None for a model whose language model has to run all each time."""
        if self.model.seq is None or not self.model.taps:
            return None
        recipe = self.model.recipe
        return StateStore(
            root, self.model.seq, recipe.config.sequence.name, recipe.fingerprint,
            self.model.taps, DTYPES[self.settings.store], every_token=self.model.side is None,
        )  # fmt: skip

    @property
    def sequences(self) -> list[str]:
        """Every distinct chain."""
        parts = [chains for part in self.parts.values() for chains in part.sequences]
        return list(dict.fromkeys(sequence for chains in parts for sequence in chains))

    def fill(self, device: torch.device | str, rank: int = 0, world: int = 1) -> None:
        """Compute what is not kept yet: graphs, and states of the language model.

        Each process takes its share of them. Raises `Stopped` when asked to stop.
        """
        for name, part in self.parts.items():
            self._fill_graphs(name, part, rank, world)
        if self.states is not None:
            self._fill_states(self.states, device, rank, world)

    def _fill_graphs(self, name: str, part: PreparedExamples, rank: int, world: int) -> None:
        missing = set(part.missing())
        # Dealt out of all keys: what is missing changes while others write.
        todo = [key for key in part.keys[rank::world] if key in missing]
        if not todo or part.kept is None:
            return
        self._announce_graphs(name, part, todo, rank)
        with _shown(f"featurising {name}", len(todo), rank) as show:
            for start in range(0, len(todo), CHUNK):
                chunk = todo[start : start + CHUNK]
                part.kept.put(part.featurised(chunk))
                show(start + len(chunk))
                if self.asked():
                    raise Stopped

    def _announce_graphs(
        self, name: str, part: PreparedExamples, todo: Sequence[str], rank: int
    ) -> None:
        """Say how large they will be, from the first of them, and stop if they would not fit."""
        (first,) = part.featurised(todo[:1]).values()
        sizes = part.residues()
        share = sum(sizes[key] for key in todo) / max(1, sizes[todo[0]])
        need = round(share * sum(x.numel() * x.element_size() for x in first.values()))
        what = f"The graphs of {len(todo):,} {name} samples"
        check_space(self.root, need, self.limit, what, "or give train.store=none")
        if rank == 0:
            err_console.print(
                f"{what.lower()}: about {need / 1e9:.2f} GB in {self.root}",
                highlight=False, soft_wrap=True, markup=False,
            )  # fmt: skip

    def _fill_states(
        self, states: StateStore, device: torch.device | str, rank: int, world: int
    ) -> None:
        missing = states.missing(self.sequences)
        if not missing:
            return
        if rank == 0:
            size = states.expected_bytes(missing)
            then = ", and in training from there on" if states.every_token else ""
            err_console.print(
                f"the language model runs once{then}: {len(missing):,} sequences, layers "
                f"{', '.join(map(str, states.layers))}, {size / 1e9:.2f} GB in {states.root}",
                highlight=False, soft_wrap=True,
            )  # fmt: skip
        # Dealt out of all sequences, long and short ones to each: what is missing changes.
        share = sorted(self.sequences, key=lambda x: (len(x), x))[rank::world]
        with _shown("hidden states", len(states.missing(share)), rank) as show:

            def advance(done: int) -> bool:
                show(done)
                return not self.asked()

            complete = states.fill(
                share, budget=max(self.settings.tokens, 4096), device=device, advance=advance,
                limit=self.limit,
            )  # fmt: skip
        if not complete:
            raise Stopped

    def refresh(self) -> None:
        """See what the other processes have written."""
        for part in self.parts.values():
            if part.kept is not None:
                part.kept.refresh()
        if self.states is not None:
            self.states.missing(())

    def setup(self, stage: str) -> None:
        """Fill what is kept on disk; every process its share."""
        trainer = self.trainer
        assert trainer is not None
        self.fill(trainer.strategy.root_device, trainer.global_rank, trainer.world_size)
        trainer.strategy.barrier("fill")
        self.refresh()
        self.ready(trainer.strategy.root_device)

    def train_dataloader(self) -> DataLoader[Examples]:
        """Return the batches; those that a checkpoint has done already are left out."""
        trainer = self.trainer
        assert trainer is not None
        sampler = self.sampler("train", trainer.global_rank, trainer.world_size)
        done = trainer.fit_loop.epoch_loop.batch_progress.current.processed  # type: ignore[attr-defined]
        epoch = trainer.fit_loop.epoch_progress.current.processed  # type: ignore[attr-defined]
        if 0 < done < len(sampler):
            sampler.start(epoch, done)
        else:
            sampler.set_epoch(epoch)
        return self._loader("train", sampler)

    def val_dataloader(self) -> DataLoader[Examples]:
        """Return the validation batches, sorted by length."""
        trainer = self.trainer
        assert trainer is not None
        sampler = self.sampler("validation", trainer.global_rank, trainer.world_size)
        return self._loader("validation", sampler)

    def sampler(self, name: str, rank: int = 0, world: int = 1) -> TokenBatches:
        """Return the batches of a part, in the order of the data seed."""
        lengths = [list(map(len, chains)) for chains in self.parts[name].sequences]
        settings = self.settings
        training = name == "train"
        return TokenBatches(
            lengths, settings.tokens, rank=rank, world=world,
            epochs=settings.epochs if training else 1,
            seed=settings.data_seed if training else None,
        )  # fmt: skip

    def _loader(self, name: str, sampler: TokenBatches) -> DataLoader[Examples]:
        workers = self.settings.workers
        return ResumableLoader(
            self.parts[name],  # type: ignore[arg-type]
            batch_sampler=sampler, collate_fn=self.collate(name),
            num_workers=workers, persistent_workers=workers > 0,
            prefetch_factor=4 if workers else None,
        )  # fmt: skip

    def collate(self, name: str) -> Collate:
        """Return what joins samples of a part into a batch."""
        seq, states = self.model.seq, self.states
        runs = seq is not None and (states is None or states.every_token)
        return Collate(
            self.parts[name],
            seq.tokenize if seq is not None and runs else None,
            None if states is None else states.of_chains,
        )


class ResumableLoader(DataLoader[Examples]):
    """A loader whose place is known from the trainer's own progress; see `train_dataloader`."""

    def state_dict(self) -> dict[str, Any]:
        """Return nothing: the batch to go on with is in the trainer's state."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take nothing."""


def _shown(what: str, total: int, rank: int) -> Any:
    return progress(what, total) if rank == 0 else nullcontext(lambda done: None)
