"""Checks that a batch fits into the free memory, before the system would kill the program."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import torch

from zoo.backbones.file_states import FileStates, blanked
from zoo.examples import example
from zoo.models.memory import PeakTracker
from zoo.models.model import FusedModel
from zoo.proteins.protein import Protein
from zoo.system.memory import check_fits

ALWAYS_FITS = 512
"""Tokens up to which a batch is not checked, so that a small job does not wait for measuring."""
LONG = 256
"""Residues of the longer of two chains that a language model is measured on."""


class Headroom:
    """Estimates the memory that batches need on the CPU, from small batches measured once.

    Graphs and attention here are linear in residues, but some language models hold a matrix of
    tokens by tokens (ProtT5's relative positions), so both parts are measured. A GPU says itself
    when it has no more memory.

    Args:
        model: Model that will run.
        device: Device that the model is on.
    """

    def __init__(self, model: FusedModel, device: str) -> None:
        self.model, self.device = model, device

    def check(self, proteins: Sequence[Protein]) -> None:
        """Check a batch.

        Raises:
            ConfigError: if it would not fit; says what it needs, what there is and what helps.
        """
        chains = [len(chain) for protein in proteins for chain in protein.chains]
        longest, tokens = max(chains), max(chains) * len(chains)
        if self.device != "cpu" or tokens <= ALWAYS_FITS:
            return
        need = tokens * self._linear + tokens * longest * self._square
        residues = sum(map(len, proteins))
        check_fits(f"A batch of {residues:,} residues ({proteins[0].name})", need, ADVICE)

    @cached_property
    def _linear(self) -> float:
        """Bytes a residue, of the whole model."""
        protein = example()
        with PeakTracker() as tracker, blanked(self.model.seq), torch.inference_mode():
            self.model.features(self.model.batch([protein]).to(self.device))  # heads take little
        return tracker.peak / len(protein)

    @cached_property
    def _square(self) -> float:
        """Bytes a pair of tokens of one chain, of the language model."""
        seq: Any = self.model.seq
        if seq is None or isinstance(seq, FileStates) or seq.memory_is_linear:
            return 0.0
        long = min(LONG, (getattr(seq, "max_tokens", None) or LONG) - seq.tokenizer.num_special)
        short = long // 4
        excess = self._peak(long) - long / short * self._peak(short)
        return max(0.0, excess) / (2 * (long**2 - long * short))

    @torch.inference_mode()
    def _peak(self, length: int) -> int:
        """Return what the language model takes for two chains, one of them padded."""
        assert self.model.seq is not None
        tokens = self.model.seq.tokenize(["A" * length, "A" * (length // 2)])
        with PeakTracker() as tracker:
            self.model.seq(tokens.ids.to(self.device), tokens.attend.to(self.device))
        return tracker.peak


ADVICE = (
    "What helps: a machine with more; closing other programs; a model that was trained with a "
    "smaller language model, local fusion, or --set sequence.dtype=bfloat16."
)
