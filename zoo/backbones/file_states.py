"""A sequence branch that computes nothing: it looks each chain's hidden states up in a file."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext

import numpy as np
import torch
from torch import Tensor, nn

from zoo.backbones.base import OnLayer, SequenceBackbone, Start
from zoo.backbones.states_file import StatesFile
from zoo.backbones.states_places import Place, key_of
from zoo.errors import DataError
from zoo.proteins.batch import Tokens
from zoo.proteins.reading import unpaired


class FileStates(SequenceBackbone):
    """States from a file as the only layer of a language model.

    A token is the number of a row, counted over all chains of the file. Tokens therefore travel
    through batches as those of any language model do, and rows are read where it would run.
    """

    num_layers = 1

    def __init__(self, file: StatesFile) -> None:
        super().__init__()
        self.file, self.width, self.reads = file, file.width, file.reads
        self.places: list[Place] = list(file.places.values())
        self._number = {key: number for number, key in enumerate(file.places)}
        counts = [place.stop - place.start for place in self.places]
        self._first = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64).tolist()
        self._blank = False

    def tokenize(self, sequences: Sequence[str]) -> Tokens:
        """Return the numbers of the rows of each chain; there are no special tokens.

        Raises:
            DataError: If the file has no states of a chain.
        """
        longest = max(map(len, sequences), default=0)
        ids = torch.zeros((len(sequences), longest), dtype=torch.long)
        attend = torch.zeros((len(sequences), longest), dtype=torch.bool)
        for row, sequence in enumerate(sequences):
            first = self._first[self._find(sequence)]
            ids[row, : len(sequence)] = torch.arange(first, first + len(sequence))
            attend[row, : len(sequence)] = True
        return Tokens(ids, attend, start=0)

    def _find(self, sequence: str) -> int:
        if self._blank:
            return 0  # no row is read
        number = self._number.get(key_of(sequence))
        if number is None:
            in_this = "" if self.reads == "sequence" else " in this structure"
            raise DataError(
                f"{self.file.path} has no states of a chain of {len(sequence)} residues "
                f"({unpaired(sequence)[0][:20]}...){in_this}. Compute them with what made the "
                "file, for the whole sequence of the chain, unresolved residues included; --states "
                "FILE gives a trained model those of new proteins."
            )
        place = self.places[number]
        if place.stop - place.start != len(sequence):
            raise DataError(
                f"{self.file.path}: {place.source} has {place.stop - place.start} rows for a chain "
                f"of {len(sequence)} residues. Leave out the rows of special tokens."
            )
        return number

    def forward(
        self,
        tokens: Tensor,
        attend: Tensor,
        on_layer: OnLayer | None = None,
        start: Start | None = None,
    ) -> Tensor:
        """Return (chains, tokens, width), zero on padding."""
        h = self.embedding(tokens, attend)
        return h if on_layer is None else on_layer(1, h)

    def embedding(self, tokens: Tensor, attend: Tensor) -> Tensor:
        """Return (chains, tokens, width): the rows of the file."""
        h = torch.zeros((*tokens.shape, self.width), device=tokens.device)
        if self._blank or not tokens.numel():
            return h
        places = [self.places[bisect_right(self._first, int(id_)) - 1] for id_ in tokens[:, 0]]
        for row, values in enumerate(self.file.read(places)):
            h[row, : len(values)] = torch.from_numpy(values).to(h.device)
        return h

    @contextmanager
    def blank(self) -> Iterator[None]:
        """Give zeros for every chain within the block, whether the file has it or not."""
        self._blank = True
        try:
            yield
        finally:
            self._blank = False


def blanked(seq: nn.Module | None) -> AbstractContextManager[None]:
    """Let a made-up chain pass through a model, to measure its memory or its speed."""
    return seq.blank() if isinstance(seq, FileStates) else nullcontext()
