"""Features of many proteins into one HDF5 file: sized first, batched by tokens, resumable."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import h5py
import numpy as np
import torch
from torch import Tensor

from zoo.errors import ConfigError, StructureError, ZooError
from zoo.model import FusedModel
from zoo.proteins.batch import Batch, gather_rows
from zoo.proteins.files.formats import stem
from zoo.proteins.protein import Protein
from zoo.proteins.structure import FASTA_SUFFIXES, is_readable, read_proteins

WINDOW = 256
"""Proteins read ahead and sorted by length; what is held in memory at a time."""
PARTIAL = "__partial__"


@dataclass(frozen=True)
class Settings:
    """What to compute; written into the file, and equal for all that is in it.

    Attributes:
        layers: "fused", or numbers of language model layers.
        pool: mean over each protein's residues, instead of a row a residue.
        half: store float16.
    """

    layers: tuple[str, ...]
    pool: bool
    half: bool


@dataclass
class Outcome:
    """What became of the inputs."""

    written: int = 0
    kept: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    interrupted: bool = False


class Input(NamedTuple):
    """A file, and the name that its structure gets; a FASTA file's records have their own."""

    path: Path
    name: str


def find_inputs(patterns: Sequence[str]) -> list[Input]:
    """Return the files that paths, folders and globs mean, sorted, each once.

    A structure is named after its file; below a folder that was given, after the path from there
    ("target/native"), so that the name does not depend on what else is given.

    Raises:
        StructureError: if one of them means no file at all.
    """
    found: dict[Path, Input] = {}
    for pattern in patterns:
        files = list(_expand(pattern))
        if not files:
            raise StructureError(
                f"{pattern!r} is no structure or FASTA file, folder of such, or matching pattern."
            )
        found |= {file.path: file for file in files}
    return sorted(found.values())


def _expand(pattern: str) -> Iterator[Input]:
    path = Path(pattern)
    if path.is_dir():
        for file in path.rglob("*"):
            if file.is_file() and is_readable(file):
                parent = file.relative_to(path).parent
                yield Input(file, (parent / stem(file)).as_posix())
    elif path.exists():
        yield Input(path, stem(path))
    else:
        import glob

        yield from (Input(Path(x), stem(x)) for x in glob.glob(pattern, recursive=True))


def read_all(
    inputs: Iterable[Input], outcome: Outcome, is_done: Callable[[Input], bool]
) -> Iterator[Protein]:
    """Yield the proteins of files not done yet.

    A file that cannot be read, or a name that came before, is noted and not fatal.
    """
    owners: dict[str, str] = {}
    for file in inputs:
        fasta = is_fasta(file.path)
        if not fasta and is_done(file):
            outcome.kept += _is_free(file.name, file.path, owners, outcome)
            continue
        try:
            for protein in read_proteins(file.path):
                name = protein.name if fasta else file.name
                if _is_free(name, file.path, owners, outcome):
                    yield dataclasses.replace(protein, name=name)
        except ZooError as error:
            outcome.failed[str(file.path)] = str(error)


def _is_free(name: str, path: Path, owners: dict[str, str], outcome: Outcome) -> bool:
    """Return whether a name is new; "t" and "t/native" cannot both be keys of one file."""
    folders = [str(parent) for parent in PurePosixPath(name).parents if str(parent) != "."]
    taken = next((key for key in (name, f"{name}/", *folders) if key in owners), None)
    if taken is not None:
        outcome.failed[f"{path} {name}"] = (
            f"{path}: the name {name!r} is taken by {owners[taken]}; names are the keys of the "
            "file, so rename one"
        )
        return False
    owners.update({key: str(path) for key in (name, *(f"{folder}/" for folder in folders))})
    return True


def is_fasta(path: Path) -> bool:
    """Return whether a file holds sequences and not one structure."""
    name = path.name.lower().removesuffix(".gz")
    return name.endswith(tuple(FASTA_SUFFIXES))


def sequence_hash(protein: Protein) -> str:
    """Return a hash of the protein's chains, in order."""
    text = ":".join(chain.sequence for chain in protein.chains)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


class EmbeddingFile:
    """An HDF5 file of one group a protein, keyed by name.

    A group has one dataset a layer, (residues, width) or (width,), `residues` naming its rows
    (chain:number:letter), and the sequence's hash as an attribute. It is made under another name
    and moved when complete, so that a group that is there is whole.
    """

    def __init__(self, path: Path, model: FusedModel, settings: Settings) -> None:
        self.path, self.settings = path, settings
        description = json.dumps(
            {
                "config": model.recipe.config.to_dict(),
                "plm_fingerprint": model.recipe.fingerprint,
                "layers": settings.layers, "pool": settings.pool, "half": settings.half,
            }, sort_keys=True,
        )  # fmt: skip
        try:
            self.file = h5py.File(path, "a")
        except OSError as error:
            raise ConfigError(
                f"{path} cannot be opened as an HDF5 file ({error}). If a crash damaged it, or it "
                "is something else, delete it or choose another --out."
            ) from error
        if self.file.attrs.setdefault("description", description) != description:
            raise ConfigError(
                f"{path} was written by another model or with other settings. Choose another "
                "--out, or delete it to start anew."
            )
        if PARTIAL in self.file:
            del self.file[PARTIAL]

    def __enter__(self) -> EmbeddingFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def has(self, protein: Protein) -> bool:
        """Return whether this very protein is in the file under this name."""
        group = self.file.get(protein.name)
        if group is None or group.attrs.get("sequence_hash") != sequence_hash(protein):
            return False
        # One sequence can have several structures: a file must also be the one that was done.
        return not protein.has_structure or group.attrs["file_stamp"] == _stamp(protein.source)

    def has_file(self, file: Input) -> bool:
        """Return whether a structure file, unchanged since, was done; without reading it."""
        group = self.file.get(file.name)
        return group is not None and group.attrs.get("file_stamp") == _stamp(str(file.path))

    def write(self, protein: Protein, rows: dict[str, Tensor], nodes: Sequence[str]) -> None:
        """Add one protein's features, in the place of any of that name."""
        group = self.file.create_group(PARTIAL)
        for layer, tensor in rows.items():
            values = tensor.float().cpu().numpy()
            group[layer] = values.astype(np.float16 if self.settings.half else np.float32)
        group["residues"] = np.array(nodes, dtype="S")
        group.attrs["sequence_hash"] = sequence_hash(protein)
        group.attrs["source"] = protein.source
        group.attrs["file_stamp"] = _stamp(protein.source)
        if protein.name in self.file:
            del self.file[protein.name]
        self.file.move(PARTIAL, protein.name)

    def flush(self) -> None:
        """Bring what was written to the disk."""
        self.file.flush()


def _stamp(path: str) -> str:
    try:
        stat = Path(path).stat()
    except OSError:
        return ""
    return f"{stat.st_size} {stat.st_mtime_ns}"


def windows(proteins: Iterable[Protein]) -> Iterator[list[Protein]]:
    """Yield lists of at most `WINDOW` proteins, longest first: memory runs out early or never."""
    iterator = iter(proteins)
    while window := list(islice(iterator, WINDOW)):
        yield sorted(window, key=len, reverse=True)


def batches(window: Sequence[Protein], budget: int) -> Iterator[list[Protein]]:
    """Yield runs of proteins of like length whose padded tokens stay within the budget.

    A protein above the budget makes a batch of its own: nothing is cut or left out.
    """
    batch: list[Protein] = []
    for protein in window:
        longest = max(len(chain) for p in [*batch, protein] for chain in p.chains)
        chains = sum(len(p.chains) for p in [*batch, protein])
        if batch and longest * chains > budget:
            yield batch
            batch = []
        batch.append(protein)
    if batch:
        yield batch


@torch.inference_mode()
def compute(model: FusedModel, batch: Batch, layers: Sequence[str]) -> dict[str, Tensor]:
    """Return {layer: (nodes, width)}; a number is a layer of the language model without fusion."""
    out: dict[str, Tensor] = {}
    if "fused" in layers:
        out["fused"] = model.features(batch)
    numbers = {name: layer_index(model, name) for name in layers if name != "fused"}
    if numbers:
        hidden = plm_layers(model, batch, set(numbers.values()))
        out |= {name: hidden[index] for name, index in numbers.items()}
    return out


def layer_index(model: FusedModel, name: str) -> int:
    """Return the layer of the language model that a text means, negative ones from the end.

    Raises:
        ConfigError: if the model has no such layer.
    """
    count = model.seq.num_layers if model.seq is not None else -1
    try:
        index = int(name)
    except ValueError:
        raise ConfigError(f"--layer {name!r} is neither 'fused' nor a layer's number.") from None
    index = index + count + 1 if index < 0 else index
    if not 0 <= index <= count:
        valid = f"0 (the embedding) to {count}" if count >= 0 else "none: there is no such model"
        raise ConfigError(f"--layer {name} is not a layer of the language model; it has {valid}.")
    return index


def plm_layers(model: FusedModel, batch: Batch, wanted: set[int]) -> dict[int, Tensor]:
    """Return {k: (nodes, width)} of the language model alone; the last one after its norm."""
    seq = model.seq
    assert seq is not None and batch.tokens is not None and batch.attend is not None
    out: dict[int, Tensor] = {}

    def keep(k: int, h: Tensor) -> Tensor:
        if k in wanted:
            out[k] = gather_rows(h, batch.node_token)
        return h

    last = seq(batch.tokens, batch.attend, keep)
    if seq.num_layers in wanted:
        out[seq.num_layers] = gather_rows(last, batch.node_token)
    if 0 in wanted:
        out[0] = gather_rows(seq.embedding(batch.tokens, batch.attend), batch.node_token)
    return out


def node_names(protein: Protein, batch: Batch, index: int) -> list[str]:
    """Return "chain:number:letter" of each node of one protein; "ligand" for its ligand atoms.

    The number is the author's where the residue is resolved, else its position from 1 in brackets.
    """
    residues = batch.graph.nodes["residue"][batch.graph.protein == index].tolist()
    labels = [
        f"{chain.name}:{number or f'({i + 1})'}:{letter}"
        for chain in protein.chains
        for i, (number, letter) in enumerate(zip(chain.numbers, chain.sequence, strict=True))
    ]
    return [labels[row] if row >= 0 else "ligand" for row in residues]


def bytes_a_residue(model: FusedModel, settings: Settings) -> int:
    """Return what one row of every requested layer takes in the file."""
    plm_width = model.seq.width if model.seq is not None else 0
    widths = [model.width if layer == "fused" else plm_width for layer in settings.layers]
    return sum(widths) * (2 if settings.half else 4)


def embed_or_note(
    model: FusedModel,
    proteins: Sequence[Protein],
    file: EmbeddingFile,
    device: str,
    outcome: Outcome,
) -> None:
    """Embed a batch; a protein that the model cannot take is noted, the others are done."""
    try:
        embed_batch(model, proteins, file, device)
        outcome.written += len(proteins)
    except ZooError as error:
        if len(proteins) == 1:
            outcome.failed[f"{proteins[0].source} {proteins[0].name}"] = str(error)
            return
        for protein in proteins:
            embed_or_note(model, [protein], file, device, outcome)


def embed_batch(
    model: FusedModel, proteins: Sequence[Protein], file: EmbeddingFile, device: str
) -> None:
    """Compute and write one batch."""
    batch = model.batch(proteins)
    rows: dict[str, Any] = compute(model, batch.to(device), file.settings.layers)
    for index, protein in enumerate(proteins):
        mine = batch.graph.protein == index
        part = {name: tensor[mine.to(tensor.device)] for name, tensor in rows.items()}
        if file.settings.pool:
            part = {name: tensor.mean(0) for name, tensor in part.items()}
        file.write(protein, part, [] if file.settings.pool else node_names(protein, batch, index))
    file.flush()
