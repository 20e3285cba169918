"""Integrated gradients: how much each residue contributes to an output through each branch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zoo.backbones.file_states import FileStates
from zoo.models.heads import ResidueHead
from zoo.models.inference import residue_rows
from zoo.models.model import FusedModel
from zoo.proteins.batch import Batch, gather_rows
from zoo.proteins.protein import Protein

Array = NDArray[np.float64]
TOKENS, STANDARD = "tokens", "ACDEFGHIKLMNPQRSTVWY"
TOLERATED = 0.1
"""Share of the change of the output that the contributions may miss."""


@dataclass(frozen=True)
class Attribution:
    """Contributions of the residues to one output.

    They are in logits, or for a regression in the unit of its values.

    Attributes:
        sequence: (residues,) contributions through the language model's token embeddings,
            relative to their mean over the standard residues; through hidden states from a file,
            relative to their mean over the protein.
        structure: (residues,) contributions through the features of the graph's nodes, relative
            to their means over the protein.
        output: output that is explained.
        baseline: the output for mean residues and mean nodes.
        gap: output - baseline - sum of all contributions: error of the finite number of steps.
        steps: number of steps that were taken.
    """

    sequence: Array
    structure: Array
    output: float
    baseline: float
    gap: float
    steps: int

    @property
    def misses(self) -> bool:
        """Whether the contributions miss more than a tenth of the change."""
        return abs(self.gap) > TOLERATED * abs(self.output - self.baseline)


def refined(
    model: FusedModel, protein: Protein, batch: Batch, *, steps: int, column: int = 0,
    residue: int | None = None, most: int = 512,
) -> Attribution:  # fmt: skip
    """Return `attribute` with twice the steps as long as a tenth of the change is missing.

    Args:
        model: model with a head.
        protein: protein to explain.
        batch: batch of only this protein.
        steps: number of steps to begin with.
        column: column of the head's output.
        residue: position of the residue over all chains, from 0; None for the mean.
        most: largest number of steps to go to.
    """
    found = attribute(model, protein, batch, steps=steps, column=column, residue=residue)
    while found.misses and 2 * found.steps <= most:
        found = attribute(
            model, protein, batch, steps=2 * found.steps, column=column, residue=residue
        )
    return found


def attribute(
    model: FusedModel, protein: Protein, batch: Batch, *, steps: int, column: int = 0,
    residue: int | None = None,
) -> Attribution:  # fmt: skip
    """Return integrated gradients (Sundararajan et al., arXiv:1703.01365), by Captum.

    The path goes from the mean residue and the mean node to the actual protein; edges stay as they
    are. For a residue head, the output is that of one residue or the mean over all residues. If a
    residue has several nodes, as in atom graphs, it has the output of one of them.

    Args:
        model: model with a head; its language model may be frozen.
        protein: protein to explain.
        batch: batch of only this protein.
        steps: number of steps of the path.
        column: column of the head's output.
        residue: position of the residue over all chains, from 0; None for the mean.

    Raises:
        IndexError: if the residue has no node.
    """
    from captum.attr import IntegratedGradients

    wanted, parts = _output_of(model, batch, column, residue), _inputs(model, batch)

    def forward(*given: Tensor) -> Tensor:
        steps = (dict(zip(parts, step, strict=True)) for step in zip(*given, strict=True))
        return torch.stack([wanted(_run(model, batch, step)) for step in steps])

    # A leading axis of length 1, because Captum uses the first axis for the steps.
    ends = [tuple(x[None] for x in side) for side in zip(*parts.values(), strict=True)]
    shares = IntegratedGradients(forward).attribute(*ends, n_steps=steps, internal_batch_size=1)
    with torch.no_grad():
        output, baseline = (float(forward(*side)[0]) for side in ends)
    nodes = torch.zeros(len(batch.node_token), 2, dtype=torch.float64)
    for name, share in zip(parts, shares, strict=True):
        whole = share[0].double().cpu().flatten(1).sum(1)
        nodes[:, int(name != TOKENS)] += _at_nodes(whole, batch) if name == TOKENS else whole
    missed = output - baseline - float(sum(share.double().sum() for share in shares))
    found = residue_rows(nodes.numpy(), batch, [len(protein)])[0]
    return Attribution(found[:, 0], found[:, 1], output, baseline, missed, steps)


def _output_of(
    model: FusedModel, batch: Batch, column: int, residue: int | None
) -> Callable[[Tensor], Tensor]:
    if not isinstance(model.head, ResidueHead):
        return lambda out: out[0, column]
    owner = batch.graph.nodes["residue"]
    if residue is None:
        return lambda out: out[owner >= 0, column].mean()
    at = (owner == residue).nonzero()
    if not len(at):
        raise IndexError(f"residue {residue} has no coordinates, so nothing is predicted for it")
    return lambda out: out[int(at[0, 0]), column]


def _inputs(model: FusedModel, batch: Batch) -> dict[str, tuple[Tensor, Tensor]]:
    """Return each input, and its baseline of means, with one row for each token or node.

    The baseline is not zero, because layer norms scale a row near zero up to that of any other row,
    so that a path from zeros would change the output only in its first step.
    """
    parts = {}
    if model.seq is not None and batch.tokens is not None:
        linked = batch.node_token[batch.node_token >= 0]
        if isinstance(model.seq, FileStates):
            held = model.seq.embedding(batch.tokens, batch.tokens >= 0).flatten(0, 1)
            mean = held[linked].mean(0)
        else:
            held = _embedding(model).weight.detach()[batch.tokens.flatten()]
            mean = _mean_residue(model)
        plain = held.index_copy(0, linked, mean.expand(len(linked), -1))
        parts[TOKENS] = (held, plain)
    if model.struct is not None:
        for name in ("node_s", "node_v", "backbone", "steps"):
            x = batch.graph.nodes[name]
            parts[name] = (x, x.mean(0).expand_as(x))
    return parts


def _embedding(model: FusedModel) -> Any:
    seq: Any = model.seq
    return seq.model.get_input_embeddings()


def _mean_residue(model: FusedModel) -> Tensor:
    """Return the mean embedding (width,) of the twenty standard residues."""
    assert model.seq is not None
    table = _embedding(model).weight.detach()
    tokens = model.seq.tokenize([STANDARD])
    ids = tokens.ids[0, tokens.start : tokens.start + len(STANDARD)]
    return table[ids.to(table.device)].mean(0)


def _run(model: FusedModel, batch: Batch, inputs: Mapping[str, Tensor]) -> Tensor:
    """Return the head's output with these token and node features instead of the protein's."""
    nodes = {**batch.graph.nodes, **{k: x for k, x in inputs.items() if k != TOKENS}}
    changed = replace(batch, graph=replace(batch.graph, nodes=nodes))
    # Captum needs a gradient for each input, but some graph networks do not read all of them.
    unread = 0.0 * sum(x.sum() for x in inputs.values())
    if TOKENS not in inputs:
        return model(changed) + unread
    assert batch.tokens is not None
    rows = inputs[TOKENS].view(*batch.tokens.shape, -1)
    if isinstance(model.seq, FileStates):
        return model(changed, {1: gather_rows(rows, batch.node_token)}) + unread
    hook = _embedding(model).register_forward_hook(lambda module, args, output: rows)
    try:
        hidden = model.tap_with_gradient(changed) if model.side is not None else None
        return model(changed, hidden) + unread
    finally:
        hook.remove()


def _at_nodes(tokens: Tensor, batch: Batch) -> Tensor:
    """Return the value of each node (nodes,) from values of tokens; 0 for ligand atoms."""
    at = batch.node_token.cpu()
    return torch.where(at >= 0, tokens[at.clamp(min=0)], 0.0)
