"""Write the features of proteins to one HDF5 file, which never holds an incomplete protein."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from torch import Tensor

from zoo.errors import ConfigError, ZooError
from zoo.models.model import FusedModel
from zoo.prediction.inputs import Outcome, sequence_hash, stamp
from zoo.prediction.paths import Input
from zoo.proteins.batch import Batch, gather_rows
from zoo.proteins.protein import Protein
from zoo.settings.config import Config

PARTIAL = "__partial__"
RAW = "raw"
"""Name of the last layer before its final norm."""


@dataclass(frozen=True)
class Settings:
    """What to compute. The file stores the settings, which all its proteins share.

    Attributes:
        layers: features to write: "fused", numbers of language model layers (the last one after
            its final norm), or "raw", the last one before it.
        pool: whether to write the mean over the residues instead of one row per residue.
        half: whether to store float16 instead of float32.
    """

    layers: tuple[str, ...]
    pool: bool
    half: bool


class EmbeddingFile:
    """An HDF5 file with one group for each protein, which has the protein's name.

    A group has one dataset for each layer, (residues, width) or (width,), the names of its rows in
    `residues` (chain:number:letter), and the hash of the sequence as an attribute. It is written
    under another name and renamed when complete, so that every group that has a protein's name is
    complete.

    Args:
        path: HDF5 file, created if it does not exist.
        model: model that computes the features.
        settings: features to compute.

    Raises:
        ConfigError: if the file cannot be opened, or is of another model or settings.
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
                "is another kind of file, delete it or choose another --out."
            ) from error
        before = self.file.attrs.setdefault("description", description)
        if before != description and not _same(before, description):
            raise ConfigError(
                f"{path} was written by another model or with other settings. Choose another "
                "--out, or delete it to start again."
            )
        if PARTIAL in self.file:
            del self.file[PARTIAL]

    def __enter__(self) -> EmbeddingFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def has(self, protein: Protein) -> bool:
        """Return whether this protein is done, with the same name, sequence and structure."""
        group = self.file.get(group_of(protein))
        if group is None or group.attrs.get("sequence_hash") != sequence_hash(protein):
            return False
        # One sequence can have several structures, so the structure file must be the same too.
        return not protein.has_structure or group.attrs["file_stamp"] == stamp(protein.source)

    def has_file(self, file: Input) -> bool:
        """Return whether an unchanged structure file was embedded before, without reading it."""
        group = self.file.get(file.name)
        return group is not None and group.attrs.get("file_stamp") == stamp(str(file.path))

    def write(self, protein: Protein, rows: dict[str, Tensor], nodes: Sequence[str]) -> None:
        """Add one protein's features; they replace those of a protein with the same name."""
        group = self.file.create_group(PARTIAL)
        for layer, tensor in rows.items():
            values = tensor.float().cpu().numpy()
            group[layer] = values.astype(np.float16 if self.settings.half else np.float32)
        group["residues"] = np.array(nodes, dtype="S")
        group.attrs["sequence_hash"] = sequence_hash(protein)
        group.attrs["source"] = protein.source
        group.attrs["file_stamp"] = stamp(protein.source)
        name = group_of(protein)
        if name in self.file:
            del self.file[name]
        self.file.move(PARTIAL, name)

    def flush(self) -> None:
        """Write all buffers to the disk."""
        self.file.flush()


def _same(before: str, now: str) -> bool:
    """Return whether two descriptions are equal, the first of a version that had fewer keys."""
    try:
        facts = json.loads(before)
        facts["config"] = Config.from_dict(facts["config"]).to_dict()
    except (ZooError, ValueError, TypeError, KeyError):
        return False
    return bool(facts == json.loads(now))


def group_of(protein: Protein) -> str:
    """Return the name of a protein's group.

    That of a structure is its name, whose slashes are folders. That of a sequence is its id with
    slashes and lone dots written as in a URL, since HDF5 takes names for paths: "Q5VST9/1-60" is
    "Q5VST9%2F1-60", and does not lie in the group of "Q5VST9".

    Examples:
        >>> from zoo.proteins.protein import from_sequence
        >>> group_of(from_sequence("a//b", "MKT")), group_of(from_sequence(".", "MKT"))
        ('a%2F%2Fb', '%2E')
    """
    if protein.has_structure:
        return protein.name
    name = protein.name.replace("%", "%25").replace("/", "%2F")
    return name.replace(".", "%2E") if name.strip(".") == "" else name


@torch.inference_mode()
def compute(model: FusedModel, batch: Batch, layers: Sequence[str]) -> dict[str, Tensor]:
    """Return the features (nodes, width) by layer; numbered layers are without fusion."""
    out: dict[str, Tensor] = {}
    if "fused" in layers:
        out["fused"] = model.features(batch)
    numbers = {name: layer_index(model, name) for name in layers if name != "fused"}
    return out | (plm_layers(model, batch, numbers) if numbers else {})


def layer_index(model: FusedModel, name: str) -> int:
    """Return the number of the language model layer in a text; -1 and "raw" are the last layer.

    Raises:
        ConfigError: if the model has no such layer.
    """
    count = model.seq.num_layers if model.seq is not None else -1
    try:
        index = -1 if name == RAW else int(name)
    except ValueError:
        raise ConfigError(
            f"--layer {name!r} is neither 'fused', nor 'raw', nor a layer's number."
        ) from None
    index = index + count + 1 if index < 0 else index
    if not 0 <= index <= count:
        valid = f"0 (the embedding) to {count}" if count >= 0 else "none: there is no such model"
        raise ConfigError(f"--layer {name} is not a layer of the language model; it has {valid}.")
    return index


def plm_layers(model: FusedModel, batch: Batch, wanted: Mapping[str, int]) -> dict[str, Tensor]:
    """Return layers (nodes, width) of the language model alone, by the names of `wanted`.

    The last one is given after its final norm, unless its name is "raw".
    """
    seq = model.seq
    assert seq is not None and batch.tokens is not None and batch.attend is not None
    rows: dict[int, Tensor] = {}

    def keep(k: int, h: Tensor) -> Tensor:
        if k in wanted.values():
            rows[k] = gather_rows(h, batch.node_token)
        return h

    last = gather_rows(seq(batch.tokens, batch.attend, keep), batch.node_token)
    if 0 in wanted.values():
        rows[0] = gather_rows(seq.embedding(batch.tokens, batch.attend), batch.node_token)
    normed = {name for name, k in wanted.items() if k == seq.num_layers and name != RAW}
    return {name: last if name in normed else rows[k] for name, k in wanted.items()}


def node_names(protein: Protein, batch: Batch, index: int) -> list[str]:
    """Return "chain:number:letter" of each node of one protein; "ligand" for its ligand atoms.

    The number is that of the file if the residue is resolved, otherwise its position from 1 in
    brackets.
    """
    residues = batch.graph.nodes["residue"][batch.graph.protein == index].tolist()
    labels = [
        f"{chain.name}:{number or f'({i + 1})'}:{letter}"
        for chain in protein.chains
        for i, (number, letter) in enumerate(zip(chain.numbers, chain.sequence, strict=True))
    ]
    return [labels[row] if row >= 0 else "ligand" for row in residues]


def bytes_a_residue(model: FusedModel, settings: Settings) -> int:
    """Return the bytes in the file of one row of every requested layer."""
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
    """Embed a batch; proteins that the model refuses are noted as failed."""
    try:
        embed_batch(model, proteins, file, device)
        outcome.written += len(proteins)
    except ZooError as error:
        if len(proteins) == 1:
            outcome.fail(f"{proteins[0].source} {proteins[0].name}", str(error))
            return
        for protein in proteins:
            embed_or_note(model, [protein], file, device, outcome)


def embed_batch(
    model: FusedModel, proteins: Sequence[Protein], file: EmbeddingFile, device: str
) -> None:
    """Compute the features of one batch and write them."""
    batch = model.batch(proteins)
    rows: dict[str, Any] = compute(model, batch.to(device), file.settings.layers)
    for index, protein in enumerate(proteins):
        mine = batch.graph.protein == index
        part = {name: tensor[mine.to(tensor.device)] for name, tensor in rows.items()}
        if file.settings.pool:
            part = {name: tensor.mean(0) for name, tensor in part.items()}
        file.write(protein, part, [] if file.settings.pool else node_names(protein, batch, index))
    file.flush()
