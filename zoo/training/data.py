"""The training data of one run: featurised samples and the language model's hidden states."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import lightning
import torch
from torch.utils.data import DataLoader, Dataset

from zoo.backbones.file_states import FileStates
from zoo.models.model import FusedModel
from zoo.states.room import check_space, size_text
from zoo.states.states import StateStore
from zoo.system.counting import counted
from zoo.system.listener import SILENT, Listener, Stopped
from zoo.training.batching import TokenBatches
from zoo.training.disturbance import DisturbedExamples, EpochBatches
from zoo.training.examples import Collate, Examples, PreparedExamples
from zoo.training.job import Job

CHUNK = 64
"""Number of graphs that are written at a time."""
DTYPES = {"bfloat16": torch.bfloat16, "float32": torch.float32}


class TrainingData(lightning.LightningDataModule):
    """Training and validation examples of one model; the test split is not read.

    Args:
        job: model to train, with its data, its samples and the folder for graphs and states.
        model: model that the graphs, tokens and states are made for.
        listener: receives the progress of computing them, and may ask to stop.
    """

    def __init__(self, job: Job, model: FusedModel, listener: Listener = SILENT) -> None:
        super().__init__()
        self.model, self.listener = model, listener
        self.settings, self.root, self.limit = job.config.train, job.root, job.limit
        kept = None if self.settings.store == "none" else job.root
        self.parts = {
            name: PreparedExamples(
                job.data, job.manifest["inputs"], keys,
                [tuple(job.index[key]["sequences"]) for key in keys], job.targets,
                model.graph_spec, kept, model.seq.reads if model.seq is not None else "sequence",
            ) for name, keys in (("train", job.plan.keys.train),
                                 ("validation", job.plan.keys.validation))
        }  # fmt: skip
        self.states = None if kept is None else self._open_states(kept)
        self.ready: Callable[[torch.device], None] = lambda device: None
        """Called before training, once all graphs and states are on disk."""

    def _open_states(self, root: Path) -> StateStore | None:
        """Return the store of hidden states; None if no states of the model can be stored."""
        if self.model.seq is None or not self.model.taps or isinstance(self.model.seq, FileStates):
            return None
        recipe = self.model.recipe
        return StateStore(
            root, self.model.seq, recipe.config.sequence.name, recipe.fingerprint,
            self.model.taps, DTYPES[self.settings.store], every_token=self.model.side is None,
        )  # fmt: skip

    @cached_property
    def sequences(self) -> list[str]:
        """The distinct chains of all samples, as the language model reads them."""
        parts = [chains for part in self.parts.values() for chains in part.readings()]
        return list(dict.fromkeys(sequence for chains in parts for sequence in chains))

    def fill(self, device: torch.device | str, rank: int = 0, world: int = 1) -> None:
        """Compute the graphs and hidden states that are not stored yet; each process does a share.

        Args:
            device: device that runs the language model.
            rank: number of this process, from 0.
            world: number of processes.

        Raises:
            Stopped: when asked to stop.
            ConfigError: if they would exceed the free space of the disk or the limit.
        """
        for name, part in self.parts.items():
            self._fill_graphs(name, part, rank, world)
        if self.states is not None:
            self._fill_states(self.states, device, rank, world)

    def _fill_graphs(self, name: str, part: PreparedExamples, rank: int, world: int) -> None:
        missing = set(part.missing())
        # Shares are taken of all keys: the missing ones change while other processes write.
        todo = [key for key in part.keys[rank::world] if key in missing]
        if not todo or part.kept is None:
            return
        self._announce_graphs(name, part, todo)
        with self.listener.progress(f"featurising {name}", len(todo)) as advance:
            for start in range(0, len(todo), CHUNK):
                chunk = todo[start : start + CHUNK]
                part.kept.put(part.featurised(chunk))
                advance(start + len(chunk))
                if self.listener.asked():
                    raise Stopped

    def _announce_graphs(self, name: str, part: PreparedExamples, todo: Sequence[str]) -> None:
        """Report the expected size of the graphs, and refuse if they would not fit on the disk."""
        (first,) = part.featurised(todo[:1]).values()
        sizes = part.residues()
        share = sum(sizes[key] for key in todo) / max(1, sizes[todo[0]])
        need = round(share * sum(x.numel() * x.element_size() for x in first.values()))
        what = f"The graphs of {counted(len(todo), f'{name} sample')}"
        check_space(self.root, need, self.limit, what, "or give train.store=none")
        self.listener.say(f"{what.lower()}: about {size_text(need)} in {self.root}")

    def _fill_states(
        self, states: StateStore, device: torch.device | str, rank: int, world: int
    ) -> None:
        missing = states.missing(self.sequences)
        if not missing:
            return
        size = states.expected_bytes(missing)
        then = ", and in training from there on" if states.every_token else ""
        self.listener.say(
            f"the language model runs once{then}: {counted(len(missing), 'sequence')}, layers "
            f"{', '.join(map(str, states.layers))}, {size_text(size)} in {states.root}"
        )
        # Shares are taken of all sequences, sorted so that each has long and short ones; the
        # missing ones change while other processes write.
        share = sorted(self.sequences, key=lambda x: (len(x), x))[rank::world]
        with self.listener.progress("hidden states", len(states.missing(share))) as shown:

            def advance(done: int) -> bool:
                shown(done)
                return not self.listener.asked()

            complete = states.fill(
                share, budget=max(self.settings.tokens, 4096), device=device, advance=advance,
                limit=self.limit,
            )  # fmt: skip
        if not complete:
            raise Stopped

    def refresh(self) -> None:
        """Notice what the other processes have written."""
        for part in self.parts.values():
            if part.kept is not None:
                part.kept.refresh()
        if self.states is not None:
            self.states.missing(())

    def setup(self, stage: str) -> None:
        """Compute this process's share of graphs and states, and wait for the others."""
        trainer = self.trainer
        assert trainer is not None
        self.fill(trainer.strategy.root_device, trainer.global_rank, trainer.world_size)
        trainer.strategy.barrier("fill")
        self.refresh()
        self.ready(trainer.strategy.root_device)

    def train_dataloader(self) -> DataLoader[Examples]:
        """Return the training batches, without those that the resumed run has done."""
        trainer = self.trainer
        assert trainer is not None
        sampler = self.sampler("train", trainer.global_rank, trainer.world_size)
        done = trainer.fit_loop.epoch_loop.batch_progress.current.processed  # type: ignore[attr-defined]
        epoch = trainer.fit_loop.epoch_progress.current.processed  # type: ignore[attr-defined]
        if 0 < done < len(sampler):
            sampler.start(epoch, done)
        else:
            sampler.set_epoch(epoch)
        settings, part = self.settings, self.parts["train"]
        if not (settings.noise or settings.mask_types):
            return self._loader("train", part, sampler)
        changing = DisturbedExamples(
            part, settings.noise, settings.mask_types, settings.data_seed
        )  # fmt: skip
        return self._loader("train", changing, EpochBatches(sampler))

    def val_dataloader(self) -> DataLoader[Examples]:
        """Return the validation batches, sorted by length."""
        trainer = self.trainer
        assert trainer is not None
        sampler = self.sampler("validation", trainer.global_rank, trainer.world_size)
        return self._loader("validation", self.parts["validation"], sampler)

    def sampler(self, name: str, rank: int = 0, world: int = 1) -> TokenBatches:
        """Return the batches of "train" or "validation", in the order of the data seed."""
        lengths = [list(map(len, chains)) for chains in self.parts[name].sequences]
        settings = self.settings
        training = name == "train"
        return TokenBatches(
            lengths, settings.tokens, rank=rank, world=world,
            epochs=settings.epochs if training else 1,
            seed=settings.data_seed if training else None,
        )  # fmt: skip

    def _loader(
        self, name: str, samples: Dataset[Any], sampler: TokenBatches | EpochBatches
    ) -> DataLoader[Examples]:
        workers = self.settings.workers
        return ResumableLoader(
            samples, batch_sampler=sampler, collate_fn=self.collate(name),
            num_workers=workers, persistent_workers=workers > 0,
            prefetch_factor=4 if workers else None,
        )  # fmt: skip

    def collate(self, name: str) -> Collate:
        """Return the function that joins samples of a part into a batch."""
        seq, states = self.model.seq, self.states
        runs = seq is not None and (states is None or states.every_token)
        return Collate(
            self.parts[name],
            seq.tokenize if seq is not None and runs else None,
            None if states is None else states.of_chains,
        )


class ResumableLoader(DataLoader[Examples]):
    """A loader whose position is in the trainer's own progress; see `train_dataloader`."""

    def state_dict(self) -> dict[str, Any]:
        """Return nothing: the next batch is known from the trainer's state."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore nothing."""
