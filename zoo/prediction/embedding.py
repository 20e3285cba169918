"""Compute the features of proteins, and write them to a file of features."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

import torch
from torch import Tensor

from zoo.errors import ConfigError
from zoo.models.headroom import Headroom
from zoo.models.model import FusedModel
from zoo.prediction.attempts import attempted
from zoo.prediction.embedding_file import EmbeddingFile, Settings
from zoo.prediction.inputs import Outcome
from zoo.proteins.batch import Batch, gather_rows
from zoo.proteins.complexes import Parts
from zoo.proteins.protein import Protein
from zoo.proteins.threedi import UNKNOWN, structure_letters
from zoo.settings.config import COMPLEX

Rows = tuple[Parts, Batch, dict[str, Tensor]]
"""Proteins as the model takes them, their batch, and its features (nodes, width) by layer."""
RAW = "raw"
"""Name of the last layer before its final norm."""


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


def node_structure(protein: Protein, batch: Batch, index: int) -> list[str]:
    """Return the 3Di letter of each node of one protein, `UNKNOWN` for its ligand atoms."""
    residues = batch.graph.nodes["residue"][batch.graph.protein == index].tolist()
    letters = "".join(structure_letters(protein))
    return [letters[row] if row >= 0 else UNKNOWN for row in residues]


def bytes_a_residue(model: FusedModel, settings: Settings) -> int:
    """Return the bytes in the file of one row of every requested layer."""
    plm_width = model.seq.width if model.seq is not None else 0
    widths = [model.width if layer == "fused" else plm_width for layer in settings.layers]
    return sum(widths) * (2 if settings.half else 4)


def features_of(headroom: Headroom, proteins: Sequence[Protein], layers: Sequence[str]) -> Rows:
    """Return some proteins as the model takes them, their batch, and its features on the CPU.

    Raises:
        ConfigError: if memory would not hold them.
    """
    headroom.check(proteins)
    parts = Parts(proteins, headroom.model.recipe.config.scope or COMPLEX)
    batch = headroom.model.batch(parts.proteins)
    found = compute(headroom.model, batch.to(headroom.device), layers)
    return parts, batch, {name: tensor.cpu() for name, tensor in found.items()}


def embed_or_note(
    headroom: Headroom, proteins: Sequence[Protein], file: EmbeddingFile, outcome: Outcome
) -> None:
    """Embed a batch; proteins that cannot be embedded are noted as failed.

    Args:
        headroom: Memory of the model that embeds.
        proteins: Proteins of the batch.
        file: File to write to.
        outcome: Counts to add to.
    """
    work = partial(features_of, headroom, layers=file.settings.layers)
    for some, rows in attempted(proteins, work, outcome):
        write_batch(some, rows, file)
        outcome.written += len(some)


def of_each(rows: Rows, pool: bool) -> Iterator[dict[str, Tensor]]:
    """Yield the features of each protein of a batch: (nodes, width), or (width,) if pooled."""
    parts, batch, tensors = rows
    for own in parts.places():
        mine = torch.isin(batch.graph.protein, torch.tensor(own))
        found = {name: tensor[mine] for name, tensor in tensors.items()}
        yield {name: tensor.mean(0) for name, tensor in found.items()} if pool else found


def names_of_each(rows: Rows) -> Iterator[list[str]]:
    """Yield the names of the rows of each protein of a batch, see `node_names`."""
    parts, batch, _ = rows
    for own in parts.places():
        yield [name for at in own for name in node_names(parts.proteins[at], batch, at)]


def write_batch(proteins: Sequence[Protein], rows: Rows, file: EmbeddingFile) -> None:
    """Write the features of one batch."""
    (parts, batch, _), pool = rows, file.settings.pool
    each = zip(proteins, parts.places(), of_each(rows, pool), names_of_each(rows), strict=True)
    for protein, own, found, names in each:
        letters = (
            []
            if file.reads == "sequence" or pool
            else [letter for at in own for letter in node_structure(parts.proteins[at], batch, at)]
        )
        file.write(protein, found, [] if pool else names, letters)
    file.flush()
