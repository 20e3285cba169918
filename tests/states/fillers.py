"""A language model of plain torch, and processes that fill stores: quick to start, easy to kill."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from zoo.backbones.base import OnLayer, SequenceBackbone
from zoo.proteins.batch import Tokens
from zoo.states import filling
from zoo.states.shards import Shards
from zoo.states.states import StateStore

LETTERS = "ACDEFGHIKLMNPQRSTVWY"


def sequences(count: int, longest: int = 30, seed: int = 0) -> list[str]:
    """Return distinct random sequences."""
    rng = random.Random(seed)
    found: dict[str, None] = {}
    while len(found) < count:
        found["".join(rng.choices(LETTERS, k=rng.randint(1, longest)))] = None
    return list(found)


class LetterModel(SequenceBackbone):
    """Three layers over letters, each row mixed with the mean of its chain; counts its calls."""

    num_layers, width = 3, 8

    def __init__(self, seed: int = 0, *, shift: int = 0, pause: float = 0.0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.letters = nn.Embedding(256, self.width)
        self.layers = nn.ModuleList(nn.Linear(self.width, self.width) for _ in range(3))
        self.shift, self.pause, self.seen = shift, pause, 0

    def tokenize(self, sequences: Sequence[str]) -> Tokens:
        ids = torch.zeros(len(sequences), max(map(len, sequences)) + 2, dtype=torch.long)
        attend = torch.zeros_like(ids, dtype=torch.bool)
        for row, sequence in enumerate(sequences):
            letters = [ord(letter) + self.shift for letter in sequence]
            ids[row, : len(letters) + 2] = torch.tensor([1, *letters, 2])
            attend[row, : len(letters) + 2] = True
        return Tokens(ids, attend, start=1)

    def embedding(self, tokens: Tensor, attend: Tensor) -> Tensor:
        return self.letters(tokens)

    def forward(self, tokens: Tensor, attend: Tensor, on_layer: OnLayer | None = None) -> Tensor:
        time.sleep(self.pause)
        self.seen += len(tokens)
        h, mask = self.letters(tokens), attend[:, :, None]
        for k, layer in enumerate(self.layers, start=1):
            mean = (h * mask).sum(1, keepdim=True) / mask.sum(1, keepdim=True)
            h = h + torch.tanh(layer(h + mean))
            h = on_layer(k, h) if on_layer is not None else h
        return h


def open_store(root: Path, plm: SequenceBackbone | None = None, **given: object) -> StateStore:
    """Return a store of two layers in float32."""
    settings = {"layers": (1, 3), "dtype": torch.float32, "fingerprint": "f00d", **given}
    return StateStore(root, plm or LetterModel(), "letters", **settings)


def fill(store: StateStore, wanted: Sequence[str], **given: object) -> bool:
    """Fill a store on the CPU without being interrupted."""
    settings = {"budget": 64, "device": "cpu", "advance": lambda done: True, **given}
    return store.fill(wanted, **settings)


class Entries(Dataset[float]):
    """Sums over the entries of some shards, by index."""

    def __init__(self, shards: Shards) -> None:
        self.shards = shards

    def __len__(self) -> int:
        return len(self.shards)

    def __getitem__(self, index: int) -> float:
        return float(self.shards.get(str(index))["x"].sum())


# ------------------------------------------------------------------- what other processes do


def fill_together(root: str, count: str) -> None:
    """Wait for the others, fill a store and print how many sequences were computed."""
    plm = LetterModel(pause=0.02)
    store = open_store(Path(root), plm)
    Path(root, f"ready {os.getpid()}").touch()
    while not Path(root, "go").exists():
        time.sleep(0.01)
    assert fill(store, sequences(int(count)))
    print(plm.seen)


def fill_slowly(root: Path) -> None:
    """Fill a store until the end."""
    fill(open_store(root, LetterModel(pause=0.002)), sequences(400))


def write_forever(folder: Path) -> None:
    """Add shards of a few megabytes."""
    shards, number = Shards(folder), os.getpid() * 1000
    while True:
        shards.put({str(number): {"x": torch.full((500_000,), float(number % 1000))}})
        number += 1


def die_while_writing(folder: Path) -> None:
    """Be killed when a shard is written and not yet in place."""
    os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)
    Shards(folder).put({"never": {"x": torch.ones(9)}})


def killed(place: str, *tasks: str) -> None:
    """Start a process for each task, and kill it a random moment later, if it does not itself."""
    calls = {"fill": fill_slowly, "write": write_forever, "die": die_while_writing}
    for task in tasks:
        child = os.fork()
        if not child:
            calls[task](Path(place))
            os._exit(0)
        if task != "die":
            time.sleep(random.uniform(0.02, 0.2))
            os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


if __name__ == "__main__":
    torch.set_num_threads(1)
    filling.SHARD_SEQUENCES = 4
    {"together": fill_together, "killed": killed}[sys.argv[1]](*sys.argv[2:])
