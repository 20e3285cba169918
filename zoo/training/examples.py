"""Prepared samples as inputs of a model: featurised once, stored, and joined into batches."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from zoo.data.preparing import STORE
from zoo.data.samples import Sample
from zoo.data.store import Store
from zoo.proteins.batch import Batch, Tokenize, join
from zoo.proteins.build_graph import GraphSpec, build_graph
from zoo.proteins.feature_sets import sources
from zoo.proteins.graph import Graph
from zoo.proteins.protein import Protein
from zoo.proteins.reading import Reads, check_letters, paired
from zoo.proteins.threedi import structure_letters
from zoo.states.shards import Shards
from zoo.tasks import Target

VERSION = 3
"""Version of the features; raise it when `build_graph` computes other numbers."""
STRUCTURE = "structure"
"""Name of the tensor of a sample with 3Di letters, for a language model that reads them."""
States = Callable[[Sequence[Sequence[str]], Graph], Mapping[int, Tensor]]


@dataclass(frozen=True)
class Examples:
    """A batch of samples with the true values of their targets.

    Attributes:
        batch: input of the model.
        hidden: stored hidden states of the language model; None if the whole of it runs.
        targets: true values by target name, (rows,) or (rows, outputs); rows are nodes or
            proteins, unknown values are NaN.
        weight: (rows,) weight of each row's sample.
        censored: (rows,) `Sample.censored` of each row's sample.
        keys: keys of the samples.
        residues: number of residues of each sample.
    """

    batch: Batch
    hidden: Mapping[int, Tensor] | None
    targets: Mapping[str, Tensor]
    weight: Tensor
    censored: Tensor
    keys: tuple[str, ...]
    residues: tuple[int, ...]

    def to(self, device: torch.device | str, **_: Any) -> Examples:
        """Return the batch with every tensor on `device`."""
        hidden = self.hidden and {k: h.to(device) for k, h in self.hidden.items()}
        return dataclasses.replace(
            self,
            batch=self.batch.to(device),
            hidden=hidden,
            targets={name: x.to(device) for name, x in self.targets.items()},
            weight=self.weight.to(device),
            censored=self.censored.to(device),
        )


def featurised(sample: Sample, targets: Sequence[Target], spec: GraphSpec) -> dict[str, Tensor]:
    """Return the graph of a sample, and its target values by node, as plain tensors."""
    graph = build_graph(sample.protein, spec)
    found = {"src": graph.src.int(), "dst": graph.dst.int()}
    found |= {f"node:{name}": x for name, x in graph.nodes.items()}
    found |= {f"edge:{name}": x for name, x in graph.edges.items()}
    for target in targets:
        values = torch.from_numpy(np.asarray(sample.targets[target.name], np.float32))
        if target.level == "residue":
            values = _over_nodes(values, graph.nodes["residue"])
        # One axis more, because the file format has no tensors without axes.
        found[f"target:{target.name}"] = values[None] if target.level == "protein" else values
    found["facts"] = torch.tensor([sample.weight, sample.censored], dtype=torch.float64)
    return {name: x.contiguous() for name, x in found.items()}


def _over_nodes(values: Tensor, residue: Tensor) -> Tensor:
    """Return the value of each node; NaN for ligand atoms."""
    rows = values.index_select(0, residue.clamp(min=0))
    return rows.masked_fill((residue < 0).view(-1, *[1] * (rows.dim() - 1)), torch.nan)


def to_graph(tensors: Mapping[str, Tensor]) -> Graph:
    """Return the graph from the tensors that `featurised` returns."""
    nodes = {name[5:]: x for name, x in tensors.items() if name.startswith("node:")}
    edges = {name[5:]: x for name, x in tensors.items() if name.startswith("edge:")}
    count = len(nodes["residue"])
    return Graph(tensors["src"].long(), tensors["dst"].long(), (count,), nodes, edges)


class PreparedExamples(Dataset[dict[str, Tensor]]):
    """Featurised samples of a prepared folder, by index.

    Args:
        data: folder that `zoo.prepare` wrote.
        inputs: hash of the prepared files, from the manifest.
        keys: keys of the samples, in order.
        sequences: sequences of the chains of each sample.
        targets: targets whose values are given to the nodes.
        spec: how the graphs are built.
        root: folder of the store for graphs; None to featurise on every access.
        reads: what the language model reads of a chain.
    """

    def __init__(
        self,
        data: Path,
        inputs: str,
        keys: Sequence[str],
        sequences: Sequence[tuple[str, ...]],
        targets: Sequence[Target],
        spec: GraphSpec,
        root: Path | None,
        reads: Reads = "sequence",
    ) -> None:
        self.data, self.keys, self.sequences = data, tuple(keys), tuple(sequences)
        self.targets, self.spec, self.reads = tuple(targets), spec, reads
        self.kept = None if root is None else Shards(root / "graphs" / self._name(inputs))

    def _name(self, inputs: str) -> str:
        spec = dataclasses.asdict(self.spec)
        names = [target.name for target in self.targets]
        extra = sources(self.spec.features) + ([] if self.reads == "sequence" else [STRUCTURE])
        text = json.dumps([VERSION, inputs, spec, names, *extra], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:24]

    def __len__(self) -> int:
        return len(self.keys)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        key = self.keys[index]
        if self.kept is not None and key in self.kept:
            return self.kept.get(key)
        (found,) = self.featurised([key]).values()
        return found

    def __getitems__(self, indices: Sequence[int]) -> list[tuple[int, dict[str, Tensor]]]:
        """Return the samples of a batch with their indices, in the form that DataLoader expects."""
        return [(index, self[index]) for index in indices]

    def featurised(self, keys: Sequence[str]) -> dict[str, dict[str, Tensor]]:
        """Read samples, and return their graphs and targets by key."""
        samples = zip(keys, self.samples(keys), strict=True)
        return {key: self.tensors(sample) for key, sample in samples}

    def tensors(self, sample: Sample, moved: Protein | None = None) -> dict[str, Tensor]:
        """Return a sample as plain tensors; `moved` is its protein with noise, for the graph alone.

        A language model that reads the structure reads it without noise, live as from its store.
        """
        noisy = sample if moved is None else dataclasses.replace(sample, protein=moved)
        found = featurised(noisy, self.targets, self.spec)
        return found if self.reads == "sequence" else found | self._structure(sample)

    def _structure(self, sample: Sample) -> dict[str, Tensor]:
        letters = structure_letters(sample.protein)
        check_letters(letters, self.reads, sample.id)
        values = np.frombuffer("".join(letters).encode(), np.uint8)
        return {STRUCTURE: torch.from_numpy(values.copy())}

    def read(self, index: int, tensors: Mapping[str, Tensor]) -> Sequence[str]:
        """Return what the language model reads of the chains of a sample, from its tensors."""
        sequences = self.sequences[index]
        if self.reads == "sequence":
            return sequences
        letters = tensors[STRUCTURE].numpy().tobytes().decode()
        stops = np.cumsum([0, *map(len, sequences)]).tolist()
        structure = [letters[a:b] for a, b in pairwise(stops)]
        check_letters(structure, self.reads, self.keys[index])  # of a store, each run says so
        return paired(sequences, structure)

    def readings(self) -> Iterator[Sequence[str]]:
        """Yield what the language model reads of the chains of each sample."""
        if self.reads == "sequence":
            yield from self.sequences
            return
        for index, key in enumerate(self.keys):
            if self.kept is not None and key in self.kept:
                yield self.read(index, self.kept.get(key))
            else:
                (sample,) = self.samples([key])
                yield self.read(index, self._structure(sample))

    def samples(self, keys: Sequence[str]) -> Iterator[Sample]:
        """Yield samples. The store is open meanwhile, which LMDB allows only once per process."""
        with Store(self.data / STORE) as store:
            for key in keys:
                yield store[key]

    def residues(self) -> dict[str, int]:
        """Return the number of residues of each sample, by key."""
        sizes = (sum(map(len, chains)) for chains in self.sequences)
        return dict(zip(self.keys, sizes, strict=True))

    def missing(self) -> list[str]:
        """Return the keys whose graph is not stored on disk yet."""
        return [] if self.kept is None else [key for key in self.keys if key not in self.kept]


@dataclass(frozen=True)
class Collate:
    """Joins samples into a batch, in the process that reads them.

    Attributes:
        examples: data set that the samples come from.
        tokenize: tokenizer of the language model; None if it will not run.
        states: reads stored hidden states; None if the whole language model will run.
    """

    examples: PreparedExamples
    tokenize: Tokenize | None
    states: States | None

    def __call__(self, found: Sequence[tuple[int, Mapping[str, Tensor]]]) -> Examples:
        """Return the batch of these indices and tensors."""
        graphs = [to_graph(tensors) for _, tensors in found]
        sequences = [self.examples.read(index, tensors) for index, tensors in found]
        keys = tuple(self.examples.keys[index] for index, _ in found)
        batch = join(Graph.batch(graphs), sequences, self.tokenize, keys)
        level = self.examples.targets[0].level
        rows = batch.graph.protein if level == "residue" else torch.arange(len(graphs))
        facts = torch.stack([tensors["facts"] for _, tensors in found])[rows]
        return Examples(
            batch=batch,
            hidden=self.states(sequences, batch.graph) if self.states else None,
            targets={
                t.name: torch.cat([x[f"target:{t.name}"] for _, x in found])
                for t in self.examples.targets
            },
            weight=facts[:, 0].float(),
            censored=facts[:, 1].float(),
            keys=keys,
            residues=tuple(sum(map(len, chains)) for chains in sequences),
        )
